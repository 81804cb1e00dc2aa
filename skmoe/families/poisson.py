"""The Poisson family: counts with a log-linear rate."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln, pdtr, pdtrik

from ..kernels import codes
from .links import Identity, Link
from .protocol import Family, Terms, Theta


class Poisson(Family):
    """Count response with rate ``exp(eta)``.

    .. math:: \\log f(y) = y \\eta - e^{\\eta} - \\log y!

    Use it for counts whose variance is near their mean inside each expert. A mixture of Poisson experts is
    over-dispersed as a whole, so it often replaces a negative binomial.

    Parameter of the distribution: ``eta``, the log rate, linear in x.
    """

    name = "poisson"
    location_scale = False
    discrete = True
    kernel = codes.POISSON

    def links(self, scale_floor: float) -> dict[str, Link]:
        return {"eta": Identity()}

    def check_response(self, y: np.ndarray) -> None:
        wrong = (y < 0) | (y != np.rint(y))
        if wrong.any():
            raise ValueError(
                f"The poisson family is for counts 0, 1, 2, ..., but y contains {y[wrong][0]:g}. "
                "Use expert='gaussian' or 'student_t' for responses on the real line."
            )

    def base_measure(self, y: np.ndarray) -> np.ndarray:
        count = (y >= 0) & (y == np.rint(y))
        return np.where(count, -gammaln(np.where(count, y, 0.0) + 1), -np.inf)

    def log_prob(self, y: np.ndarray, theta: Theta) -> np.ndarray:
        (eta,) = theta
        return y * eta - _rate(eta)

    def terms(self, y: np.ndarray, theta: Theta, *, curvature: bool = True) -> Terms:
        rate = _rate(theta[0])
        return Terms((y - rate,), (rate,) if curvature else None)

    def start(self, mean: np.ndarray, sd: np.ndarray) -> Theta:
        return (np.log(np.maximum(mean, 1e-3)),)

    def mean(self, theta: Theta) -> np.ndarray:
        return _rate(theta[0])

    def variance(self, theta: Theta) -> np.ndarray:
        return _rate(theta[0])

    def cdf(self, y: np.ndarray, theta: Theta) -> np.ndarray:
        # pdtr is undefined below zero, where the probability is zero.
        floor = np.floor(y)
        return np.where(floor < 0, 0.0, pdtr(np.maximum(floor, 0.0), _rate(theta[0])))

    def ppf(self, q: np.ndarray | float, theta: Theta) -> np.ndarray:
        rate = _rate(theta[0])
        count = np.maximum(np.ceil(pdtrik(np.minimum(q, 1 - 1e-16), rate)), 0.0)
        # The inverse is real-valued and rounds: step back where the count below already reaches the level.
        below = np.maximum(count - 1, 0.0)
        exact = np.where((count > 0) & (pdtr(below, rate) >= q), below, count)
        return np.where(np.asarray(q) >= 1, np.inf, exact)

    def sample(self, theta: Theta, rng: np.random.Generator) -> np.ndarray:
        return rng.poisson(_rate(theta[0])).astype(np.float64)

    def __repr__(self) -> str:
        return "Poisson()"


def _rate(eta: np.ndarray) -> np.ndarray:
    """exp(eta), finite far from the data as well."""
    return np.exp(np.minimum(eta, 700.0))
