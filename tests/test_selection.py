"""The path over numbers of experts: its table against the fits' own figures, and what it promises."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.model_selection import KFold, RepeatedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import MoEClassifier, MoERegressor
from skmoe.datasets import make_moe_classification, make_moe_regression
from skmoe.selection import Growth, path

X, y = make_moe_regression(n_samples=240, n_features=2, n_experts=3, noise=0.1, random_state=1)
QUICK = MoERegressor(n_init=1, move_budget=0, random_state=0)


@pytest.fixture(scope="module")
def found():
    return path(QUICK, X, y, n_experts=[4, 1, 2, 3], cv=KFold(3))


def test_the_table_holds_what_the_fits_say(found):
    table = found.table
    assert table["n_experts"].tolist() == [1, 2, 3, 4] == [model.n_experts_ for model in found.estimators]
    for name in ("bic", "icl"):
        assert_allclose(table[name], [getattr(model, name)(X, y) for model in found.estimators])
    assert_allclose(table["objective"], [model.objective_ for model in found.estimators])
    assert table["n_parameters"].tolist() == [model.n_parameters_ for model in found.estimators]
    assert (np.diff(table["objective"]) > 0).all()
    assert found.best("bic") is found.estimators[table["bic"].argmin()]
    assert found.best("held_out") is found.estimators[table["held_out"].argmax()]


def test_held_out_scores_are_those_of_fits_to_the_other_folds(found):
    one = [clone(QUICK).set_params(n_experts=1).fit(X[a], y[a]).log_prob(X[b], y[b]) for a, b in KFold(3).split(X)]
    assert_allclose(found.table["held_out"][0], np.concatenate(one).mean())
    assert found.table["held_out_se"][found.table["held_out"].argmax()] == 0
    assert (np.delete(found.table["held_out_se"], found.table["held_out"].argmax()) > 0).all()


def test_a_fit_is_never_worse_than_one_of_its_own(found):
    for model in found.estimators:
        alone = clone(QUICK).set_params(n_experts=model.n_experts_).fit(X, y)
        assert model.objective_ >= alone.objective_
        assert clone(model).get_params() == alone.get_params()
    assert (
        found.estimators[3].objective_ > MoERegressor(4, n_init=1, move_budget=0, random_state=0).fit(X, y).objective_
    )


def test_weights_are_repetitions():
    weight = np.random.default_rng(0).integers(0, 3, size=len(y))
    weighted = path(QUICK, X, y, [1, 2, 3], sample_weight=weight, cv=None)
    repeated = path(QUICK, np.repeat(X, weight, axis=0), np.repeat(y, weight), [1, 2, 3], cv=None)
    assert "held_out" not in weighted.table
    for name in ("objective", "bic", "icl"):
        assert_allclose(weighted.table[name], repeated.table[name], rtol=1e-5)


def test_classes_and_averages():
    data = make_moe_classification(200, 2, random_state=0)
    for params in ({}, {"combine_inits": "average", "n_init": 2}):
        found = path(MoEClassifier(random_state=0, **params), *data, n_experts=[1, 2], cv=2)
        assert np.isfinite(found.table["held_out"]).all()
        assert ("bic" in found.table) == (not params)


def test_print_and_plot(found):
    lines = str(found).splitlines()
    assert repr(found) == str(found)
    assert lines[0].split() == ["n_experts", "n_parameters", "objective", "bic", "icl", "held_out", "held_out_se"]
    assert len(lines) == 5
    assert len({len(line) for line in lines}) == 1
    axes = found.plot()
    assert [line.get_label() for line in axes.lines] == ["bic", "icl", "held out"]
    for line in axes.lines:
        assert line.get_ydata().max() == 0
    bic = -found.table["bic"] / (2 * len(y))
    assert_allclose(axes.lines[0].get_ydata(), bic - bic.max())


def test_what_is_refused(found):
    for bad in ([], [0, 1], [1.5], [True], [(2, 2)]):
        with pytest.raises(ValueError, match="expected numbers of experts, ints of at least 1"):
            path(QUICK, X, y, n_experts=bad)
    with pytest.raises(ValueError, match=r"criterion='aic': expected one of \['bic', 'icl', 'held_out'\]"):
        found.best("aic")
    with pytest.raises(ValueError, match=r"as in range\(1, 10\)"):
        path(QUICK, X, y, n_experts=5)
    with pytest.raises(TypeError, match=r"got Pipeline\. Of a pipeline, pass the mixture alone"):
        path(make_pipeline(StandardScaler(), QUICK), X, y)
    averages = path(clone(QUICK).set_params(combine_inits="average"), X, y, n_experts=[1], cv=None)
    with pytest.raises(ValueError, match="criterion='bic': averages have none of these; pass cv= for 'held_out'"):
        averages.best()


def test_rows_that_are_held_out_twice_count_by_their_mean():
    folds = list(RepeatedKFold(n_splits=2, n_repeats=2, random_state=0).split(X))
    both, *halves = (
        path(QUICK, X, y, n_experts=[1, 2], cv=cv).table["held_out"] for cv in (folds, folds[:2], folds[2:])
    )
    assert_allclose(both, np.mean(halves, axis=0))


def test_one_number_weighs_all_rows():
    a, b = (
        path(QUICK, X, y, n_experts=[1, 2], sample_weight=weight, cv=2).table for weight in (2.0, np.full(240, 2.0))
    )
    assert all((a[name] == b[name]).all() for name in a)


def test_growth_is_public():
    assert MoERegressor(Growth(max_experts=2), n_init=1, random_state=0).fit(X, y).n_experts_ <= 2
