"""Sparse rows against the same rows held as arrays."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal

from skmoe.rows import design, sparse
from skmoe.rows.columns import Columns
from skmoe.rows.design import Design, Standardizer
from skmoe.rows.sparse import SparseDesign, SparseRows

N_ROWS = 300


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def table(rng, stored=0.1, n_columns=25):
    """Columns of which most entries are zero, and some that are not like that."""
    X = np.where(rng.random((N_ROWS, n_columns)) < stored, 3 * rng.standard_normal((N_ROWS, n_columns)) + 1, 0.0)
    X[:, 3] = 0.0
    X[:, 4] = 7.0
    X[:, 5] = rng.standard_normal(N_ROWS) + 1e8
    X[:, 6] = rng.random(N_ROWS) < 0.02
    X[:, 7] = 1e-150 * rng.standard_normal(N_ROWS) + 1e-148
    X[:, 8] = 1e150 * (rng.random(N_ROWS) < 0.5)
    X[:, 9] = rng.random(N_ROWS) < 0.99
    return X


def both(X, weight, index=None, rows=None, kind=sp.csr_array):
    """Columns and designs of dense and of sparse rows."""
    index = np.arange(X.shape[1]) if index is None else index
    found = []
    for held in (X, SparseRows(kind(X))):
        columns = Columns.of(held, weight if rows is None else weight[rows], index, rows)
        found.append((columns, columns.design(held if rows is None else held[rows])))
    return found


def assert_close(got, wanted, rtol=1e-12):
    assert got.shape == wanted.shape
    assert_allclose(got, wanted, rtol=0, atol=rtol * np.abs(wanted).max(initial=1e-300))


INDEX = [None, np.array([0, 4, 5, 6, 9, 20]), np.zeros(0, dtype=np.intp)]


@pytest.mark.parametrize("stored", [0.05, 0.9])
@pytest.mark.parametrize("index", INDEX, ids=["all columns", "some", "none"])
@pytest.mark.parametrize("kind", [sp.csr_array, sp.csr_matrix], ids=["array", "matrix"])
def test_moments_are_those_of_arrays(rng, stored, index, kind):
    (dense, _), (found, _) = both(table(rng, stored), rng.exponential(size=N_ROWS), index, kind=kind)
    assert_array_equal(np.isfinite(found.units.scale), np.isfinite(dense.units.scale))
    varies = np.isfinite(dense.units.scale)
    assert_allclose(found.units.scale[varies], dense.units.scale[varies], rtol=1e-13)
    apart = np.abs(found.units.center - dense.units.center)
    assert (apart <= 1e-14 * np.where(varies, dense.units.scale, 0.0) + 1e-15 * np.abs(dense.units.center)).all()


@pytest.mark.parametrize("lead", [(), (3,), (2, 3), (0,)], ids=str)
@pytest.mark.parametrize("index", INDEX, ids=["all columns", "some", "none"])
@pytest.mark.parametrize("stored", [0.05, 0.9])
def test_operations_are_those_of_arrays(rng, lead, index, stored):
    some = np.flatnonzero(rng.random(N_ROWS) < 0.6)
    for rows in (None, some):
        (_, dense), (_, found) = both(table(rng, stored), rng.exponential(size=N_ROWS), index, rows)
        assert type(dense) is Design
        assert type(found) is SparseDesign
        assert (found.n_coef, found.n_rows) == (dense.n_coef, dense.n_rows)
        coef = rng.standard_normal((*lead, dense.n_coef))
        values = rng.standard_normal((*lead, dense.n_rows))
        assert_close(found.predict(coef), dense.predict(coef))
        assert_close(found.project(coef[..., 1:]), dense.predict(coef) - coef[..., :1])
        assert_close(found.score(values), dense.score(values))
        assert_close(found.gram(values), dense.gram(values))
        assert_close(found.squares(values), dense.squares(values))
        assert_allclose(dense.squares(values), np.einsum("...ii->...i", dense.gram(values)), rtol=0, atol=1e-11)


def test_rows_that_lack_an_entry_of_a_column_far_from_zero(rng):
    """New rows may hold a zero where every row of the fit held 1e8."""
    X = table(rng)
    units = Columns.of(X, np.ones(N_ROWS), np.arange(X.shape[1]))
    X[::7, 5] = 0.0
    coef = rng.standard_normal((2, X.shape[1] + 1))
    assert_close(units.design(SparseRows(sp.csr_array(X))).predict(coef), units.design(X).predict(coef))


def test_numbers_of_any_kind(rng):
    X = np.round(table(rng)[:, [0, 1, 2, 4, 6, 9]], 1)
    held = sp.csr_array(X)
    held32 = sp.csr_array((held.data.astype(np.float32), held.indices.astype(np.int64), held.indptr.astype(np.int64)))
    columns = Columns.of(X, np.ones(N_ROWS), np.arange(X.shape[1]))
    coef = rng.standard_normal(X.shape[1] + 1)
    assert_close(columns.design(SparseRows(held32)).predict(coef), columns.design(X).predict(coef), rtol=1e-6)


def test_moments_part_by_part(rng, monkeypatch):
    X, weight = table(rng), rng.exponential(size=N_ROWS)
    X[:, 5] -= 1e8  # means of parts have the digits of what they are means of
    whole = Columns.of(SparseRows(sp.csr_array(X)), weight, np.arange(X.shape[1])).units
    monkeypatch.setattr(sparse, "_PART_ROWS", 37)
    parts = Columns.of(SparseRows(sp.csr_array(X)), weight, np.arange(X.shape[1])).units
    varies = np.isfinite(whole.scale)
    assert (np.abs(parts.center - whole.center)[varies] <= 1e-13 * whole.scale[varies]).all()
    assert_allclose(parts.scale, whole.scale, rtol=1e-12)


def test_rows_of_no_weight_do_not_count(rng):
    X, weight = table(rng), (rng.random(N_ROWS) < 0.5).astype(float)
    seen = np.flatnonzero(weight)
    held = SparseRows(sp.csr_array(X))
    index = np.arange(X.shape[1])
    (units, few) = (Columns.of(held, w, index, r).units for w, r in ((weight, None), (weight[seen], seen)))
    varies = np.isfinite(few.scale)
    assert_allclose(units.scale[varies], few.scale[varies], rtol=1e-12)


def test_what_is_stored_is_not_copied(rng):
    held = SparseRows(sp.csr_array(table(rng)))
    every = np.arange(held.shape[1])
    for rows in (held, held[10:50], held[np.array([3, 1, 7])], held[np.arange(N_ROWS) % 2 == 0][5:]):
        entries = rows.entries(every)
        assert np.shares_memory(entries.data, held.table.data)
        assert len(entries.first) == len(rows)
    assert_array_equal(held[10:50][np.array([3, 1])].index, [13, 11])


def test_columns_are_taken_once(rng):
    held = SparseRows(sp.csr_array(table(rng)))
    some = np.array([2, 6, 9])
    one, other = held[:100].entries(some), held[50:60].entries(some)
    assert np.shares_memory(one.data, other.data)
    assert not np.shares_memory(one.data, held.table.data)


def test_distinct_rows():
    X = np.array([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    held = sp.csr_array(X)
    assert SparseRows(held).n_distinct() == 3
    held = sp.csr_array((np.array([0.0, 1.0, 1.0, 1.0]), np.array([0, 1, 1, 0]), np.array([0, 2, 3, 4, 4])))
    assert SparseRows(held).n_distinct() == 3  # a zero that is stored is a zero


def test_many_coefficients_have_a_diagonal(rng, monkeypatch):
    X = table(rng)
    weights = rng.exponential(size=(2, N_ROWS))
    for _, one in both(X, np.ones(N_ROWS)):
        full = one.information(weights)
        assert full.shape == (2, one.n_coef, one.n_coef)
        monkeypatch.setattr(design, "MOST_CROSSED", one.n_coef - 1)
        assert_close(one.information(weights), np.einsum("sii->si", full))
        monkeypatch.undo()


def test_a_design_of_no_rows():
    held = SparseRows(sp.csr_array((0, 3)))
    columns = Columns(np.arange(3), 3, Standardizer(np.zeros(3), np.ones(3)))
    assert columns.design(held).predict(np.ones((2, 4))).shape == (2, 0)
