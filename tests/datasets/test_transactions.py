"""Payments, their scenarios of fraud, and the windows over them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chisquare, norm

from skmoe.datasets import make_transactions
from skmoe.datasets.reach import draw_terminals
from skmoe.datasets.windows import DAY, LENGTHS, window_features


@pytest.fixture(scope="module")
def payments():
    return make_transactions(random_state=0)


def genuine(*size, **kwargs):
    """Payments without stolen cards and compromised terminals."""
    return make_transactions(*size, terminal_rate=0, card_rate=0, **kwargs)


# -- features ------------------------------------------------------------------------------------------------


def brute_force(p, delay):
    """The features of every payment, by looking at all payments up to it."""
    payments = list(
        zip(*(p[name].tolist() for name in ("customer", "terminal", "time", "amount", "target")), strict=True)
    )
    rows = []
    for i, (customer, terminal, now, amount, _) in enumerate(payments):
        row = [amount, now // DAY % 7 in (5, 6), now % DAY < 7 * 3600]
        for length in LENGTHS:
            inside = [a for c, _, t, a, _ in payments[: i + 1] if c == customer and now - length * DAY < t <= now]
            row += [len(inside), sum(inside) / len(inside)]
        for length in LENGTHS:
            end = now - delay * DAY
            inside = [y for _, k, t, _, y in payments[: i + 1] if k == terminal and end - length * DAY < t <= end]
            row += [len(inside), sum(inside) / len(inside) if inside else 0.0]
        rows.append(row)
    return np.array(rows, dtype=float)


@pytest.mark.parametrize("delay", [3, 7])
def test_features_equal_a_double_loop(delay):
    p = make_transactions(5, 3, 45, radius=60, terminal_rate=0.02, card_rate=0.02, delay=delay, random_state=1)
    risk = p.data[:, p.feature_names.index("terminal_risk_30d")]
    # All that can go wrong must occur: full windows, windows of some fraud, empty windows.
    assert len(p.time) > 300
    assert (p.day > 30 + delay).any()
    assert ((risk > 0) & (risk < 1)).any()
    assert (p.data[:, p.feature_names.index("terminal_payments_1d")] == 0).any()
    np.testing.assert_allclose(p.data, brute_force(p, delay), rtol=1e-10)


def test_feature_names(payments):
    assert payments.feature_names == [
        "amount",
        "weekend",
        "night",
        "customer_payments_1d",
        "customer_mean_amount_1d",
        "customer_payments_7d",
        "customer_mean_amount_7d",
        "customer_payments_30d",
        "customer_mean_amount_30d",
        "terminal_payments_1d",
        "terminal_risk_1d",
        "terminal_payments_7d",
        "terminal_risk_7d",
        "terminal_payments_30d",
        "terminal_risk_30d",
    ]


def test_window_ends():
    # Exactly one day before is outside a window of one day; in the same second only the row before is known.
    time = np.array([0, DAY - 1, DAY, DAY])
    found = window_features(np.zeros(4, dtype=int), time, np.array([1.0, 2.0, 3.0, 4.0]))
    np.testing.assert_array_equal(found[:, 0], [1, 2, 2, 3])
    np.testing.assert_array_equal(found[:, 1], [1.0, 1.5, 2.5, 3.0])


def test_window_ends_with_delay():
    # Exactly the delay before is known, a second less is not.
    time = np.array([0, 1, 2 * DAY])
    found = window_features(np.zeros(3, dtype=int), time, np.array([5.0, 7.0, 9.0]), delay=2)
    np.testing.assert_array_equal(found[:, 0], [0, 0, 1])
    np.testing.assert_array_equal(found[:, 1], [0.0, 0.0, 5.0])


def test_risk_uses_no_label_younger_than_the_delay(payments):
    now = 60 * DAY
    young = payments.time > now - 7 * DAY
    true = window_features(payments.terminal, payments.time, payments.target, delay=7)
    changed = window_features(payments.terminal, payments.time, np.where(young, 1, payments.target), delay=7)
    np.testing.assert_array_equal(true, payments.data[:, 9:])
    np.testing.assert_array_equal(true[payments.time <= now], changed[payments.time <= now])
    assert (true[payments.time > now] != changed[payments.time > now]).any()


@pytest.mark.parametrize("delay", [2, 7])
def test_labels_are_known_when_the_risk_of_a_terminal_uses_them(delay):
    # The 30-day risk counts the payments at the terminal whose label is known, and no others.
    p = make_transactions(20, 5, 28, delay=delay, terminal_rate=0.01, random_state=0)
    np.testing.assert_array_equal(p.label_time - p.time, delay * DAY)
    number = p.data[:, p.feature_names.index("terminal_payments_30d")]
    known = (p.terminal == p.terminal[:, None]) & (p.label_time <= p.time[:, None])
    np.testing.assert_array_equal(number, known.sum(axis=1))


# -- payments ------------------------------------------------------------------------------------------------


def test_shapes_and_types(payments):
    n = len(payments.target)
    assert payments.data.shape == (n, 15)
    assert payments.data.dtype == np.float64
    assert np.isfinite(payments.data).all()
    for name in ("time", "label_time", "day", "customer", "terminal", "scenario", "target"):
        assert payments[name].shape == (n,)
        assert payments[name].dtype.kind == "i"
    assert payments.amount.shape == (n,)
    np.testing.assert_array_equal(payments.amount, payments.data[:, 0])
    assert "Le Borgne" in payments.DESCR


def test_random_state():
    first, again, other = (make_transactions(30, 60, 20, random_state=seed) for seed in (3, 3, 4))
    for name in set(first) - {"DESCR", "feature_names"}:
        np.testing.assert_array_equal(first[name], again[name])
    assert first.data.shape != other.data.shape or not np.array_equal(first.data, other.data)


def test_pair():
    whole = make_transactions(30, 60, 20, random_state=0)
    data, target = make_transactions(30, 60, 20, return_X_y=True, random_state=0)
    np.testing.assert_array_equal(data, whole.data)
    np.testing.assert_array_equal(target, whole.target)


def test_rows_are_in_time_order(payments):
    assert (np.diff(payments.time) >= 0).all()
    np.testing.assert_array_equal(payments.day, payments.time // DAY)
    assert set(payments.day) == set(range(90))
    assert 0 <= payments.customer.min() <= payments.customer.max() < 600
    assert 0 <= payments.terminal.min() <= payments.terminal.max() < 1200


def test_times_of_day_are_a_normal_cut_to_the_day(payments):
    second = payments.time % DAY
    cut = DAY / 2 / 20_000
    sd = 20_000 * np.sqrt(1 - 2 * cut * norm.pdf(cut) / (2 * norm.cdf(cut) - 1))
    np.testing.assert_allclose(second.mean(), DAY / 2, atol=4 * sd / np.sqrt(len(second)))
    np.testing.assert_allclose(second.std(), sd, rtol=0.01)


def test_days_of_a_customer_are_poisson():
    p = genuine(300, 10, 200, random_state=0)
    per_day = np.bincount(p.customer * 200 + p.day, minlength=300 * 200).reshape(300, 200)
    mean, variance = per_day.mean(axis=1), per_day.var(axis=1, ddof=1)
    # Means are uniform on (0, 4), and variances equal them.
    np.testing.assert_allclose([mean.mean(), mean.std()], [2, 4 / np.sqrt(12)], atol=0.25)
    np.testing.assert_allclose(variance.sum() / mean.sum(), 1, atol=0.03)


def test_amounts():
    p = genuine(300, 10, 400, random_state=0)
    assert p.amount.min() >= 0
    number = np.bincount(p.customer)
    mean = np.bincount(p.customer, p.amount) / number
    # A standard normal z below -2 gives way to one uniform on (-2, 2), with mean 0 and mean square 4 / 3.
    below = norm.cdf(-2)
    z_mean = norm.pdf(2)
    z_square = 1 - below - 2 * norm.pdf(2) + below * 4 / 3
    ratio_mean, ratio_sd = 1 + z_mean / 2, np.sqrt(z_square - z_mean**2) / 2
    known = number > 400
    scale = mean[known] / ratio_mean
    np.testing.assert_allclose([scale.min(), scale.max()], [5, 100], atol=5)
    ratio = (p.amount / mean[p.customer])[known[p.customer]]
    np.testing.assert_allclose(ratio.std(), ratio_sd / ratio_mean, rtol=0.004)


def test_no_payment_at_all():
    # The seed is one of those whose only customer does not pay on the only day.
    p = make_transactions(1, 1, 1, random_state=2)
    assert p.data.shape == (0, 15)
    assert p.target.shape == (0,)


# -- terminals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("radius", [0.0, 1.0, 5.0, 40.0, 1000.0])
def test_every_customer_pays_within_reach(radius):
    rng = np.random.RandomState(0)
    home, place = rng.uniform(0, 100, (100, 2)), rng.uniform(0, 100, (150, 2))
    customer = np.repeat(np.arange(100), 500)
    terminal = draw_terminals(rng, home, place, customer, radius)
    distance = np.linalg.norm(home[:, None] - place, axis=2)
    reach = distance <= np.maximum(radius, distance.min(axis=1, keepdims=True))
    count = np.zeros((100, 150))
    np.add.at(count, (customer, terminal), 1)
    assert (count[~reach] == 0).all()
    # All in reach with the same probability; of a hundred true p-values one is below 1e-5 once in a thousand times.
    p_values = [chisquare(count[c, reach[c]]).pvalue for c in range(100) if reach[c].sum() > 1]
    assert min(p_values, default=1.0) > 1e-5


# -- fraud ---------------------------------------------------------------------------------------------------


def test_target_is_any_scenario(payments):
    np.testing.assert_array_equal(payments.target, payments.scenario > 0)
    assert set(payments.scenario) == {0, 1, 2, 3}


def test_large_amounts_are_fraud(payments):
    others = payments.scenario <= 1
    np.testing.assert_array_equal(payments.scenario[others] == 1, payments.amount[others] > 220)
    assert payments.target[payments.amount > 220].all()


@pytest.mark.parametrize(
    ("strikes", "days"), [(0, []), (1, range(28)), (2, [*range(28), *range(40, 68)]), (4, range(80))]
)
def test_compromised_terminals(strikes, days):
    # A single terminal, struck on days that divide 80 evenly.
    p = make_transactions(20, 1, 80, terminal_rate=strikes / 80, card_rate=0, random_state=0)
    np.testing.assert_array_equal(p.scenario == 2, np.isin(p.day, days))


def test_compromised_terminals_are_apart():
    # Two of five terminals, one from the first day on and one from day 20; the others stay genuine. The seed strikes
    # terminals 0 and 2, so that a strike late in the days of one could spill over into the next.
    p = make_transactions(50, 5, 40, radius=200, terminal_rate=2 / 200, card_rate=0, random_state=6)
    fraud = p.scenario == 2
    (first,) = set(p.terminal[fraud & (p.day < 20)])
    (second,) = set(p.terminal[fraud & (p.day >= 28)])
    assert first != second
    expected = (p.terminal == first) & (p.day < 28) | (p.terminal == second) & (p.day >= 20)
    np.testing.assert_array_equal(fraud, expected)


def test_a_stolen_card():
    p = make_transactions(1, 5, 40, terminal_rate=0, card_rate=1 / 40, random_state=1)
    before = genuine(1, 5, 40, random_state=1)
    stolen = p.scenario == 3
    assert 0 < stolen.sum() < (p.day < 14).sum()
    assert (p.day[stolen] < 14).all()
    np.testing.assert_array_equal(p.amount, np.where(stolen, 5 * before.amount, before.amount))


def test_thieves_make_a_third_of_the_payments():
    # With as many thefts a day as cards, all cards are stolen by the third week.
    p = make_transactions(200, 10, 30, terminal_rate=0, card_rate=1, random_state=0)
    share = np.mean(p.scenario[p.day >= 14] == 3)
    np.testing.assert_allclose(share, 1 / 3, atol=4 * np.sqrt(2 / 9 / np.sum(p.day >= 14)))


@pytest.mark.parametrize("n_customers", [300, 600, 1500])
def test_share_of_fraud_does_not_depend_on_size(n_customers):
    assert 0.005 < make_transactions(n_customers, 2 * n_customers, random_state=0).target.mean() < 0.01


# -- parameters ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_customers": 0}, "The 'n_customers' parameter of make_transactions must be an int in the range"),
        ({"n_days": 1.5}, "The 'n_days' parameter of make_transactions must be an int in the range"),
        ({"radius": -1}, "The 'radius' parameter of make_transactions must be a float in the range"),
        ({"card_rate": 3}, "The 'card_rate' parameter of make_transactions must be a float in the range"),
        ({"delay": 0}, "The 'delay' parameter of make_transactions must be an int in the range"),
    ],
)
def test_wrong_parameters(wrong, message):
    with pytest.raises(ValueError, match=message):
        make_transactions(**wrong)
