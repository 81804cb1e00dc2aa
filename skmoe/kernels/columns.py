"""Columns as blocks see them."""

from __future__ import annotations

import numpy as np

from .compiled import kernel


@kernel
def standardized(X: np.ndarray, index: np.ndarray, center: np.ndarray, inverse: np.ndarray, out: np.ndarray) -> None:
    """Standardised columns behind a row of ones, tile by tile.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
        Numbers of any kind, in any order of memory.
    index : ndarray of shape (n_columns,)
        The features wanted.
    center, inverse : ndarray of shape (n_columns,)
        Their centre, and one over their scale.
    out : ndarray of shape (n_tiles, 1 + n_columns, tile)
        Where the rows end, the rest of the last tile is zero.
    """
    n_rows, n_columns = len(X), len(index)
    every = n_columns == X.shape[1]
    n_tiles, _, tile = out.shape
    for t in range(n_tiles):
        standard = out[t]
        end = min(n_rows - t * tile, tile)
        standard[0, :end] = 1.0
        standard[:, end:] = 0.0
        for i in range(end):
            row = X[t * tile + i]
            if every:
                for j in range(n_columns):
                    standard[j + 1, i] = (row[j] - center[j]) * inverse[j]
            else:
                for j in range(n_columns):
                    standard[j + 1, i] = (row[index[j]] - center[j]) * inverse[j]
