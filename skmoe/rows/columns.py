"""Columns: which features a gate or an expert sees, and in which units."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np

from .. import kernels
from .design import Design, Standardizer
from .positions import positions
from .row_source import RowSource
from .sparse import SparseRows
from .tiles import Seen, unwritable

Selection = None | str | slice | Sequence | np.ndarray | Callable


@dataclass(frozen=True)
class Columns:
    """Some features, standardised.

    Parameters
    ----------
    index : ndarray of shape (n_columns,)
        The features seen, among ``n_features``.
    n_features : int
    units : Standardizer
        Centre and scale of the features seen.
    """

    index: np.ndarray
    n_features: int
    units: Standardizer

    @classmethod
    def of(cls, X: np.ndarray, weight: np.ndarray, index: np.ndarray, rows: np.ndarray | None = None) -> Columns:
        """Some features of X (n_all_rows, n_features) in the units of its weighted rows, or of some of them."""
        return cls(index, X.shape[1], standardizer(X, weight, index, rows))

    @property
    def seen(self) -> Seen:
        """The same for compiled code."""
        return Seen(self.index, self.units.center, self.units.inverse)

    def design(self, X: np.ndarray) -> Design:
        """Design of rows (n_rows, n_features)."""
        return designed(X, self)

    def tiled(self, X: np.ndarray, n_tile: int) -> np.ndarray:
        """Designs of n_tile rows each, (n_tiles, n_coef, n_tile); what the last has too many is zero."""
        tiles = np.empty((max(-(-len(X) // max(n_tile, 1)), 1), len(self.index) + 1, n_tile))
        kernels.columns.standardized(unwritable(X), self.seen, tiles)
        return tiles

    def spread(self, slopes: np.ndarray) -> np.ndarray:
        """Slopes (..., n_columns) among all features (..., n_features), zero where a feature is not seen."""
        out = np.zeros((*slopes.shape[:-1], self.n_features))
        out[..., self.index] = slopes
        return out


@singledispatch
def designed(X: Any, columns: Columns) -> Design:
    """Design of rows, of the kind that they ask for by how they are stored."""
    return Design(columns.tiled(X, len(X))[0])


@designed.register
def _(X: SparseRows, columns: Columns) -> Design:
    return X.design(columns.index, columns.units)


@singledispatch
def standardizer(X: Any, weight: np.ndarray, index: np.ndarray, rows: np.ndarray | None) -> Standardizer:
    """Units of some columns of weighted rows."""
    return Standardizer.of(X, weight, index, rows)


@standardizer.register
def _(X: SparseRows, weight: np.ndarray, index: np.ndarray, rows: np.ndarray | None) -> Standardizer:
    return Standardizer.from_moments((X if rows is None else X[rows]).moments(weight, index))


@singledispatch
def appended(X: Any, rows: np.ndarray) -> Any:
    """X with some rows more, (n_rows, n_features), at its end."""
    return np.concatenate([X, rows])


@appended.register
def _(X: SparseRows, rows: np.ndarray) -> SparseRows:
    return X.appended(rows)


@appended.register
def _(X: RowSource, rows: np.ndarray) -> RowSource:
    return X.appended(rows)


def selected(selection: Selection, X: Any, names: Sequence[str] | None, n_features: int, what: str) -> np.ndarray:
    """Indices of the features that a selection names, in rising order.

    Parameters
    ----------
    selection : None, str, list of str, list of int, boolean mask, slice or callable
        None selects all; a callable is given X and returns one of the others.
    X : array-like or dataframe
        As the user passed it, for a callable.
    names : sequence of str or None
        Names of the features, where X has them.
    what : str
        Parameter named in errors.

    Raises
    ------
    ValueError
        Where a name or an index is unknown, a mask has the wrong length, or names are asked of an array.
    """
    if callable(selection):
        selection = selection(X)
    return np.arange(n_features) if selection is None else np.unique(positions(selection, names, n_features, what))
