"""Fits on rows that stay where they are: files, mapped memory, float32."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import MoEClassifier, MoERegressor
from skmoe.datasets import make_moe_regression
from skmoe.inspection import BandDisplay, GateDisplay, explain
from skmoe.rows import RowSource
from skmoe.rows.chunk import CHUNK_ROWS

N_ROWS = 900
X, Y = make_moe_regression(N_ROWS, 4, n_experts=3, noise=0.3, random_state=0)
LABELS = (np.median(Y) < Y).astype(int)
WEIGHT = np.random.default_rng(0).integers(0, 3, N_ROWS).astype(float)
ESTIMATORS = {
    "regressor": (MoERegressor(3, random_state=0), Y),
    "averaged": (MoERegressor(2, n_init=2, combine_inits="average", random_state=0), Y),
    "grown": (MoERegressor("auto", n_init=1, move_budget=0, random_state=0), Y),
    "Gaussian gate": (MoERegressor(2, gate="gaussian", n_init=1, move_budget=0, random_state=0), Y),
    "some columns": (MoERegressor(3, gate_features=[0, 2], n_init=1, move_budget=0, random_state=0), Y),
    "classifier": (MoEClassifier(2, random_state=0), LABELS),
}
BOTH = pytest.mark.parametrize(("estimator", "y"), ESTIMATORS.values(), ids=ESTIMATORS)


def assert_close(mine, theirs):
    assert_allclose(mine, theirs, rtol=1e-8, atol=1e-8)


@pytest.fixture(autouse=True)
def few_rows_are_many(monkeypatch):
    """Chunks are read anew in every pass, as those of large tables are."""
    monkeypatch.setattr("skmoe.rows.source._KEPT", 0)
    monkeypatch.setattr("skmoe.training.search.SEARCH_ROWS", 500)


@pytest.fixture
def source(tmp_path):
    for number, part in enumerate(np.array_split(X, 4)):
        np.save(tmp_path / f"{number}.npy", part)
    return RowSource(tmp_path)


def assert_same(mine, theirs, rows):
    """The same fits and predictions; sums may round by where arrays begin in memory."""
    assert mine.objective_ == pytest.approx(theirs.objective_, rel=1e-11)
    assert_close(mine.expert_coef_, theirs.expert_coef_)
    assert_close(mine.predict(rows), theirs.predict(X))
    assert_close(mine.gate_proba(rows), theirs.gate_proba(X))


@BOTH
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["no weights", "weights"])
def test_a_source_is_its_table(estimator, y, weight, source):
    fits = [clone(estimator).fit(rows, y, sample_weight=weight) for rows in (source, X)]
    assert_same(*fits, source)
    assert fits[0].n_features_in_ == 4
    assert_close(fits[0].log_prob(source, y), fits[1].log_prob(X, y))
    assert_close(fits[0].responsibilities(source, y), fits[1].responsibilities(X, y))
    assert fits[0].score(source, y) == pytest.approx(fits[1].score(X, y), rel=1e-9)


@BOTH
def test_mapped_memory_is_memory(estimator, y, tmp_path):
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert_same(clone(estimator).fit(mapped, y), clone(estimator).fit(X, y), mapped)


@BOTH
def test_float32_is_widened_some_rows_at_a_time(estimator, y):
    narrow = X.astype(np.float32)
    wide = narrow.astype(np.float64)
    mine, theirs = clone(estimator).fit(narrow, y), clone(estimator).fit(wide, y)
    assert mine.objective_ == pytest.approx(theirs.objective_, rel=1e-11)
    assert_close(mine.predict(narrow), theirs.predict(wide))


QUICK = {"n_init": 1, "move_budget": 0, "random_state": 0}
TOLD = {
    "predict": lambda m, rows: m.predict(rows),
    "predict_var": lambda m, rows: m.predict_var(rows),
    "apply": lambda m, rows: m.apply(rows),
    "predict_experts": lambda m, rows: m.predict_experts(rows),
    "predict_quantile": lambda m, rows: m.predict_quantile(rows, [0.1, 0.9]),
    "predict_interval": lambda m, rows: m.predict_interval(rows),
    "predict_dist": lambda m, rows: m.predict_dist(rows).logpdf(Y),
    "sample": lambda m, rows: m.sample(rows, 2, random_state=0),
    "log_prob": lambda m, rows: m.log_prob(rows, Y),
    "responsibilities": lambda m, rows: m.responsibilities(rows, Y),
    "GateDisplay": lambda m, rows: GateDisplay.from_estimator(m, rows, features=[0, 2], grid_resolution=5).proba,
    "BandDisplay": lambda m, rows: BandDisplay.from_estimator(m, rows, feature=1, grid_resolution=5).mean,
    "explain": lambda m, rows: explain(m, rows[5:6], rows).by_expert,
}


@pytest.mark.parametrize("tell", TOLD.values(), ids=TOLD)
def test_what_is_told_of_a_source(tell, source):
    model = MoERegressor(2, **QUICK).fit(source, Y)
    assert_close(tell(model, source), tell(model, X))


def test_a_source_in_a_pipeline(source):
    """What knows arrays only is given the table."""
    fits = [make_pipeline(StandardScaler(), MoERegressor(2, **QUICK)).fit(rows, Y) for rows in (source, X)]
    assert_close(fits[0].predict(source), fits[1].predict(X))


def test_no_fit_loads_the_table(monkeypatch):
    def load(self, dtype=None, copy=None):
        raise AssertionError("the table is loaded")

    asked = []
    read = RowSource.__getitem__
    monkeypatch.setattr(RowSource, "__getitem__", lambda self, rows: asked.append(read(self, rows)) or asked[-1])
    monkeypatch.setattr(RowSource, "__array__", load)
    monkeypatch.setattr("skmoe._validation._BLOCK_ROWS", 2000)
    monkeypatch.setattr("skmoe.rows.design._PART_ROWS", 2000)
    monkeypatch.setattr("skmoe.fused_reading._PART_ROWS", 2000)
    monkeypatch.setattr("skmoe.rows.source.PART_CHUNKS", 1)
    many, y, labels = RowSource([X] * 20), np.tile(Y, 20), np.tile(LABELS, 20)
    for weight in (None, np.tile(WEIGHT, 20)):
        model = MoERegressor(2, **QUICK).fit(many, y, sample_weight=weight)
        model.partial_fit(many, y, sample_weight=weight).add_expert(many, y, sample_weight=weight)
        model.predict(many)
        MoEClassifier(2, **QUICK).fit(many, labels, sample_weight=weight).predict_proba(many)
    assert max(map(len, asked)) <= CHUNK_ROWS < len(many) / 2


def test_rows_that_all_count_are_read_in_their_order(source, monkeypatch):
    """By slices, which are not copied where they are in memory or mapped."""
    model = MoERegressor(2, **QUICK).fit(X, Y)
    asked = []
    read = RowSource.__getitem__
    monkeypatch.setattr(RowSource, "__getitem__", lambda self, rows: asked.append(type(rows)) or read(self, rows))
    model.partial_fit(source, Y)
    model.refit_expert(0, source, Y)
    assert set(asked) == {slice}


def test_labels_of_a_source(tmp_path):
    frame = pd.DataFrame(X, columns=list("abcd")).assign(kind=np.where(LABELS, "high", "low"))
    frame.to_parquet(tmp_path / "0.parquet", row_group_size=200)
    source = RowSource(tmp_path, columns=list("abcd"))
    model = MoEClassifier(2, **QUICK).fit(source, source.column("kind"))
    assert model.classes_.tolist() == ["high", "low"]
    assert model.score(source, source.column("kind")) > 0.7


def test_names_come_from_the_files(tmp_path):
    names = ["age", "amount", "hour", "risk"]
    pd.DataFrame(np.column_stack([X, Y]), columns=[*names, "y"]).to_parquet(tmp_path / "0.parquet", row_group_size=100)
    source = RowSource(tmp_path, columns=names)
    model = MoERegressor(2, gate_features=["age"], n_init=1, move_budget=0, random_state=0)
    model.fit(source, source.column("y"))
    assert model.feature_names_in_.tolist() == names
    frame = pd.DataFrame(X, columns=names)
    assert_close(model.predict(frame), model.predict(source))
    other = RowSource(tmp_path, columns=["amount", "age", "hour", "risk"])
    with pytest.raises(ValueError, match=r"The source has the columns \['amount', .*, but the fit was to \['age'"):
        model.predict(other)


def test_folds_of_a_source(source):
    model = MoERegressor(2, n_init=1, move_budget=0, random_state=0)
    assert_close(cross_val_score(model, source, Y, cv=3), cross_val_score(model, X, Y, cv=3))
    search = GridSearchCV(model, {"n_experts": [1, 2]}, cv=2)
    assert search.fit(source, Y).best_params_ == search.fit(X, Y).best_params_


def test_an_expert_more_from_a_source(source):
    fits = [MoERegressor(2, n_init=1, random_state=0).fit(rows, Y).add_expert(rows, Y) for rows in (source, X)]
    assert_same(*fits, source)


def test_streams_of_sources(source):
    fits = [MoERegressor(2, n_init=1, random_state=0) for _ in range(2)]
    for _ in range(2):
        for model, rows in zip(fits, (source, X), strict=True):
            model.partial_fit(rows, Y)
    assert_same(*fits, source)


@pytest.mark.parametrize("kind", ["source", "sparse"])
def test_a_class_that_the_first_batch_of_a_stream_lacks(kind, source):
    rows = {"source": source, "sparse": csr_array(X)}[kind]
    mine, theirs = (MoEClassifier(2, n_init=1, random_state=0) for _ in range(2))
    mine.partial_fit(rows, LABELS, classes=[0, 1, 2])
    theirs.partial_fit(X, LABELS, classes=[0, 1, 2])
    assert mine.objective_ == pytest.approx(theirs.objective_, rel=1e-6)
    assert mine.predict_proba(rows)[:, 2].max() > 0


# -- refused -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_in_the_middle(value, tmp_path, monkeypatch):
    monkeypatch.setattr("skmoe._validation._BLOCK_ROWS", 100)
    table = X.copy()
    table[700:703, 2] = value
    for number, part in enumerate(np.array_split(table, 4)):
        np.save(tmp_path / f"{number}.npy", part)
    word = "NaN" if np.isnan(value) else "infinity"
    model = MoERegressor(2, random_state=0)
    with pytest.raises(
        ValueError, match=rf"contains {word} \(first in row 700, row 25 of .*3\.npy, column 2; 3 of 3600"
    ):
        model.fit(RowSource(tmp_path), Y)
    assert not hasattr(model, "n_features_in_")
    np.save(tmp_path / "whole.npy", table)
    with pytest.raises(ValueError, match=rf"contains {word} \(first in row 700, column 2; 3 of 3600 entries\)"):
        model.fit(np.load(tmp_path / "whole.npy", mmap_mode="r"), Y)


def test_a_source_without_y(source):
    with pytest.raises(ValueError, match=r"requires y to be passed.*source\.column"):
        MoERegressor().fit(source, None)


def test_rows_and_responses_of_different_numbers(source):
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[900, 899\]"):
        MoERegressor().fit(source, Y[1:])


def test_a_source_with_other_columns(source):
    model = MoERegressor(2, n_init=1, move_budget=0, random_state=0).fit(source, Y)
    with pytest.raises(ValueError, match="The source has 3 features, but MoERegressor is expecting 4 features"):
        model.predict(RowSource(X, columns=[0, 1, 2]))


def test_a_failed_fit_leaves_the_last(source, tmp_path):
    model = MoERegressor(2, n_init=1, move_budget=0, random_state=0).fit(source, Y)
    before = model.predict(X)
    (tmp_path / "2.npy").write_bytes(b"")
    with pytest.raises(ValueError, match="cannot be read"):
        model.fit(RowSource(tmp_path), Y)
    assert_close(model.predict(X), before)
