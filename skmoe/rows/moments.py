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

    @property
    def middle(self) -> np.ndarray:
        return 0.5 * self.low + 0.5 * self.high

    @property
    def reach(self) -> np.ndarray:
        """Half the range; one where a column does not vary."""
        return np.where(self.varies, 0.5 * self.high - 0.5 * self.low, 1.0)

    @classmethod
    def of(cls, X: np.ndarray, weight: np.ndarray) -> Moments:
        """Of the columns of X (n_rows, n_columns)."""
        X = np.asarray(X, dtype=np.float64)
        found = cls.within(X.min(axis=0), X.max(axis=0), weight)
        # Whatever the order of memory, the same bits.
        Z = np.subtract(X, found.middle, order="C") / found.reach
        share = weight / found.weight if found.weight > 0 else weight
        shift = share @ Z
        return found.around(shift, np.sqrt(share @ np.square(Z - shift)))

    @classmethod
    def within(cls, low: np.ndarray, high: np.ndarray, weight: np.ndarray) -> Moments:
        """What is known of columns by their range and the weights of rows alone."""
        none = np.zeros(len(low))
        return cls(float(weight.sum()), none, none, low, high)

    def around(self, shift: np.ndarray, spread: np.ndarray) -> Moments:
        """The same with mean and standard deviation, given as numbers that are 0 in the middle and 1 at the end.

        A mean taken of residuals keeps the digits that a large offset would swallow, and squares are taken of numbers
        of at most one, so nothing overflows.
        """
        varies, unit = self.varies, self.reach
        mean = self.middle + np.where(varies, shift * unit, 0.0)
        return self._replace(mean=mean, sd=np.where(varies, spread * unit, 0.0))

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
