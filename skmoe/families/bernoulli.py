"""The Bernoulli family: two classes, one logit."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from ..kernels import codes
from .links import Identity, Link
from .protocol import Family, Terms, Theta


class Bernoulli(Family):
    """A response that is 1 with probability ``1 / (1 + exp(-eta))`` and 0 otherwise.

    .. math:: \\log f(y) = y \\eta - \\log(1 + e^{\\eta})

    The experts of `MoEClassifier` where there are two classes (y = 1 is ``classes_[1]``).

    Parameter of the distribution: ``eta``, the log-odds, linear in x.
    """

    name = "bernoulli"
    location_scale = False
    discrete = True
    curved = False
    kernel = codes.BERNOULLI

    def links(self, scale_floor: float) -> dict[str, Link]:
        return {"eta": Identity()}

    def check_response(self, y: np.ndarray) -> None:
        wrong = (y != 0) & (y != 1)
        if wrong.any():
            raise ValueError(f"The bernoulli family is for y in {{0, 1}}, but y contains {y[wrong][0]:g}.")

    def base_measure(self, y: np.ndarray) -> np.ndarray:
        return np.asarray(0.0)

    def log_prob(self, y: np.ndarray, theta: Theta) -> np.ndarray:
        (eta,) = theta
        # log p(y) = -log(1 + exp(-m)), m = eta where y = 1 and -eta where y = 0, safe on both sides.
        margin = (2 * y - 1) * eta
        return np.minimum(margin, 0.0) - np.log1p(np.exp(-np.abs(margin)))

    def terms(self, y: np.ndarray, theta: Theta, *, curvature: bool = True) -> Terms:
        p = expit(theta[0])
        return Terms((y - p,), (p * (1 - p),) if curvature else None)

    def start(self, mean: np.ndarray, sd: np.ndarray) -> Theta:
        p = np.clip(mean, 1e-3, 1 - 1e-3)
        return (np.log(p) - np.log1p(-p),)

    def mean(self, theta: Theta) -> np.ndarray:
        return expit(theta[0])

    def variance(self, theta: Theta) -> np.ndarray:
        p = expit(theta[0])
        return p * (1 - p)

    def cdf(self, y: np.ndarray, theta: Theta) -> np.ndarray:
        return np.where(y < 0, 0.0, np.where(y < 1, expit(-theta[0]), 1.0))

    def ppf(self, q: np.ndarray | float, theta: Theta) -> np.ndarray:
        return np.where(q <= expit(-theta[0]), 0.0, 1.0)

    def sample(self, theta: Theta, rng: np.random.Generator) -> np.ndarray:
        return (rng.random(theta[0].shape) < expit(theta[0])).astype(np.float64)

    def __repr__(self) -> str:
        return "Bernoulli()"
