"""Tiles: the rows of a chunk as compiled code takes them, some at a time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

#: Rows of a tile: so many that its design has about this many numbers, and with what is made of it fits in the cache of
#: a core, within these bounds. Multiples of 8 for vector instructions, odd ones, because columns that lie a multiple of
#: 4,096 bytes apart drive each other out of the cache.
_NUMBERS, _FEWEST, _MOST = 64_000, 120, 1000


class Seen(NamedTuple):
    """Which columns are seen, (n_columns,), their centre, and one over their scale."""

    columns: np.ndarray
    center: np.ndarray
    inverse: np.ndarray


class Raw(NamedTuple):
    """Rows as they are held: X (n_rows, n_features), which of its columns gates and experts see, y (n_outputs, n_rows)
    in the units of the experts, weights (n_rows,)."""

    X: np.ndarray
    gate: Seen
    expert: Seen
    y: np.ndarray
    weight: np.ndarray


class Tiles(NamedTuple):
    """Rows in tiles; where they end in the midst of a tile the rest of it is zero, weights too.

    Attributes
    ----------
    gate, expert : ndarray of shape (n_tiles, n_coef, tile)
        Designs.
    y : ndarray of shape (n_tiles, n_outputs, tile)
        The response in the units of the experts.
    weight : ndarray of shape (n_tiles, tile)
    """

    gate: np.ndarray
    expert: np.ndarray
    y: np.ndarray
    weight: np.ndarray


def tile_rows(n_coef: int) -> int:
    """Rows of a tile of so many coefficients."""
    eights = _NUMBERS // (8 * n_coef)
    return min(max(8 * (eights - 1 + eights % 2), _FEWEST), _MOST)


def unwritable(X: np.ndarray) -> np.ndarray:
    """The same numbers, not to be written: compiled code is compiled once for such arrays, in memory or mapped, and
    those of users may be either."""
    X = np.asarray(X).view()
    X.flags.writeable = False
    return X


def in_tiles(values: np.ndarray, n_tile: int) -> np.ndarray:
    """Values (..., n_rows) as (n_tiles, ..., n_tile), with zeros at the end."""
    n_rows = values.shape[-1]
    if n_rows == n_tile:
        return values[None]
    n_tiles = max(-(-n_rows // max(n_tile, 1)), 1)
    whole = values
    if n_rows < n_tiles * n_tile:
        whole = np.zeros((*values.shape[:-1], n_tiles * n_tile))
        whole[..., :n_rows] = values
    return np.ascontiguousarray(np.moveaxis(whole.reshape(*values.shape[:-1], n_tiles, n_tile), -2, 0))
