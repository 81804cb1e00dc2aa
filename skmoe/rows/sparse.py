"""Sparse rows: the columns a block sees, standardised without a zero being stored.

Centring would fill the columns, so it is done in the algebra. With the centre c and the scale s of the columns

    z b          =  x (b / s) + (b_0 - c (b / s))
    sum_i v z    =  (sum_i v x - (sum_i v) c) / s
    sum_i w z z' =  (A - r c' - c r' + (sum_i w) c c') / (s s'),    A = sum_i w x x',  r = sum_i w x

and the loops run over stored entries only (`skmoe.kernels.csr`). Rounding errors are those of numbers of the size of
c / s, or of its square. Columns that lie far from zero are therefore centred as dense ones: they hold hardly a zero.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np
from scipy.sparse import csr_array, vstack

from .. import kernels
from .design import Design, Standardizer
from .moments import Moments

#: Share of entries that are stored above which cross-products are made of dense columns. Seconds of pairs of entries
#: over those of dense columns at .2, .3 and .5: .1 .5 .8 (100 columns), .3 .6 1.4 (300), .4 1.4 2.0 (900).
_DENSE = 0.3
#: Distance of the centre from zero, in scales, beyond which a column is centred as a dense one: it holds at most one
#: zero in so many times so many rows.
_FAR = 100.0
#: Rows of which moments are taken at a time.
_PART_ROWS = 65_536


class SparseRows:
    """Rows of a sparse matrix: what is stored is never copied, whichever rows are asked for.

    Parameters
    ----------
    table : scipy.sparse.csr_array or csr_matrix of shape (n_all_rows, n_features)
        In canonical form.
    index : ndarray of shape (n_rows,), or None
        Which of its rows; None for all.
    """

    __slots__ = ("_narrow", "index", "table")

    def __init__(self, table: Any, index: np.ndarray | None = None, narrow: dict | None = None):
        self.table = table
        self.index = np.arange(table.shape[0]) if index is None else index
        self._narrow: dict[bytes, Any] = {} if narrow is None else narrow

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.index), self.table.shape[1]

    @property
    def dtype(self) -> np.dtype:
        return self.table.dtype

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, rows: slice | np.ndarray) -> SparseRows:
        """Some of the rows."""
        return SparseRows(self.table, self.index[rows], self._narrow)

    def entries(self, columns: np.ndarray) -> Any:
        """Stored entries of some columns, numbered among these."""
        table = self._of_columns(columns)
        return kernels.csr.Entries(
            table.data, table.indices, table.indptr[:-1][self.index], table.indptr[1:][self.index]
        )

    def _of_columns(self, columns: np.ndarray) -> Any:
        """The table of some columns, made once for all who hold rows of it."""
        if len(columns) == self.table.shape[1]:
            return self.table
        key = columns.tobytes()
        if key not in self._narrow:
            self._narrow[key] = self.table[:, columns]
        return self._narrow[key]

    def design(self, index: np.ndarray, units: Standardizer) -> SparseDesign:
        """Design of some columns in some units."""
        return SparseDesign(self.entries(index), units)

    def moments(self, weight: np.ndarray, columns: np.ndarray) -> Moments:
        """Moments of some columns, for weights (n_rows,)."""
        parts = (slice(first, first + _PART_ROWS) for first in range(0, max(len(self), 1), _PART_ROWS))
        return reduce(Moments.together, (_moments(self[p].entries(columns), weight[p], len(columns)) for p in parts))

    def appended(self, rows: np.ndarray) -> SparseRows:
        """These rows and others, (n_rows, n_features), at their end."""
        return SparseRows(vstack([self.table[self.index], csr_array(rows)], format="csr"))

    def n_distinct(self) -> int:
        """Number of distinct rows."""
        every = self.entries(np.arange(self.shape[1]))
        found = set()
        for first, last in zip(every.first.tolist(), every.last.tolist(), strict=True):
            data, indices = every.data[first:last], every.indices[first:last]
            found.add((indices[data != 0].tobytes(), data[data != 0].tobytes()))
        return len(found)


def _moments(entries: Any, weight: np.ndarray, n_columns: int) -> Moments:
    """Moments of columns of which most entries are zero."""
    low, high = np.full(n_columns, np.inf), np.full(n_columns, -np.inf)
    count, held = np.zeros(n_columns, dtype=np.intp), np.zeros(n_columns)
    kernels.csr.extremes(entries, weight, low, high, count, held)
    lacking = count < len(weight)  # what is not stored is zero
    low, high = np.where(lacking, np.minimum(low, 0.0), low), np.where(lacking, np.maximum(high, 0.0), high)
    found = Moments.within(low, high, weight)
    rest = np.where(lacking, np.maximum(found.weight - held, 0.0), 0.0)
    middle, inverse = found.middle, 1.0 / found.reach
    whole = max(found.weight, np.finfo(float).tiny)

    def deviation(mean: np.ndarray) -> np.ndarray:
        """Mean deviation of all rows from a mean, and its square."""
        sums, zero = np.zeros((2, n_columns)), -middle * inverse - mean
        kernels.csr.deviations(entries, weight, middle, inverse, mean, sums)
        return (sums + rest * np.stack([zero, np.square(zero)])) / whole

    shift = deviation(np.zeros(n_columns))[0]
    return found.around(shift, np.sqrt(deviation(shift)[1]))


class SparseDesign(Design):
    """A leading column of ones and standardised columns of which the zeros are not stored.

    Parameters
    ----------
    entries : Entries
        Of the columns seen, in the user's units.
    units : Standardizer
    """

    __slots__ = ("_center", "_entries", "_far", "_far_columns", "_inverse", "_units")

    def __init__(self, entries: Any, units: Standardizer):
        self._entries, self._units = entries, units
        self._far = np.flatnonzero(np.abs(units.center) * units.inverse > _FAR)
        self._inverse = units.inverse
        if len(self._far):
            self._inverse = units.inverse.copy()
            self._inverse[self._far] = 0.0
        self._far_columns = self._dense(self._far)
        self._center = units.center * self._inverse

    @property
    def n_coef(self) -> int:
        return 1 + len(self._inverse)

    @property
    def n_rows(self) -> int:
        return len(self._entries.first)

    def predict(self, coef: np.ndarray) -> np.ndarray:
        flat = coef.reshape(-1, self.n_coef)
        n = self.n_coef - 1
        slopes, intercept = flat[:, 1:] * self._inverse, flat[:, :1] - flat[:, 1:] @ self._center[:, None]
        slopes, intercept = _in_fours(slopes), _in_fours(intercept)
        out = np.empty((len(slopes), 4, self.n_rows))
        kernels.csr.predict(self._entries, slopes.reshape(len(slopes), 4 * n), intercept[:, 0], out)
        out = out.reshape(4 * len(slopes), self.n_rows)[: len(flat)]
        if len(self._far):
            out += flat[:, 1 + self._far] @ self._far_columns
        return out.reshape(*coef.shape[:-1], self.n_rows)

    def score(self, values: np.ndarray) -> np.ndarray:
        flat = values.reshape(-1, self.n_rows)
        n, total, fours = self.n_coef - 1, flat.sum(axis=1), _in_fours(flat)
        sums = np.zeros((len(fours), n, 4))
        kernels.csr.score(self._entries, fours, sums.reshape(len(fours), 4 * n))
        sums = sums.swapaxes(1, 2).reshape(4 * len(fours), n)[: len(flat)]
        inner = sums * self._inverse - total[:, None] * self._center
        if len(self._far):
            inner[:, self._far] = flat @ self._far_columns.T
        return np.column_stack([total, inner]).reshape(*values.shape[:-1], self.n_coef)

    def gram(self, weights: np.ndarray) -> np.ndarray:
        if self._n_stored > _DENSE * self.n_rows * (self.n_coef - 1):
            return Design(np.vstack([np.ones(self.n_rows), self._dense(np.arange(self.n_coef - 1))])).gram(weights)
        flat = np.ascontiguousarray(weights.reshape(-1, self.n_rows))
        center, n, far = self._center, self.n_coef - 1, 1 + self._far
        lower = np.zeros((len(flat), n, n))
        kernels.csr.products(self._entries, self._inverse, flat, lower)
        out = np.empty((len(flat), n + 1, n + 1))
        for matrix, below, weight, first in zip(out, lower, flat, self.score(flat), strict=True):
            inner = matrix[1:, 1:]
            np.add(below, below.T, out=inner)
            np.einsum("ii->i", inner)[:] *= 0.5
            centered = first[1:] + 0.5 * first[0] * center
            inner -= np.outer(centered, center) + np.outer(center, centered)
            matrix[0] = matrix[:, 0] = first
            if len(far):
                matrix[far] = self.score(weight * self._far_columns)
                matrix[:, far] = matrix[far].T
        return out.reshape(*weights.shape[:-1], n + 1, n + 1)

    def squares(self, weights: np.ndarray) -> np.ndarray:
        flat = weights.reshape(-1, self.n_rows)
        more, total = np.zeros((self.n_coef - 1, len(flat))), flat.sum(axis=1)
        kernels.csr.squares(self._entries, self._inverse, self._center, np.ascontiguousarray(flat.T), more)
        inner = more.T + total[:, None] * np.square(self._center)
        if len(self._far):
            inner[:, self._far] = flat @ np.square(self._far_columns).T
        return np.column_stack([total, inner]).reshape(*weights.shape[:-1], self.n_coef)

    @property
    def _n_stored(self) -> int:
        return int((self._entries.last - self._entries.first).sum())

    def _dense(self, index: np.ndarray) -> np.ndarray:
        """Some standardised columns, (n_index, n_rows), zeros and all."""
        columns = np.zeros((len(index), self.n_rows))
        if len(index):
            place = np.full(len(self._inverse), -1)
            place[index] = np.arange(len(index))
            kernels.csr.spread(self._entries, place, columns)
        return (columns - self._units.center[index, None]) * self._units.inverse[index, None]


def _in_fours(vectors: np.ndarray) -> np.ndarray:
    """Vectors (n_vectors, n) four at a time, (n_fours, n, 4); zeros fill the last four."""
    n_vectors, n = vectors.shape
    n_fours = -(-n_vectors // 4)
    filled = np.zeros((n_fours, n, 4))
    for v, vector in enumerate(vectors):
        filled[v // 4, :, v % 4] = vector
    return filled
