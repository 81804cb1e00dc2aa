"""Rows drawn from a mixture of experts whose parameters are known."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import Interval, validate_params

#: Constraints of the parameters that both generators have.
_COMMON: dict[str, list[Any]] = {
    "n_samples": [Interval(Integral, 1, None, closed="left")],
    "n_features": [Interval(Integral, 1, None, closed="left")],
    "n_experts": [Interval(Integral, 1, None, closed="left")],
    "n_informative": [Interval(Integral, 1, None, closed="left"), None],
    "gate_scale": [Interval(Real, 0, None, closed="left")],
    "return_params": ["boolean"],
    "random_state": ["random_state"],
}


@validate_params(
    {**_COMMON, "noise": [Interval(Real, 0, None, closed="left"), "array-like"]},
    prefer_skip_nested_validation=True,
)
def make_moe_regression(
    n_samples: int = 1000,
    n_features: int = 5,
    *,
    n_experts: int = 3,
    n_informative: int | None = None,
    noise: float | ArrayLike = 0.1,
    gate_scale: float = 4.0,
    return_params: bool = False,
    random_state: int | RandomState | None = None,
) -> tuple[np.ndarray, np.ndarray] | tuple[np.ndarray, np.ndarray, Bunch]:
    """Draw a regression problem from a mixture of linear Gaussian experts.

    .. math:: p(y \\mid x) = \\sum_k g_k(x)\\, N(y;\\; b_{k0} + b_k^\\top x,\\; s_k^2), \\qquad
              g_k(x) = \\frac{e^{a_{k0} + a_k^\\top x}}{\\sum_l e^{a_{l0} + a_l^\\top x}}, \\qquad \\sum_k a_k = 0

    The columns of X are independent standard normal. Use it where the truth has to be known: to see whether training
    recovers it, and how a fit degrades with fewer rows or softer borders. Real tables have dependent columns and no
    linear truth, so it says little about the accuracy to expect there.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of rows, at least 1. The parameters are drawn before the rows, so the same ``random_state`` with more
        rows is the same mixture.
    n_features : int, default=5
        Number of columns, at least 1.
    n_experts : int, default=3
        Number of experts, at least 1. Three, because two are divided by a single border.
    n_informative : int, default=None
        Number of leading columns, 1 to ``n_features``, that gate and experts see; the coefficients of the others are
        zero. None means all.
    noise : float or array-like of shape (n_experts,), default=0.1
        Standard deviation of the response around its expert, in units of y, at least 0; one number for all experts or
        one each. The mean of one expert has standard deviation 1 over rows (in expectation), so 0.1 lets the eye
        tell the experts apart.
    gate_scale : float, default=4.0
        Standard deviation of a gate's linear predictor over rows, at least 0. At 0 the shares do not depend on X, at
        4 a row belongs to its likeliest expert with probability 0.84 on average, and at 100 the borders are sharp.
    return_params : bool, default=False
        Whether to return the true parameters as well.
    random_state : int, RandomState instance or None, default=None
        Source of randomness. Pass an int for the same data on every call.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
        The rows.
    y : ndarray of shape (n_samples,)
        The responses.
    params : Bunch
        The truth, where ``return_params`` is true: ``gate_coef`` (n_experts, n_features) and ``gate_intercept``
        (n_experts,), both of sum zero over experts; ``expert_coef`` (n_experts, n_features), ``expert_intercept``
        (n_experts,) and ``expert_scale`` (n_experts,); ``expert`` (n_samples,), the expert that made each row.

    Raises
    ------
    ValueError
        Where a parameter is outside its range, or ``noise`` has not one number an expert.

    See Also
    --------
    make_moe_classification : The same for classes.

    References
    ----------
    Jacobs, Jordan, Nowlan & Hinton (1991), Adaptive mixtures of local experts.
    https://doi.org/10.1162/neco.1991.3.1.79

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe.datasets import make_moe_regression
    >>> X, y, params = make_moe_regression(noise=0.1, return_params=True, random_state=0)
    >>> X.shape, y.shape, params.expert_coef.shape
    ((1000, 5), (1000,), (3, 5))
    >>> own = params.expert
    >>> mean = params.expert_intercept[own] + np.sum(params.expert_coef[own] * X, axis=1)
    >>> print(f"{np.std(y - mean):.2f}")
    0.10
    """
    rng = check_random_state(random_state)
    scale = np.full(n_experts, _checked_noise(noise, n_experts))
    n_seen = _n_informative(n_informative, n_features)
    gate = _centered(_draw_linear(rng, (n_experts,), n_features, n_seen, gate_scale), axis=0)
    experts = _draw_linear(rng, (n_experts,), n_features, n_seen, 1.0)
    X = rng.standard_normal((n_samples, n_features))
    expert = _draw_category(rng, X @ gate.coef.T + gate.intercept)
    y = _own_predictor(experts, X, expert) + scale[expert] * rng.standard_normal(n_samples)
    return (X, y, _params(gate, experts, expert_scale=scale, expert=expert)) if return_params else (X, y)


@validate_params(
    {
        **_COMMON,
        "n_classes": [Interval(Integral, 2, None, closed="left")],
        "class_scale": [Interval(Real, 0, None, closed="left")],
    },
    prefer_skip_nested_validation=True,
)
def make_moe_classification(
    n_samples: int = 1000,
    n_features: int = 5,
    *,
    n_experts: int = 3,
    n_classes: int = 2,
    n_informative: int | None = None,
    class_scale: float = 4.0,
    gate_scale: float = 4.0,
    return_params: bool = False,
    random_state: int | RandomState | None = None,
) -> tuple[np.ndarray, np.ndarray] | tuple[np.ndarray, np.ndarray, Bunch]:
    """Draw a classification problem from a mixture of logistic experts.

    .. math:: P(y = c \\mid x) = \\sum_k g_k(x)\\,
              \\frac{e^{b_{kc0} + b_{kc}^\\top x}}{\\sum_d e^{b_{kd0} + b_{kd}^\\top x}}, \\qquad
              g_k(x) = \\frac{e^{a_{k0} + a_k^\\top x}}{\\sum_l e^{a_{l0} + a_l^\\top x}}, \\qquad
              \\sum_k a_k = \\sum_c b_{kc} = 0

    With two classes an expert has a single logit, of class 1. The columns of X are independent standard normal. Use it
    where the truth has to be known; one logistic regression cannot follow it, because each expert has a border of its
    own. Real tables have dependent columns and no linear truth, so it says little about the accuracy to expect there.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of rows, at least 1. The parameters are drawn before the rows, so the same ``random_state`` with more
        rows is the same mixture.
    n_features : int, default=5
        Number of columns, at least 1.
    n_experts : int, default=3
        Number of experts, at least 1. Three, because two are divided by a single border.
    n_classes : int, default=2
        Number of classes, at least 2.
    n_informative : int, default=None
        Number of leading columns, 1 to ``n_features``, that gate and experts see; the coefficients of the others are
        zero. None means all.
    class_scale : float, default=4.0
        Standard deviation of an expert's logit over rows, at least 0: how sure an expert is. At 0 the classes do not
        depend on X; at 4 an expert gives its likelier class of two a probability of 0.86 on average.
    gate_scale : float, default=4.0
        Standard deviation of a gate's linear predictor over rows, at least 0. At 0 the shares do not depend on X, at
        4 a row belongs to its likeliest expert with probability 0.84 on average, and at 100 the borders are sharp.
    return_params : bool, default=False
        Whether to return the true parameters as well.
    random_state : int, RandomState instance or None, default=None
        Source of randomness. Pass an int for the same data on every call.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
        The rows.
    y : ndarray of shape (n_samples,)
        The classes, 0 to ``n_classes - 1``.
    params : Bunch
        The truth, where ``return_params`` is true: ``gate_coef`` (n_experts, n_features) and ``gate_intercept``
        (n_experts,), both of sum zero over experts; ``expert_coef`` (n_experts, n_features) and ``expert_intercept``
        (n_experts,) of the logit of class 1 for two classes, and for more (n_experts, n_features, n_classes) and
        (n_experts, n_classes), of sum zero over classes; ``expert`` (n_samples,), the expert that made each row.

    Raises
    ------
    ValueError
        Where a parameter is outside its range.

    See Also
    --------
    make_moe_regression : The same for a response on the real line.

    References
    ----------
    Jordan & Jacobs (1994), Hierarchical mixtures of experts and the EM algorithm.
    https://doi.org/10.1162/neco.1994.6.2.181

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe.datasets import make_moe_classification
    >>> X, y, params = make_moe_classification(n_classes=4, return_params=True, random_state=0)
    >>> X.shape, params.expert_coef.shape
    ((1000, 5), (3, 5, 4))
    >>> np.unique(y)
    array([0, 1, 2, 3])
    """
    rng = check_random_state(random_state)
    n_seen = _n_informative(n_informative, n_features)
    gate = _centered(_draw_linear(rng, (n_experts,), n_features, n_seen, gate_scale), axis=0)
    if n_classes == 2:
        experts = _draw_linear(rng, (n_experts,), n_features, n_seen, class_scale)
    else:
        experts = _centered(_draw_linear(rng, (n_experts, n_classes), n_features, n_seen, class_scale), axis=-1)
    X = rng.standard_normal((n_samples, n_features))
    expert = _draw_category(rng, X @ gate.coef.T + gate.intercept)
    logits = _own_predictor(experts, X, expert)
    y = _draw_category(rng, np.column_stack([np.zeros(n_samples), logits]) if n_classes == 2 else logits)
    return (X, y, _params(gate, experts, expert=expert)) if return_params else (X, y)


class _Linear(NamedTuple):
    """Linear predictors: slopes (n_experts, n_features[, n_classes]), intercepts (n_experts[, n_classes])."""

    coef: np.ndarray
    intercept: np.ndarray


def _draw_linear(rng: RandomState, shape: tuple[int, ...], n_features: int, n_seen: int, scale: float) -> _Linear:
    """Predictors whose standard deviation over standard normal rows is about ``scale``, however many columns."""
    coef = np.zeros((shape[0], n_features, *shape[1:]))
    coef[:, :n_seen] = scale / np.sqrt(n_seen) * rng.standard_normal((shape[0], n_seen, *shape[1:]))
    return _Linear(coef, rng.standard_normal(shape))


def _centered(linear: _Linear, axis: int) -> _Linear:
    """The same softmax, with coefficients of sum zero."""
    return _Linear(*(part - part.mean(axis=axis, keepdims=True) for part in linear))


def _own_predictor(linear: _Linear, X: np.ndarray, expert: np.ndarray) -> np.ndarray:
    """Predictor (n_samples[, n_classes]) of each row by its own expert."""
    return np.einsum("nd,nd...->n...", X, linear.coef[expert]) + linear.intercept[expert]


def _draw_category(rng: RandomState, logits: np.ndarray) -> np.ndarray:
    """One draw a row from the softmax of its logits: the largest after Gumbel noise."""
    return np.argmax(logits + rng.gumbel(size=logits.shape), axis=1)


def _params(gate: _Linear, experts: _Linear, **rest: np.ndarray) -> Bunch:
    return Bunch(
        gate_coef=gate.coef,
        gate_intercept=gate.intercept,
        expert_coef=experts.coef,
        expert_intercept=experts.intercept,
        **rest,
    )


def _n_informative(n_informative: int | None, n_features: int) -> int:
    if n_informative is None:
        return n_features
    if n_informative > n_features:
        raise ValueError(f"n_informative={n_informative} must be at most n_features={n_features}.")
    return n_informative


def _checked_noise(noise: float | ArrayLike, n_experts: int) -> np.ndarray:
    scale = np.asarray(noise, dtype=np.float64)
    if scale.shape not in ((), (n_experts,)):
        raise ValueError(f"noise must be a number or have shape ({n_experts},), one an expert; got {scale.shape}.")
    if not np.all(np.isfinite(scale) & (scale >= 0)):
        raise ValueError(f"noise must be finite and not negative; got {noise!r}.")
    return scale
