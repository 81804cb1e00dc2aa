"""What the head of a regressor says of rows: a mixture of normal distributions each, members and experts together."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import logsumexp, softmax

from ..experts.linear_predictive import LinearPredictive
from ..families.gaussian import Gaussian
from ..outputs import joined
from ..predictive import MixtureDistribution
from .fitted import Encoding
from .forward.network import Read

#: Deviations from a mean that still have a square.
_FARTHEST = 1e100
#: Largest step between numbers that are told, in deviations of the responses.
_COARSEST = 1e-3


class GaussianMixtures:
    """Mixtures of normal distributions, in units of training; read in double precision, whatever the network's.

    An offset of the responses or the square of their unit may be more than single precision can hold.

    .. math:: p(y \\mid x) = \\tfrac1M \\sum_m \\sum_{k \\in S_m(x)} g_{mk}(x) \\, N(y; \\mu_{mk}(x), s_{mk}(x)^2)

    Parameters
    ----------
    log_weight : ndarray of shape (n_rows, n_parts)
        Rows sum to one as weights.
    mean, scale : ndarray of shape (n_rows, n_parts, n_outputs)
    center, unit : ndarray of shape (n_outputs,)
        Of the responses.
    dtype : dtype
        Of the means that are told.
    """

    def __init__(
        self,
        log_weight: np.ndarray,
        mean: np.ndarray,
        scale: np.ndarray,
        center: np.ndarray,
        unit: np.ndarray,
        dtype: Any = np.float64,
    ) -> None:
        self._log_weight, self._mean, self._scale = log_weight, mean, scale
        self._center, self._unit, self._dtype = center, unit, dtype

    @classmethod
    def of(cls, read: Read, encoding: Encoding, scale_floor: float) -> GaussianMixtures:
        """Of a head whose answers are means and v: every expert of every member is a part."""
        n_rows, n_members, k, _ = read.answers.shape
        log_weight = read.log_weight.reshape(n_rows, -1).astype(np.float64) - np.log(n_members)
        mean, v = np.split(read.answers.reshape(n_rows, n_members * k, -1).astype(np.float64), 2, axis=2)
        scale = np.sqrt(scale_floor**2 + np.exp(2 * v))
        return cls(log_weight, mean, scale, encoding.center, encoding.unit, _told(read, encoding))

    def widened(self, temperature: float) -> GaussianMixtures:
        """The same with all scales multiplied by a number."""
        if temperature == 1.0:
            return self
        scale = self._scale * temperature
        return GaussianMixtures(self._log_weight, self._mean, scale, self._center, self._unit, self._dtype)

    @property
    def _weight(self) -> np.ndarray:
        return np.exp(self._log_weight)[..., None]

    def mean(self) -> np.ndarray:
        """Means, (n_rows[, n_outputs])."""
        mean = self._center + self._unit * (self._weight * self._mean).sum(axis=1)
        return joined(mean.astype(self._dtype, copy=False).T)

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Means and variances, each (n_rows[, n_outputs]), by the law of total variance; the latter in double."""
        mean = (self._weight * self._mean).sum(axis=1, keepdims=True)
        spread = np.square(self._scale) + np.square(self._mean - mean)
        variance = np.square(self._unit) * (self._weight * spread).sum(axis=1)
        return self.mean(), joined(variance.T)

    def quantiles(self, levels: np.ndarray) -> np.ndarray:
        """Quantiles, (n_rows, n_levels[, n_outputs])."""
        return self.distribution().ppf(levels[None])

    def log_prob(self, y: np.ndarray) -> np.ndarray:
        """Log densities of responses (n_rows, n_outputs), (n_rows,)."""
        log_prob: np.ndarray = logsumexp(self._joint(self._z(y)), axis=1) - np.log(self._unit).sum()
        return log_prob

    def slope(self, y: np.ndarray) -> np.ndarray:
        """Derivatives (n_rows,) of log densities by the logarithm of what all scales are multiplied by."""
        z = np.clip(self._z(y), -_FARTHEST, _FARTHEST)
        share = softmax(self._joint(z), axis=1)
        slope: np.ndarray = (share * (np.square(z) - 1).sum(axis=2)).sum(axis=1)
        return slope

    def _z(self, y: np.ndarray) -> np.ndarray:
        """Responses as deviations from the means of the parts, (n_rows, n_parts, n_outputs)."""
        with np.errstate(over="ignore"):
            return (((y - self._center) / self._unit)[:, None] - self._mean) / self._scale

    def _joint(self, z: np.ndarray) -> np.ndarray:
        """Log weights and log densities of the parts, in units of training, (n_rows, n_parts)."""
        with np.errstate(over="ignore"):  # at the ends of the line the density is zero
            each = -0.5 * np.square(z) - np.log(self._scale) - 0.5 * np.log(2 * np.pi)
        joint: np.ndarray = self._log_weight + each.sum(axis=2)
        return joint

    def distribution(self) -> MixtureDistribution:
        """The same for those who want to ask more."""
        parts = np.arange(self._log_weight.shape[1])
        theta = tuple(part.transpose(1, 2, 0) for part in (self._mean, np.log(self._scale)))
        predictive = LinearPredictive(Gaussian(), theta, self._center[:, None], self._unit[:, None])
        return MixtureDistribution(self._log_weight.T, [(parts, predictive)])


def _told(read: Read, encoding: Encoding) -> Any:
    """Precision of means: that in which they were computed, unless it has no digits left beside their offset."""
    dtype = read.answers.dtype
    rounded = np.abs(encoding.center) * np.finfo(dtype).eps
    return dtype if (rounded <= _COARSEST * encoding.unit).all() else np.float64
