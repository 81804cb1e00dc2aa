"""Standardised tiles against numpy."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skmoe import kernels
from skmoe.rows.tiles import Seen


def tiles_of(X, seen, n_tile):
    out = np.full((-(-len(X) // n_tile), len(seen.columns) + 1, n_tile), np.nan)
    kernels.columns.standardized(X, seen, out)
    return out


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("order", ["C", "F", "rows of a wider table", "every other row"])
@pytest.mark.parametrize("n_columns", [1, 3, 7, 8, 9, 16, 21])
@pytest.mark.parametrize("n_rows", [1, 7, 8, 13, 50])
def test_tiles_are_standardised_columns(dtype, order, n_columns, n_rows):
    rng = np.random.default_rng(n_columns + n_rows)
    held = rng.normal(3.0, 2.0, size=(2 * n_rows, n_columns + 4)).astype(dtype)
    views = {
        "C": np.ascontiguousarray(held[:n_rows, :n_columns]),
        "F": np.asfortranarray(held[:n_rows, :n_columns]),
        "rows of a wider table": held[:n_rows, :n_columns],
        "every other row": held[::2, 2 : n_columns + 2],
    }
    X = views[order].view()
    X.flags.writeable = False
    seen = Seen(np.arange(n_columns), X.mean(axis=0, dtype=np.float64), rng.uniform(0.5, 2.0, n_columns))
    wanted = ((X.astype(np.float64) - seen.center) * seen.inverse).T
    for n_tile in (n_rows, 10, 24):
        out = tiles_of(X, seen, n_tile)
        flat = out.swapaxes(0, 1).reshape(n_columns + 1, -1)
        assert_array_equal(flat[0, :n_rows], 1.0)
        assert_array_equal(flat[1:, :n_rows], wanted)
        assert_array_equal(flat[:, n_rows:], 0.0)


def test_some_of_the_columns():
    X = np.random.default_rng(0).normal(size=(30, 12))
    columns = np.array([1, 4, 11])
    seen = Seen(columns, X[:, columns].mean(axis=0), np.array([1.0, 0.5, 2.0]))
    assert_array_equal(tiles_of(X, seen, 30)[0, 1:], ((X[:, columns] - seen.center) * seen.inverse).T)
