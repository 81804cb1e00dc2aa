"""Card payments of customers at terminals, some of them fraud, with the features that a fraud model sees."""

from __future__ import annotations

from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from numpy.random import RandomState
from scipy.special import ndtr, ndtri
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import Interval, validate_params

from .reach import SIDE, draw_terminals
from .windows import DAY, LENGTHS, window_features

#: Time of day of payments: normal around noon, in seconds.
_NOON, _TIME_SD = DAY / 2, 20_000.0

#: Scenario 1: amounts above this are fraud.
_LARGE = 220.0

#: Scenario 2: days that a terminal stays compromised.
_COMPROMISED_DAYS = 28

#: Scenario 3: days that a stolen card is used, share of its payments that the thief makes, and factor of their amounts.
_STOLEN_DAYS, _STOLEN_SHARE, _STOLEN_FACTOR = 14, 1 / 3, 5.0

_FEATURE_NAMES = ["amount", "weekend", "night"]
_FEATURE_NAMES += [f"customer_{name}_{days}d" for days in LENGTHS for name in ("payments", "mean_amount")]
_FEATURE_NAMES += [f"terminal_{name}_{days}d" for days in LENGTHS for name in ("payments", "risk")]

_DESCR = """\
Simulated card payments
-----------------------

Customers with habits of their own pay by card at terminals near their home. The rows are payments in time order.
Fraud comes in three scenarios: (1) amounts above 220; (2) every payment at a terminal in the 28 days from the day
it is compromised; (3) a third of the payments with a card in the 14 days from its theft, with five times the amount.

Features: amount; weekend (1 on the sixth and seventh day of a week, day 0 is a Monday); night (1 before 7 o'clock);
number of payments and mean amount of the customer over the last 1, 7 and 30 days, this payment included; number of
payments and risk (share of fraud) of the terminal over windows of 1, 7 and 30 days that end a delay before the
payment, because labels are known only then. The mean of an empty window is 0.

The design is that of the simulator in Le Borgne, Siblini, Lebichot & Bontempi (2022), Reproducible Machine Learning for
Credit Card Fraud Detection - Practical Handbook, https://github.com/Fraud-Detection-Handbook/fraud-detection-handbook.
"""


class _Payments(NamedTuple):
    """Payments in time order: indices of customer and terminal, whole seconds since the first midnight, amount."""

    customer: np.ndarray
    terminal: np.ndarray
    time: np.ndarray
    amount: np.ndarray


@validate_params(
    {
        "n_customers": [Interval(Integral, 1, None, closed="left")],
        "n_terminals": [Interval(Integral, 1, None, closed="left")],
        "n_days": [Interval(Integral, 1, None, closed="left")],
        "radius": [Interval(Real, 0, None, closed="left")],
        "terminal_rate": [Interval(Real, 0, 1, closed="both")],
        "card_rate": [Interval(Real, 0, 1, closed="both")],
        "delay": [Interval(Integral, 1, None, closed="left")],
        "return_X_y": ["boolean"],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_transactions(
    n_customers: int = 600,
    n_terminals: int = 1200,
    n_days: int = 90,
    *,
    radius: float = 5.0,
    terminal_rate: float = 2e-4,
    card_rate: float = 6e-4,
    delay: int = 7,
    return_X_y: bool = False,
    random_state: int | RandomState | None = None,
) -> Bunch | tuple[np.ndarray, np.ndarray]:
    """Simulate card payments of customers at terminals, some 0.8 % of them fraud.

    Customers and terminals live in a square of 100 x 100. A customer makes on average 0 to 4 payments a day (uniform)
    at terminals near home, with amounts that are normal around a mean of 5 to 100 (uniform) with half of it as the
    standard deviation; negative amounts are drawn again, uniform from 0 to twice the mean. Times of day are normal
    around noon with a standard deviation of 20,000 s, cut to the day. Fraud comes in three scenarios:

    1. amounts above 220 are fraud;
    2. a compromised terminal makes fraud of every payment at it, for 28 days;
    3. a stolen card makes fraud of its payments for 14 days, each with probability 1/3 and at five times the amount.

    A payment in several scenarios is given the last. Each scenario shows in features of its own: the amount, the risk
    of the terminal, the amount against the mean of the customer. The design is that of the Fraud Detection Handbook
    [1]_; the rates of scenarios 2 and 3 are shares here, so that the share of fraud does not depend on the size.

    Use it to show or to compare methods for rare classes with time order and late labels. Real fraud is neither as
    simple nor as clean: do not read accuracies as those of a fraud system. The windows of the first 30 + ``delay`` days
    are incomplete, which misleads flexible models: train without those days, and divide train and test by time.
    A million payments take some two seconds and 0.5 GB.

    Parameters
    ----------
    n_customers : int, default=600
        Number of customers, at least 1; 2 payments each a day, so the default makes some 108,000 rows.
    n_terminals : int, default=1200
        Number of terminals, at least 1. Two for each customer, as in the handbook: a payment a day at each.
    n_days : int, default=90
        Number of days, at least 1: the longest window and the delay, and some 50 days more to train and test.
    radius : float, default=5.0
        Distance from home up to which a customer pays, at least 0, in units of the square. Where no terminal is
        that near, the customer pays at the nearest one.
    terminal_rate : float, default=2e-4
        Share of the terminals that is compromised anew each day, 0 to 1: 2 of 10,000 as in the handbook.
    card_rate : float, default=6e-4
        Share of the cards (one a customer) that is stolen anew each day, 0 to 1: 3 of 5,000 as in the handbook.
    delay : int, default=7
        Days until a label is known, at least 1. The risk of a terminal uses no label younger than that, and
        ``label_time`` says when the label of a payment may first be trained on.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.
    random_state : int, RandomState instance or None, default=None
        Source of randomness. Pass an int for the same data on every call.

    Returns
    -------
    transactions : Bunch
        In time order: ``data`` (n, 15), ``target`` (n,), 1 where a payment is fraud, ``feature_names`` (15 names),
        ``amount`` (n,), ``time`` (n,) in whole seconds since the first midnight, ``label_time`` (n,), when the label
        is known: ``time`` and the delay, ``day`` (n,) from 0, ``customer`` (n,), ``terminal`` (n,), ``scenario`` (n,),
        0 where a payment is genuine, and ``DESCR``.
    (data, target) : tuple of ndarray
        Where ``return_X_y`` is true.

    Raises
    ------
    ValueError
        Where a parameter is outside its range.

    References
    ----------
    .. [1] Le Borgne, Siblini, Lebichot & Bontempi (2022), Reproducible Machine Learning for Credit Card Fraud
           Detection - Practical Handbook. https://github.com/Fraud-Detection-Handbook/fraud-detection-handbook

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe.datasets import make_transactions
    >>> payments = make_transactions(random_state=0)
    >>> payments.data.shape[1], payments.feature_names[:3]
    (15, ['amount', 'weekend', 'night'])
    >>> print(f"{payments.target.mean():.2%} fraud")
    0.82% fraud

    Train on what is known when the test begins at midnight: the labels of the week before are not.

    >>> test = payments.day >= 67
    >>> train = (payments.day >= 37) & (payments.label_time < 67 * 86_400)
    >>> print(train.sum(), test.sum())
    26611 26765
    """
    rng = check_random_state(random_state)
    payments = _draw_payments(rng, n_customers, n_terminals, n_days, radius)
    day = payments.time // DAY
    compromised = _struck(rng, payments.terminal, day, n_terminals, n_days, terminal_rate, _COMPROMISED_DAYS)
    stolen = _struck(rng, payments.customer, day, n_customers, n_days, card_rate, _STOLEN_DAYS)
    stolen &= rng.random_sample(len(day)) < _STOLEN_SHARE
    amount = np.where(stolen, _STOLEN_FACTOR, 1.0) * payments.amount
    payments = payments._replace(amount=amount)
    scenario = np.select([stolen, compromised, amount > _LARGE], [3, 2, 1])
    target = (scenario > 0).astype(np.int64)
    data = _features(payments, target, delay)
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        feature_names=list(_FEATURE_NAMES),
        day=day,
        label_time=payments.time + delay * DAY,
        scenario=scenario,
        DESCR=_DESCR,
        **payments._asdict(),
    )


def _draw_payments(rng: RandomState, n_customers: int, n_terminals: int, n_days: int, radius: float) -> _Payments:
    """Genuine payments."""
    home = rng.uniform(0, SIDE, (n_customers, 2))
    place = rng.uniform(0, SIDE, (n_terminals, 2))
    mean_amount = rng.uniform(5, 100, n_customers)
    per_day = rng.uniform(0, 4, n_customers)
    # A Poisson number each day is a Poisson number in all whose days are uniform.
    customer = np.repeat(np.arange(n_customers), rng.poisson(per_day * n_days))
    n = len(customer)
    cut = ndtr(_NOON / _TIME_SD)
    time_of_day = _NOON + _TIME_SD * ndtri(rng.uniform(1 - cut, cut, n))
    time = rng.randint(n_days, size=n) * DAY + time_of_day.astype(np.int64)
    amount = mean_amount[customer] * (1 + 0.5 * rng.standard_normal(n))
    negative = amount < 0
    amount[negative] = rng.uniform(0, 2 * mean_amount[customer[negative]])
    terminal = draw_terminals(rng, home, place, customer, radius)
    order = np.argsort(time, kind="stable")
    return _Payments(customer[order], terminal[order], time[order], amount[order])


def _struck(
    rng: RandomState, who: np.ndarray, day: np.ndarray, n: int, n_days: int, rate: float, duration: int
) -> np.ndarray:
    """Whether the terminal or card of each payment was struck on its day or on one of the ``duration - 1`` before.

    Every day the same number of the ``n`` is struck, drawn at random; where their number ``rate * n`` is a fraction,
    the days take turns.
    """
    n_strikes = round(rate * n * n_days)
    first_day = np.arange(n_strikes) * n_days // max(n_strikes, 1)
    # One axis for all, their days so far apart that no strike reaches into the days of the next. The strike in front
    # of all others affects nobody; it is there so that each payment has a strike before it.
    span = n_days + duration
    strikes = np.sort(np.append(rng.randint(n, size=n_strikes) * span + first_day, -span))
    at = who * span + day
    last = strikes[np.searchsorted(strikes, at, side="right") - 1]
    return at - last < duration


def _features(payments: _Payments, target: np.ndarray, delay: int) -> np.ndarray:
    """Columns of `_FEATURE_NAMES`."""
    customer, terminal, time, amount = payments
    weekend = time // DAY % 7 >= 5
    night = time % DAY // 3600 <= 6
    by_customer = window_features(customer, time, amount)
    by_terminal = window_features(terminal, time, target, delay)
    return np.column_stack([amount, weekend, night, by_customer, by_terminal])
