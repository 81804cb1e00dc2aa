"""Design: the columns a block sees, standardised, behind three operations.

Blocks never touch a matrix. They ask for linear predictors, scores and weighted cross-products; how the
columns are stored is known here only, and in `skmoe.rows.sparse`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce

import numpy as np

from .. import kernels
from .moments import Moments

#: Rows of which moments are taken at a time.
_PART_ROWS = 16_384
#: Columns that vary by less do not vary: the inverse of their scale would be infinite.
SMALLEST_SD = 1e-300
#: Coefficients of a linear predictor up to which information is the matrix of all cross-products; above, its diagonal.
#: Seconds of runs with the diagonal over those with the matrix: of independent columns .44 at 250 and .15 at 500, of
#: dense columns with a condition number of about a hundred above 1.3 at 250 (passes: seven times as many and more).
MOST_CROSSED = 1000


def crossed(n_coef: int) -> bool:
    """Whether the information of so many coefficients is a matrix, and not its diagonal alone."""
    return n_coef <= MOST_CROSSED


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
    def of(
        cls, X: np.ndarray, weight: np.ndarray, columns: np.ndarray | None = None, rows: np.ndarray | None = None
    ) -> Standardizer:
        """Weighted mean and standard deviation of columns of ``X``, right at any scale and offset.

        Parameters
        ----------
        X : ndarray of shape (n_all_rows, n_features)
        weight : ndarray of shape (n_rows,)
        columns, rows : ndarray or None
            Those of X that count; None for all. Where they are many X is read in parts, and no copy is made of it.
        """
        every = slice(None) if columns is None or len(columns) == X.shape[1] else columns
        parts = (slice(first, first + _PART_ROWS) for first in range(0, len(weight), _PART_ROWS))
        found = (Moments.of(X[p if rows is None else rows[p]][:, every], weight[p]) for p in parts)
        return cls.from_moments(reduce(Moments.together, found))

    @classmethod
    def from_moments(cls, moments: Moments) -> Standardizer:
        """Units of columns of which these are the moments."""
        varies = moments.varies & (moments.sd > SMALLEST_SD)
        middle = 0.5 * moments.low + 0.5 * moments.high
        return cls(np.where(varies, moments.mean, middle), np.where(varies, moments.sd, np.inf))

    def apply(self, X: np.ndarray) -> np.ndarray:
        """Standardised columns, (n_rows, n_columns)."""
        return (X - self.center) / self.scale

    @cached_property
    def inverse(self) -> np.ndarray:
        """One over the scale."""
        return 1.0 / self.scale

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

    @property
    def n_coef(self) -> int:
        return self.columns.shape[0]

    @property
    def n_rows(self) -> int:
        return self.columns.shape[1]

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
        flat = weights.reshape(-1, self.n_rows)
        products = np.zeros((len(flat), self.n_coef, self.n_coef))
        kernels.cross_products.cross_products(self.columns, np.ascontiguousarray(flat), products)
        return products.reshape(*weights.shape[:-1], self.n_coef, self.n_coef)

    def squares(self, weights: np.ndarray) -> np.ndarray:
        """Weighted sums of squares, the diagonals of `gram`: weights (..., n_rows) give (..., n_coef)."""
        flat = weights.reshape(-1, self.n_rows) @ np.square(self.columns).T
        return flat.reshape(*weights.shape[:-1], self.n_coef)

    def information(self, weights: np.ndarray) -> np.ndarray:
        """Information of coefficients under weights (..., n_rows): (..., n_coef, n_coef), or its diagonal (..., n_coef)
        where coefficients are many (see `crossed`)."""
        return self.gram(weights) if crossed(self.n_coef) else self.squares(weights)

    def project(self, directions: np.ndarray) -> np.ndarray:
        """How far rows lie in directions (..., n_columns), (..., n_rows)."""
        origin = np.zeros((*directions.shape[:-1], 1))
        return self.predict(np.concatenate([origin, directions], axis=-1))
