"""The Gaussian family: ``y = eta + scale * normal noise``."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

from ..kernels import codes
from .links import Identity, Link, LogFloor
from .protocol import Family, Terms, Theta

_HALF_LOG_2PI = 0.5 * np.log(2 * np.pi)


class Gaussian(Family):
    """Gaussian response with a linear mean and one scale an expert.

    .. math:: \\log f(y) = -\\tfrac12 z^2 - \\log s - \\tfrac12\\log 2\\pi, \\qquad z = (y - \\eta) / s

    The default: closed-form M-steps, fastest training. Where a few responses lie far from every line, `StudentT` is
    the robust choice; for counts use `Poisson`.

    Parameters of the distribution: ``eta`` (the mean, linear in x) and ``log_scale`` (one an expert).

    Examples
    --------
    >>> from skmoe import MoERegressor
    >>> from skmoe.families import Gaussian
    >>> MoERegressor(2, expert=Gaussian())
    MoERegressor(expert=Gaussian(), n_experts=2)
    """

    name = "gaussian"
    location_scale = True
    normal = True
    kernel = codes.GAUSSIAN
    curvature_is_constant = True

    def links(self, scale_floor: float) -> dict[str, Link]:
        return {"eta": Identity(), "log_scale": LogFloor(scale_floor)}

    def check_response(self, y: np.ndarray) -> None:
        pass

    def base_measure(self, y: np.ndarray) -> np.ndarray:
        return np.asarray(-_HALF_LOG_2PI)

    def log_prob(self, y: np.ndarray, theta: Theta) -> np.ndarray:
        eta, log_scale = theta
        z = (y - eta) * np.exp(-log_scale)
        return -0.5 * np.square(z) - log_scale

    def terms(self, y: np.ndarray, theta: Theta, *, curvature: bool = True) -> Terms:
        eta, log_scale = theta
        inverse = np.exp(-log_scale)
        z = (y - eta) * inverse
        score = (z * inverse, np.square(z) - 1)
        return Terms(score, (np.square(inverse), np.full_like(inverse, 2.0)) if curvature else None)

    def start(self, mean: np.ndarray, sd: np.ndarray) -> Theta:
        return mean, np.log(sd)

    def mean(self, theta: Theta) -> np.ndarray:
        return theta[0]

    def variance(self, theta: Theta) -> np.ndarray:
        return np.exp(2 * theta[1])

    def cdf(self, y: np.ndarray, theta: Theta) -> np.ndarray:
        return ndtr((y - theta[0]) * np.exp(-theta[1]))

    def ppf(self, q: np.ndarray | float, theta: Theta) -> np.ndarray:
        return theta[0] + np.exp(theta[1]) * ndtri(q)

    def sample(self, theta: Theta, rng: np.random.Generator) -> np.ndarray:
        shape = np.broadcast_shapes(*(t.shape for t in theta))
        return theta[0] + np.exp(theta[1]) * rng.standard_normal(shape)

    def __repr__(self) -> str:
        return "Gaussian()"
