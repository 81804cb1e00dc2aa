"""The Student-t family: location, scale and degrees of freedom, each expert its own."""

from __future__ import annotations

import numpy as np
from scipy.special import digamma, gammaln, polygamma, stdtr, stdtrit

from ..kernels import codes
from .links import Bounded, Identity, Link, LogFloor
from .protocol import Family, Terms, Theta

#: Degrees of freedom above which differences of gamma functions are taken from their asymptotic series, because the
#: functions themselves cancel. The first term left out is below 1e-15 there for the density and its score, and about
#: 1e-7 for the information, which only shapes the steps.
_SERIES = 1e3


class StudentT(Family):
    """Student-t response with a linear location, one scale and one tail weight an expert.

    .. math:: \\log f(y) = \\log\\Gamma\\tfrac{\\nu+1}2 - \\log\\Gamma\\tfrac\\nu2 - \\tfrac12\\log\\nu\\pi - \\log s
              - \\tfrac{\\nu+1}2 \\log(1 + z^2/\\nu), \\qquad z = (y - \\eta)/s

    Use it where a few responses lie far from every line: each expert learns how heavy its tails are, and the Gaussian
    is its limit, so its likelihood at the optimum is never below the Gaussian one.

    Parameters of the distribution: ``eta`` (the location, linear in x), ``log_scale`` and ``inverse_dof`` = 1/nu in
    (1e-6, 4), one each an expert. Training moves 1/nu: in log nu the Gaussian limit is a flat false optimum.

    References
    ----------
    Lange, Little & Taylor (1989), Robust statistical modeling using the t distribution, JASA 84.
    https://doi.org/10.1080/01621459.1989.10478852
    """

    name = "student_t"
    location_scale = True
    kernel = codes.STUDENT_T

    def links(self, scale_floor: float) -> dict[str, Link]:
        return {"eta": Identity(), "log_scale": LogFloor(scale_floor), "inverse_dof": Bounded(1e-6, 4.0)}

    def check_response(self, y: np.ndarray) -> None:
        pass

    def base_measure(self, y: np.ndarray) -> np.ndarray:
        return np.asarray(0.0)

    def log_prob(self, y: np.ndarray, theta: Theta) -> np.ndarray:
        eta, log_scale, inverse_dof = theta
        dof = 1 / inverse_dof
        z = (y - eta) * np.exp(-log_scale)
        return self._log_constant(log_scale, dof) - 0.5 * (dof + 1) * np.log1p(np.square(z) * inverse_dof)

    def terms(self, y: np.ndarray, theta: Theta, *, curvature: bool = True) -> Terms:
        eta, log_scale, inverse_dof = theta
        dof, inverse = 1 / inverse_dof, np.exp(-log_scale)
        z = (y - eta) * inverse
        square = np.square(z)
        weight = (dof + 1) / (dof + square)
        pull = weight * square
        per_dof = 0.5 * (_digamma_gap(dof) - np.log1p(square * inverse_dof) + pull * inverse_dof)
        score = (weight * z * inverse, pull - 1, -np.square(dof) * per_dof)
        if not curvature:
            return Terms(score, None)
        return Terms(score, (weight * np.square(inverse), np.full_like(inverse, 2.0), _inverse_dof_information(dof)))

    def constants(self, shape: Theta) -> Theta:
        log_scale, inverse_dof = shape
        dof = 1 / inverse_dof
        return (log_scale, inverse_dof, self._log_constant(log_scale, dof), _digamma_gap(dof))

    @staticmethod
    def _log_constant(log_scale: np.ndarray, dof: np.ndarray) -> np.ndarray:
        return _log_gamma_ratio(dof) - 0.5 * np.log(np.pi * dof) - log_scale

    def start(self, mean: np.ndarray, sd: np.ndarray) -> Theta:
        # The Gaussian fit with mildly heavy tails: from dof = infinity the tail weight would never move.
        return mean, np.log(sd), np.full_like(mean, 1 / 8)

    def mean(self, theta: Theta) -> np.ndarray:
        return theta[0]

    def variance(self, theta: Theta) -> np.ndarray:
        inverse_dof = np.minimum(theta[2], 0.5)
        with np.errstate(divide="ignore"):
            return np.exp(2 * theta[1]) / (1 - 2 * inverse_dof)

    def cdf(self, y: np.ndarray, theta: Theta) -> np.ndarray:
        return stdtr(1 / theta[2], (y - theta[0]) * np.exp(-theta[1]))

    def ppf(self, q: np.ndarray | float, theta: Theta) -> np.ndarray:
        level = np.asarray(q)
        end = np.where(level <= 0, -np.inf, np.inf)
        quantile = np.where((level <= 0) | (level >= 1), end, stdtrit(1 / theta[2], level))
        return theta[0] + np.exp(theta[1]) * quantile

    def sample(self, theta: Theta, rng: np.random.Generator) -> np.ndarray:
        shape = np.broadcast_shapes(*(t.shape for t in theta))
        return theta[0] + np.exp(theta[1]) * rng.standard_t(np.broadcast_to(1 / theta[2], shape))

    def __repr__(self) -> str:
        return "StudentT()"


def _log_gamma_ratio(dof: np.ndarray) -> np.ndarray:
    """log Gamma((dof + 1)/2) - log Gamma(dof/2)."""
    x = 0.5 * np.maximum(dof, _SERIES)
    series = 0.5 * np.log(x) - 1 / (8 * x) + 1 / (192 * x**3)
    small = np.minimum(dof, _SERIES)
    return np.where(dof >= _SERIES, series, gammaln(0.5 * (small + 1)) - gammaln(0.5 * small))


def _digamma_gap(dof: np.ndarray) -> np.ndarray:
    """digamma((dof + 1)/2) - digamma(dof/2) - 1/dof."""
    x = 0.5 * np.maximum(dof, _SERIES)
    series = 1 / (8 * x**2) - 1 / (64 * x**4)
    small = np.minimum(dof, _SERIES)
    return np.where(dof >= _SERIES, series, digamma(0.5 * (small + 1)) - digamma(0.5 * small) - 1 / small)


def _inverse_dof_information(dof: np.ndarray) -> np.ndarray:
    """Expected information of 1/dof (Lange, Little & Taylor 1989, with the chain rule); 7/2 in the Gaussian limit."""
    large = np.maximum(dof, _SERIES)
    series = 3.5 - 13 / large + 39.5 / large**2
    v = np.minimum(dof, _SERIES)
    gap = polygamma(1, 0.5 * v) - polygamma(1, 0.5 * (v + 1)) - 2 * (v + 5) / (v * (v + 1) * (v + 3))
    return np.where(dof >= _SERIES, series, 0.25 * gap * v**4)
