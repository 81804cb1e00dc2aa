"""Weighted cross-products of a design: what information is made of, and most of the cost of forming it.

Under one weight they are a matrix product of the design, times the weight, with itself. Under many weights they are one
product for all: products of every two columns are made once, and the weights are multiplied with them. As half of a
symmetric matrix is enough, that is half of the arithmetic, in one product of a good shape instead of many small ones.
Seconds of one at a time over those of all together (the best of 25, 50 and 100 thousand products at once), all rows
met, 1 thread:

    columns       6     11    21    31    41    61    81
    4 weights    1.1   1.9    .9   1.2   1.1    .8    .5
    8 weights    1.7   2.7   1.4   2.0   2.0   1.3    .8
    16 weights   2.8   3.1   1.9   3.2   2.6   1.4    .9
    36 weights   2.6   4.5   2.2   3.0   2.5   1.5   1.0

One at a time skips rows without weight, as most are under most weights where experts are many.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .compiled import kernel

#: All together pays up to so many columns and from so many weights on, counted by the rows that they meet.
_MOST_COLUMNS, _FEWEST_WEIGHTS = 64, 6
#: Products of columns made before they are used: so many that they stay in the cache of a core, but of some rows.
_NUMBERS, _FEWEST_ROWS = 50_000, 24


class Room(NamedTuple):
    """Room for cross-products under all weights together; none where that does not pay.

    Attributes
    ----------
    products : ndarray
        Of every two columns, at some rows.
    turned : ndarray
        Weights of these rows, row by row.
    sums : ndarray of shape (n_columns (n_columns + 1) / 2, n_weights)
        Cross-products that are not where they belong yet.
    """

    products: np.ndarray
    turned: np.ndarray
    sums: np.ndarray


@kernel
def cross_products(design: np.ndarray, weights: np.ndarray, out: np.ndarray) -> None:
    """Add the cross-products of a design (n_columns, n_rows) under weights (n_weights, n_rows) to out (n_weights,
    n_columns, n_columns)."""
    room = room_for(len(design), len(weights), design.shape[1])
    add(design, weights, room, out)
    close(room, out)


@kernel
def room_for(n_columns: int, n_weights: int, n_rows: int) -> Room:
    """Room for tiles of so many rows."""
    n_pairs = n_columns * (n_columns + 1) // 2
    if n_columns > _MOST_COLUMNS or n_weights < _FEWEST_WEIGHTS:
        n_pairs = n_weights = 0
    n_at_once = min(max(_NUMBERS // max(n_pairs, 1) // 8 * 8, _FEWEST_ROWS), n_rows)
    return Room(np.empty(n_pairs * n_at_once), np.empty(n_weights * n_at_once), np.zeros((n_pairs, n_weights)))


@kernel
def add(design: np.ndarray, weights: np.ndarray, room: Room, out: np.ndarray) -> None:
    """Add cross-products to out, or to what room holds for it until it is closed."""
    n_weights, n_rows = weights.shape
    n_met = 0
    if len(room.sums):
        for g in range(n_weights):
            weight = weights[g]
            for i in range(n_rows):
                n_met += weight[i] != 0.0
    if n_met >= n_rows * max(_FEWEST_WEIGHTS, n_weights / 2) and n_met:
        _together(design, weights, room)
    else:
        for g in range(n_weights):
            _one(design, weights[g], out[g])


@kernel
def close(room: Room, out: np.ndarray) -> None:
    """Add what room holds to out."""
    n_weights, n_columns, _ = out.shape
    pair = 0
    if len(room.sums):
        for j in range(n_columns):
            for k in range(j + 1):
                for g in range(n_weights):
                    out[g, j, k] += room.sums[pair, g]
                    if k < j:
                        out[g, k, j] += room.sums[pair, g]
                pair += 1


@kernel
def _together(design: np.ndarray, weights: np.ndarray, room: Room) -> None:
    n_weights, n_rows = weights.shape
    n_pairs, n_columns = len(room.sums), len(design)
    n_at_once = len(room.turned) // n_weights
    for first in range(0, n_rows, n_at_once):
        n = min(n_at_once, n_rows - first)
        products = room.products[: n_pairs * n].reshape(n_pairs, n)
        turned = room.turned[: n_weights * n].reshape(n, n_weights)
        pair = 0
        for j in range(n_columns):
            a = design[j, first : first + n]
            for k in range(j + 1):
                b, product = design[k, first : first + n], products[pair]
                for i in range(n):
                    product[i] = a[i] * b[i]
                pair += 1
        for i in range(n):
            for g in range(n_weights):
                turned[i, g] = weights[g, first + i]
        room.sums[:] += np.dot(products, turned)


@kernel
def _one(design: np.ndarray, weight: np.ndarray, out: np.ndarray) -> None:
    """Add the cross-products under one weight; rows without weight are skipped."""
    n_columns, n_rows = design.shape
    met = np.flatnonzero(weight)
    n = len(met)
    if 4 * n > 3 * n_rows:
        scaled = np.empty((n_columns, n_rows))
        for j in range(n_columns):
            column, a = design[j], scaled[j]
            for i in range(n_rows):
                a[i] = weight[i] * column[i]
        out[:] += np.dot(scaled, design.T)
    elif n:
        some, scaled = np.empty((n_columns, n)), np.empty((n_columns, n))
        for j in range(n_columns):
            column, a, b = design[j], some[j], scaled[j]
            for i in range(n):
                a[i] = column[met[i]]
                b[i] = weight[met[i]] * a[i]
        out[:] += np.dot(scaled, some.T)
