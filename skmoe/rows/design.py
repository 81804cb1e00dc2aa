"""Design: the columns a block sees, standardised, behind three operations.

Blocks never touch a matrix. They ask for linear predictors, scores and weighted cross-products; how the
columns are stored is known here only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_EPS = np.finfo(np.float64).eps


@dataclass(frozen=True)
class Standardizer:
    """Weighted centre and scale of columns: ``z = (x - center) / scale``.

    A column that does not vary has scale infinity, so it is zero everywhere and its coefficient is zero.

    Attributes
    ----------
    center, scale : ndarray of shape (n_columns,)
        Weighted mean and weighted standard deviation (divisor: the sum of weights).
    """

    center: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, X: np.ndarray, weight: np.ndarray) -> Standardizer:
        """Weighted mean and standard deviation of the columns of ``X``, right at any scale and offset."""
        share = weight / weight.sum()
        # Half the midrange first: a mean taken of residuals keeps the digits that a large offset would swallow,
        # and squares are taken of numbers of at most one, so nothing overflows.
        low, high = X.min(axis=0), X.max(axis=0)
        reach = np.maximum(np.abs(low), np.abs(high))
        middle = 0.5 * low + 0.5 * high
        spread = 0.5 * high - 0.5 * low
        varies = spread > 4 * _EPS * reach
        unit = np.where(varies, spread, 1.0)
        Z = (X - middle) / unit
        shift = share @ Z
        scale = np.sqrt(share @ np.square(Z - shift))
        varies &= scale > 0
        return cls(middle + np.where(varies, shift * unit, 0.0), np.where(varies, scale * unit, np.inf))

    def apply(self, X: np.ndarray) -> np.ndarray:
        """Standardised columns, (n_rows, n_columns)."""
        return (X - self.center) / self.scale

    def original(self, coef: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Slopes and intercepts in the user's units, from ``coef`` (..., 1 + n_columns) on standardised ones."""
        slopes = coef[..., 1:] / self.scale
        return slopes, coef[..., 0] - slopes @ self.center

    def standardized(self, slopes: np.ndarray, intercept: np.ndarray) -> np.ndarray:
        """The inverse of `original` (columns that do not vary keep slope zero)."""
        varies = np.isfinite(self.scale)
        inner = np.where(varies, slopes * np.where(varies, self.scale, 0.0), 0.0)
        return np.concatenate([(intercept + slopes @ self.center)[..., None], inner], axis=-1)


class Design:
    """A leading column of ones and standardised columns, kept columns first for contiguous row operations.

    Parameters
    ----------
    columns : ndarray of shape (n_coef, n_rows)
        Row 0 is ones: coefficient 0 is the intercept everywhere in the library.
    """

    __slots__ = ("columns",)

    def __init__(self, columns: np.ndarray):
        self.columns = columns

    @classmethod
    def of(cls, X: np.ndarray, standardizer: Standardizer) -> Design:
        """Design of the rows of ``X`` (n_rows, n_columns)."""
        columns = np.empty((X.shape[1] + 1, len(X)))
        columns[0] = 1.0
        np.subtract(X.T, standardizer.center[:, None], out=columns[1:])
        columns[1:] /= standardizer.scale[:, None]
        return cls(columns)

    @property
    def n_coef(self) -> int:
        return self.columns.shape[0]

    @property
    def n_rows(self) -> int:
        return self.columns.shape[1]

    def rows(self, index: np.ndarray) -> Design:
        """Some of the rows."""
        return Design(self.columns[:, index])

    @staticmethod
    def joined(parts: Sequence[Design]) -> Design:
        """The rows of several designs of the same columns."""
        return Design(np.concatenate([part.columns for part in parts], axis=1))

    def predict(self, coef: np.ndarray) -> np.ndarray:
        """Linear predictors (..., n_rows) of coefficients (..., n_coef)."""
        flat = coef.reshape(-1, self.n_coef) @ self.columns
        return flat.reshape(*coef.shape[:-1], self.n_rows)

    def score(self, values: np.ndarray) -> np.ndarray:
        """Sums over rows of value times columns: (..., n_rows) gives (..., n_coef)."""
        flat = values.reshape(-1, self.n_rows) @ self.columns.T
        return flat.reshape(*values.shape[:-1], self.n_coef)

    def gram(self, weights: np.ndarray) -> np.ndarray:
        """Weighted cross-products: weights (..., n_rows) give (..., n_coef, n_coef)."""
        flat = weights.reshape(-1, 1, self.n_rows)
        products = np.matmul(self.columns * flat, self.columns.T)
        return products.reshape(*weights.shape[:-1], self.n_coef, self.n_coef)
