"""Columns as blocks see them."""

from __future__ import annotations

import numpy as np

from ..rows.tiles import Seen
from .compiled import kernel
from .registers import ask_for, standardized_square

#: How many bytes ahead memory is asked for. Seconds to standardise 1,000,000 x 20 in thousandths, at 0, 1,280, 2,560,
#: 5,120, 10,240, 20,480 bytes: 19, 15, 11, 8, 8, 7.
_AHEAD = 20_480
_LINE = 64


@kernel
def standardized(X: np.ndarray, seen: Seen, out: np.ndarray) -> None:
    """Standardised columns behind a row of ones, tile by tile.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
        Numbers of any kind, in any order of memory.
    seen : Seen
    out : ndarray of shape (n_tiles, 1 + n_columns, tile)
        Where the rows end, the rest of the last tile is zero.
    """
    tile = out.shape[2]
    for t in range(len(out)):
        one_tile(X, seen, t * tile, out[t])


@kernel
def one_tile(X: np.ndarray, seen: Seen, first: int, out: np.ndarray) -> None:
    """The rows of X from ``first`` on, as many as there is room for in out (1 + n_columns, tile)."""
    n_columns, tile = out.shape[0] - 1, out.shape[1]
    n_rows = min(len(X) - first, tile)
    out[0, :n_rows] = 1.0
    out[:, n_rows:] = 0.0
    if n_columns < X.shape[1]:
        for i in range(n_rows):
            row = X[first + i]
            for j in range(n_columns):
                out[j + 1, i] = (row[seen.columns[j]] - seen.center[j]) * seen.inverse[j]
    elif X.strides[1] == X.itemsize and X.itemsize >= 4 and min(n_columns, n_rows) >= 8:
        _by_squares(X, seen, first, n_rows, out)
    else:
        for i in range(n_rows):
            row = X[first + i]
            for j in range(n_columns):
                out[j + 1, i] = (row[j] - seen.center[j]) * seen.inverse[j]


@kernel
def _by_squares(X: np.ndarray, seen: Seen, first: int, n_rows: int, out: np.ndarray) -> None:
    """All columns of rows that lie one after another, at least eight of each; the last squares overlap."""
    n_columns, tile = X.shape[1], out.shape[1]
    row, column, size = X.strides[0], 8 * tile, X.itemsize
    source, target = X.ctypes.data + first * row, out.ctypes.data + column
    center, inverse = seen.center.ctypes.data, seen.inverse.ctypes.data
    reach = 8 * row if row == n_columns * size else 0  # of columns among others only some are wanted
    for i in range(0, n_rows, 8):
        i = min(i, n_rows - 8)
        for place in range(0, reach, _LINE):
            ask_for(source + i * row + place + _AHEAD)
        for j in range(0, n_columns, 8):
            j = min(j, n_columns - 8)
            standardized_square(
                X[0, 0],
                source + i * row + j * size,
                row,
                center + 8 * j,
                inverse + 8 * j,
                target + j * column + 8 * i,
                column,
            )
