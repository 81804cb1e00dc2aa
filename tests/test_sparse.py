"""Fits to sparse X against fits to the same X held as an array."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skmoe import MoEClassifier, MoERegressor
from skmoe.exceptions import CollapseWarning
from skmoe.gates import GaussianGate
from skmoe.inspection import BandDisplay, explain
from skmoe.rows import design
from skmoe.selection import path

N_ROWS = 600


def table(n_columns=12, seed=0):
    """Amounts that are seldom there, indicators, a column far from zero, one that does not vary."""
    rng = np.random.default_rng(seed)
    X = np.where(rng.random((N_ROWS, n_columns)) < 0.2, rng.standard_normal((N_ROWS, n_columns)) + 1, 0.0)
    X[:, 0] = rng.standard_normal(N_ROWS)
    X[:, 1] = rng.standard_normal(N_ROWS) + 1000
    X[:, 2] = 0.0
    X[:, 3:6] = rng.integers(3, size=N_ROWS)[:, None] == np.arange(3)
    return X


X = table()
RNG = np.random.default_rng(1)
MEAN = np.where(X[:, 0] > 0, 2 * X[:, 3] + X[:, 6], -2 * X[:, 4] - X[:, 7])
Y = MEAN + 0.2 * RNG.standard_normal(N_ROWS)
WEIGHT = RNG.integers(0, 4, size=N_ROWS).astype(float)
TARGETS = {
    "one output": (MoERegressor, Y),
    "two outputs": (MoERegressor, np.column_stack([Y, X[:, 8] - Y + 0.1 * RNG.standard_normal(N_ROWS)])),
    "two classes": (MoEClassifier, MEAN + RNG.standard_normal(N_ROWS) > 0),
    "three classes": (MoEClassifier, np.digitize(MEAN + 0.5 * RNG.standard_normal(N_ROWS), [-0.5, 0.5])),
}


def predicted(model, X):
    return model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)


def fitted(make, X, y, weight=None, **params):
    params = {"n_experts": 2, "n_init": 2, "alpha": 1.0, "gate_alpha": 0.1, "random_state": 0, **params}
    return make(**params).fit(X, y, weight)


def assert_alike(dense, found, atol=1e-8):
    """The same predictions, whichever way rows to be predicted are held."""
    wanted = predicted(dense, X)
    for rows in (X, sp.csr_matrix(X)):
        assert_allclose(predicted(found, rows), wanted, rtol=0, atol=atol)
    assert found.objective_ == pytest.approx(dense.objective_, rel=1e-9)
    assert found.log_likelihood_ == pytest.approx(dense.log_likelihood_, rel=max(1e-8, 1e-2 * atol))


@pytest.mark.parametrize("target", list(TARGETS))
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"gate_features": [0, 1, 6]},
        {"expert_features": slice(3, 8), "gate_features": [0]},
        {"n_experts": (2, 2), "gate_features": [0, 1]},
        {"n_experts": 1},
        {"gate": "constant", "n_init": 1},
    ],
    ids=str,
)
def test_fits_are_those_to_arrays(target, params):
    make, y = TARGETS[target]
    # Full steps to the end: what rounding does to the path is then forgotten.
    params = {"tol": 1e-10, "move_budget": 0, "init": "hyperplanes", **params}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CollapseWarning)
        dense = fitted(make, X, y, WEIGHT, **params)
        found = fitted(make, sp.csr_array(X), y, WEIGHT, **params)
    full = make is MoERegressor  # logistic experts use no information, and end somewhere near the optimum
    assert_alike(dense, found, atol=1e-8 if full else 1e-4)
    assert_allclose(found.expert_coef_, dense.expert_coef_, rtol=0, atol=1e-6 if full else 1e-2)


@pytest.mark.parametrize(
    "init", ["tilt", "lloyd", "lloyd_xy", "tree_leaves", "splitting", "k_regressions", "annealing"]
)
def test_starts_are_those_of_arrays(init):
    params = {"init": init, "n_init": 1, "max_iter": 1, "move_budget": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert_alike(fitted(MoERegressor, X, Y, **params), fitted(MoERegressor, sp.csr_array(X), Y, **params))


def test_the_default_search_is_that_of_arrays():
    assert_alike(fitted(MoERegressor, X, Y, n_init=5), fitted(MoERegressor, sp.csr_array(X), Y, n_init=5), atol=1e-6)


@pytest.mark.parametrize("kind", [sp.csc_array, sp.coo_array, sp.lil_matrix, sp.dok_array, sp.bsr_array])
def test_any_sparse_matrix(kind):
    wanted = fitted(MoERegressor, sp.csr_array(X), Y)
    found = fitted(MoERegressor, kind(X), Y)
    assert_array_equal(found.predict(kind(X)), wanted.predict(sp.csr_array(X)))


def test_numbers_of_any_kind():
    held = sp.csr_array(np.round(X))
    wanted = fitted(MoERegressor, held, Y).predict(held)
    wide = sp.csr_array((held.data, held.indices.astype(np.int64), held.indptr.astype(np.int64)), shape=X.shape)
    assert_allclose(fitted(MoERegressor, wide, Y).predict(wide), wanted, rtol=0, atol=1e-12)
    for dtype in (np.float32, np.int16):
        assert_allclose(fitted(MoERegressor, held.astype(dtype), Y).predict(held.astype(dtype)), wanted, atol=1e-8)


def test_entries_stored_twice_out_of_order_or_for_nothing():
    coo = sp.coo_array(X)
    order = np.random.default_rng(0).permutation(coo.nnz)
    rows, columns = np.tile(coo.coords[0][order], 2), np.tile(coo.coords[1][order], 2)
    by_row = np.argsort(rows, kind="stable")
    indptr = np.searchsorted(rows[by_row], np.arange(N_ROWS + 1))
    messy = sp.csr_array((np.tile(coo.data[order] / 2, 2)[by_row], columns[by_row], indptr), shape=X.shape)
    kept = messy.copy()
    assert not messy.has_canonical_format
    assert_alike(fitted(MoERegressor, X, Y, tol=1e-8), fitted(MoERegressor, messy, Y, tol=1e-8))
    assert_array_equal(messy.indices, kept.indices)
    assert_array_equal(messy.data, kept.data)


def test_any_number_of_threads_gives_the_same_bits():
    held = sp.csr_array(np.vstack([X] * 60))
    y = np.tile(Y, 60)
    params = {"n_init": 1, "max_iter": 5, "move_budget": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one, two = (fitted(MoERegressor, held, y, n_jobs=n_jobs, **params) for n_jobs in (1, 2))
    assert_array_equal(one.predict(held), two.predict(held))


@pytest.mark.parametrize("target", list(TARGETS))
def test_the_diagonal_leads_to_the_same_optimum(target, monkeypatch):
    """Sparse and dense X take the same steps, and end where full information ends."""
    make, y = TARGETS[target]
    params = {"tol": 1e-6, "init": "hyperplanes", "n_init": 1, "gate_features": [0, 1, 6], "move_budget": 0}
    full = fitted(make, X, y, WEIGHT, **params)
    monkeypatch.setattr(design, "MOST_CROSSED", 2)
    dense, found = fitted(make, X, y, WEIGHT, **params), fitted(make, sp.csr_array(X), y, WEIGHT, **params)
    assert found.converged_
    assert found.objective_ == pytest.approx(dense.objective_, rel=1e-6)
    assert found.objective_ == pytest.approx(full.objective_, rel=1e-6)


@pytest.mark.parametrize("target", ["one output", "three classes"])
def test_more_columns_than_rows(target, monkeypatch):
    """With the diagonal the memory is used where parameters are more than rows; EM would not arrive."""
    monkeypatch.setattr(design, "MOST_CROSSED", 2)
    make, y = TARGETS[target]
    wide = sp.hstack([sp.csr_array(X)] + [sp.csr_array(table(60, seed)) for seed in (3, 4)], format="csr")
    params = {"init": ["tilt", "lloyd"], "alpha": 3.0, "gate_alpha": 1.0, "tol": 1e-3, "move_budget": 0}
    dense, found = (fitted(make, rows[:200], y[:200], **params) for rows in (wide.toarray(), wide))
    assert found.n_parameters_ > 200
    assert found.converged_
    assert found.objective_ == pytest.approx(dense.objective_, rel=1e-6)


def test_everything_after_the_fit():
    held = sp.csr_array(X)
    dense, model = fitted(MoERegressor, X, Y, tol=1e-9), fitted(MoERegressor, held, Y, tol=1e-9)
    for read in ("predict_var", "gate_proba", "apply", "predict_experts", "predict_interval"):
        assert_allclose(getattr(model, read)(held), getattr(dense, read)(X), rtol=0, atol=1e-7)
    for read in ("responsibilities", "log_prob", "score", "bic"):
        assert_allclose(getattr(model, read)(held, Y), getattr(dense, read)(X, Y), rtol=1e-8, atol=1e-7)
    assert_allclose(model.sample(held[:3], 2, random_state=0), dense.sample(X[:3], 2, random_state=0), atol=1e-7)
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict(held), model.predict(held))
    why, wanted = explain(model, held[[4]], held), explain(dense, X[[4]], X)
    assert_allclose(why.by_expert, wanted.by_expert, atol=1e-7)
    assert_allclose(why.routing, wanted.routing, atol=1e-6)
    assert why.base == pytest.approx(wanted.base)


def test_experts_are_added_refitted_and_kept():
    held = sp.csr_array(X)
    for change in (lambda model, X: model.add_expert(X, Y), lambda model, X: model.refit_expert(0, X, Y)):
        dense, found = (change(fitted(MoERegressor, rows, Y, tol=1e-8), rows) for rows in (X, held))
        assert_allclose(found.predict(held), dense.predict(X), atol=1e-5)


def test_columns_that_did_not_vary_are_named():
    model = fitted(MoERegressor, sp.csr_array(X), Y)
    moved = X.copy()
    moved[:5, 2] = 1.0
    with pytest.warns(UserWarning, match="'x2' did not vary when"):
        model.refit_expert(1, sp.csr_array(moved), Y)


def test_trees_grow_and_numbers_of_experts_are_compared():
    held = sp.csr_array(X)
    dense, found = (fitted(MoERegressor, rows, Y, n_experts="auto", n_init=1) for rows in (X, held))
    assert found.n_experts_ == dense.n_experts_ > 1
    estimator = MoERegressor(n_init=1, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted, got = (path(estimator, rows, Y, n_experts=(1, 2), cv=2) for rows in (X, held))
    assert_allclose(got.table["bic"], wanted.table["bic"], rtol=1e-6)


def test_averages_of_fits():
    for combine in ("average", "stack"):
        dense, found = (fitted(MoERegressor, rows, Y, combine_inits=combine, tol=1e-9) for rows in (X, sp.csr_array(X)))
        assert_allclose(found.predict(X), dense.predict(X), atol=1e-5)


def test_levels_through_a_pipeline():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"shop": rng.integers(80, size=N_ROWS).astype(str), "amount": rng.lognormal(size=N_ROWS)})
    y = rng.standard_normal(80)[frame["shop"].astype(int)] + np.log(frame["amount"]) + 0.1 * rng.standard_normal(N_ROWS)

    def model(**params):
        encoder = OneHotEncoder(handle_unknown="ignore", **params)
        columns = make_column_transformer((encoder, ["shop"]), (StandardScaler(), ["amount"]))
        return make_pipeline(columns, MoERegressor(2, n_init=1, tol=1e-9, random_state=0)).fit(frame, y)

    found, wanted = model(), model(sparse_output=False)
    assert sp.issparse(found[:-1].transform(frame))
    assert_allclose(found.predict(frame), wanted.predict(frame), rtol=0, atol=1e-6)
    unknown = pd.DataFrame({"shop": ["new"], "amount": [1.0]})
    assert_allclose(found.predict(unknown), wanted.predict(unknown), rtol=0, atol=1e-6)


# -- bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "what"), [(np.nan, "NaN"), (np.inf, "infinity")])
def test_where_numbers_are_not_finite(value, what):
    bad = sp.csr_array(X).copy()
    place = np.flatnonzero(bad.indices == 8)[3]
    bad.data[place] = value
    row = np.flatnonzero(X[:, 8])[3]
    sentence = rf"Input X contains {what} \(first in row {row}, column 8; 1 of {X.size} entries\)"
    with pytest.raises(ValueError, match=sentence):
        MoERegressor(2).fit(bad, Y)
    with pytest.raises(ValueError, match=sentence):
        fitted(MoERegressor, X, Y).predict(bad)


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        (
            {"gate": "gaussian"},
            r"X is a sparse matrix of shape \(600, 12\), and gate='gaussian' needs a dense.*softmax",
        ),
        ({"gate": GaussianGate("diag")}, r"GaussianGate\(.*needs a dense array. Pass X.toarray\(\)"),
        ({"init": ["tilt", "gaussian_gate"]}, r"init='gaussian_gate' needs a dense array.*init='auto'"),
    ],
)
def test_what_needs_dense_columns(params, sentence):
    with pytest.raises(ValueError, match=sentence):
        MoERegressor(2, **params).fit(sp.csr_array(X), Y)


def test_a_fit_that_needs_dense_columns_reads_no_others():
    dense = X[:, [0, 1, 6, 7]]
    model = MoERegressor(2, gate=GaussianGate("diag"), n_init=1, random_state=0).fit(dense, Y)
    with pytest.raises(ValueError, match=r"the gate of this fit, GaussianGate.*needs a dense array"):
        model.predict(sp.csr_array(dense))


def test_sparse_responses_and_drawings_along_sparse_columns():
    with pytest.raises(TypeError, match=r"[Ss]parse"):
        MoERegressor(2).fit(X, sp.csr_array(Y[:, None]))
    model = fitted(MoERegressor, sp.csr_array(X), Y)
    with pytest.raises(ValueError, match=r"a section runs along dense columns. Pass X.toarray\(\)"):
        BandDisplay.from_estimator(model, sp.csr_array(X), feature=0)


def test_rows_fewer_than_experts():
    with pytest.raises(ValueError, match="n_samples=2 is fewer than n_experts=3"):
        MoERegressor(3).fit(sp.csr_array(X[:2]), Y[:2])
    with pytest.warns(CollapseWarning, match="Only 2 distinct rows for 3 experts"):
        MoERegressor(3, n_init=1).fit(sp.csr_array(np.repeat(X[:2], 3, axis=0)), np.arange(6.0))
