"""Moments of columns, part by part, right at any scale and offset."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_EPS = np.finfo(np.float64).eps


class Moments(NamedTuple):
    """Weighted mean, standard deviation and range of columns.

    Attributes
    ----------
    weight : float
        Sum of the weights.
    mean, sd, low, high : ndarray of shape (n_columns,)
        The divisor of the standard deviation is the sum of weights.
    """

    weight: float
    mean: np.ndarray
    sd: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def varies(self) -> np.ndarray:
        """Whether a column holds more than one value, rounding aside."""
        reach = np.maximum(np.abs(self.low), np.abs(self.high))
        return 0.5 * self.high - 0.5 * self.low > 4 * _EPS * reach

    @classmethod
    def of(cls, X: np.ndarray, weight: np.ndarray) -> Moments:
        """Of the columns of X (n_rows, n_columns)."""
        X, total = np.asarray(X, dtype=np.float64), float(weight.sum())
        none = np.zeros(X.shape[1])
        found = cls(total, none, none, X.min(axis=0), X.max(axis=0))
        # Half the midrange first: a mean taken of residuals keeps the digits that a large offset would swallow,
        # and squares are taken of numbers of at most one, so nothing overflows.
        middle, varies = 0.5 * found.low + 0.5 * found.high, found.varies
        unit = np.where(varies, 0.5 * found.high - 0.5 * found.low, 1.0)
        Z = np.subtract(X, middle, order="C") / unit  # whatever the order of memory, the same bits
        share = weight / total if total > 0 else weight
        shift = share @ Z
        sd = np.sqrt(share @ np.square(Z - shift)) * unit
        return found._replace(mean=middle + np.where(varies, shift * unit, 0.0), sd=np.where(varies, sd, 0.0))

    def together(self, other: Moments) -> Moments:
        """Of the rows of both (Chan, Golub & LeVeque 1983, https://doi.org/10.1080/00031305.1983.10483115)."""
        total = self.weight + other.weight
        part = other.weight / total if total > 0 else 0.5
        apart = other.mean - self.mean
        unit = np.maximum(np.maximum(self.sd, other.sd), np.abs(apart))
        unit = np.where(unit > 0, unit, 1.0)
        squares = (1 - part) * np.square(self.sd / unit) + part * np.square(other.sd / unit)
        sd = unit * np.sqrt(squares + part * (1 - part) * np.square(apart / unit))
        low, high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        return Moments(total, self.mean + part * apart, sd, low, high)
