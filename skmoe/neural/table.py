"""Table: how the columns of a user's table become numbers for a network; without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..rows.design import Standardizer
from .levels import codes_of, learned_levels
from .normal_scores import Masses, Scores, bin_edges
from .raw_columns import RawColumns, refuse_gaps

#: Rows that are encoded together: as many as stay in the cache while their columns are read one after the other.
_BLOCK_ROWS = 2**13


class Table(NamedTuple):
    """Encoded rows.

    Attributes
    ----------
    numbers : ndarray of float32 or float64, shape (n_rows, n_numbers)
        Normal scores; NaN is a gap.
    codes : ndarray of int64, shape (n_rows, n_categories)
        Levels of categories, counted from one; zero is a gap, or a level that the encoder has not seen.
    """

    numbers: np.ndarray
    codes: np.ndarray


@dataclass(frozen=True)
class TableEncoder:
    """Turns columns into normal scores and codes, each column and each row by itself.

    .. math:: z = \\Phi^{-1}(F(x)), \\qquad F \\text{ the distribution of the column in the rows learned from}

    F is taken at knots, which are all values of a column that has few, and else one quantile for 30 rows (at least 10
    and at most 1000) and the values that repeat more often than that, so few rows are not learned by heart. Values that
    repeat get the middle of the step of F. Between knots z is linear. Beyond the levels 0.001 and 0.999 it goes on by
    the logarithm of the distance, as far as there are rows, and is constant then; a column that does not vary is zero.

    Rows have weights, and a row of weight three is three rows, a row of weight zero none, to the last bit. Weights that
    are all times c give the same encoder, but for rounding and the number of knots: the sum of weights stands for the
    number of rows there.

    Parameters
    ----------
    scores : tuple of Scores, one for each column of numbers
        Knots of the column, and z there.
    edges : tuple of ndarray, one for each column of numbers
        Edges (n_edges,) of bins of z, in rising order, at least two: quantiles of half the rows learned from and half
        an even spread over the range of z, beside values that repeat often, which are taken by themselves; or all
        values, where there are no more of them than edges. Neighbours are at least 0.0001 apart.
    levels : tuple of tuple, one for each column of categories
        Levels in the rows learned from, in the order of their codes: numbers by size, all else by their text.
    units : Standardizer
        Weighted centre and scale of the columns of numbers.
    is_categorical : ndarray of bool, shape (n_features,)
        Which columns of the table are categories.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.base import BaseEstimator
    >>> from skmoe.neural.raw_columns import read_columns
    >>> from skmoe.neural.table import TableEncoder
    >>> X = np.array([[0.5, 7.0], [np.nan, 3.0], [1.5, 7.0], [1.5, 9.0]])
    >>> raw = read_columns(BaseEstimator(), X, reset=True, categorical_features=[1])
    >>> encoder = TableEncoder.learned(raw, np.array([1.0, 1.0, 1.0, 0.0]))
    >>> numbers, codes = encoder.encoded(raw)
    >>> numbers.ravel().round(3)
    array([-0.674, nan, 0.674, 0.674], dtype=float32)
    >>> codes.ravel(), encoder.n_codes
    (array([2, 1, 2, 0]), (3,))
    """

    scores: tuple[Scores, ...]
    edges: tuple[np.ndarray, ...]
    levels: tuple[tuple, ...]
    units: Standardizer
    is_categorical: np.ndarray

    @classmethod
    def learned(cls, raw: RawColumns, weight: np.ndarray, n_bins: int = 64) -> TableEncoder:
        """Learn from weighted rows.

        Parameters
        ----------
        raw : RawColumns
        weight : ndarray of float64, shape (n_rows,)
            Not negative, and not all zero.
        n_bins : int, default=64
            Bins of a column of numbers, at most; at least 1.
        """
        scores, edges, moments = [], [], []
        for column in raw.numbers.T:
            masses = Masses.of(column, weight)
            scores.append(Scores.of(masses))
            edges.append(bin_edges(masses, scores[-1], n_bins))
            moments.append(masses.moments())
        center, scale = np.array(moments).reshape(-1, 2).T.copy()
        levels = tuple(
            learned_levels(column, weight > 0, raw.category_name(j)) for j, column in enumerate(raw.categories)
        )
        return cls(tuple(scores), tuple(edges), levels, Standardizer(center, scale), raw.is_categorical)

    @property
    def n_codes(self) -> tuple[int, ...]:
        """How many codes each column of categories has: its levels, and zero."""
        return tuple(len(levels) + 1 for levels in self.levels)

    def encoded(self, raw: RawColumns, dtype: Any = np.float32) -> Table:
        """Encode rows.

        Parameters
        ----------
        raw : RawColumns
            Of a table with the columns that were learned.
        dtype : dtype, default=float32
            Of the numbers, float32 or float64.
        """
        numbers = np.empty(raw.numbers.shape, dtype)
        for first in range(0, len(numbers), _BLOCK_ROWS):
            block, out = (x[first : first + _BLOCK_ROWS] for x in (raw.numbers, numbers))
            for j, scores in enumerate(self.scores):
                out[:, j] = scores.of_rows(block[:, j])
        codes = np.empty((len(raw), len(self.levels)), dtype=np.int64)
        for j, (levels, column) in enumerate(zip(self.levels, raw.categories, strict=True)):
            codes[:, j] = codes_of(column, levels, raw.category_name(j))
        return Table(numbers, codes)

    def standardized(self, raw: RawColumns) -> np.ndarray:
        """The columns of numbers (n_rows, n_numbers), float64, of weighted mean 0 and deviation 1 where learned.

        Columns that do not vary are zero.

        Raises
        ------
        ValueError
            Where a number is missing.
        """
        refuse_gaps(raw)
        return self.units.apply(raw.numbers.astype(np.float64))
