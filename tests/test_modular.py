"""Experts added and refitted: what is frozen stays bit by bit."""

from __future__ import annotations

import copy
import warnings
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.frozen import FrozenEstimator

from skmoe import MoEClassifier, MoERegressor
from skmoe.exceptions import CollapseWarning, UnseenColumnWarning
from skmoe.families import StudentT

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, size=(600, 2))
y = np.where(X[:, 0] > 0, 2 * X[:, 1], -X[:, 1]) + 0.1 * RNG.standard_normal(600)
X_NEW = RNG.uniform(-1, 1, size=(600, 2))
PATTERN = (X_NEW[:, 0] > 0.3) & (X_NEW[:, 1] > 0.3)
y_NEW = np.where(X_NEW[:, 0] > 0, 2 * X_NEW[:, 1], -X_NEW[:, 1]) + 0.1 * RNG.standard_normal(600)
y_NEW[PATTERN] = X_NEW[PATTERN, 0] - 3 + 0.1 * RNG.standard_normal(PATTERN.sum())


def regressor(n_experts=2, **params):
    return MoERegressor(n_experts, **{"move_budget": 0, "n_init": 2, "random_state": 0, **params}).fit(X, y)


def classes_of(y, n):
    return np.digitize(y, [0] if n == 2 else [-0.5, 0.5])


def experts_of(model):
    """Bits of every parameter of the experts."""
    (params,) = model._fitted.params.experts
    return [array.copy() for array in params]


KINDS = {
    "gaussian": lambda shape: regressor(shape),
    "student_t": lambda shape: regressor(shape, expert=StudentT()),
    "constant gate": lambda shape: regressor(shape, gate="constant"),
    "two classes": lambda shape: MoEClassifier(shape, n_init=1, alpha=0.1, random_state=0).fit(X, classes_of(y, 2)),
    "three classes": lambda shape: MoEClassifier(shape, n_init=1, alpha=0.1, random_state=0).fit(X, classes_of(y, 3)),
}


def response(kind, y):
    return classes_of(y, 2) if kind == "two classes" else classes_of(y, 3) if kind == "three classes" else y


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("shape", [1, 2, (2, 2), ((2, 2), 3)])
@pytest.mark.parametrize("kind", KINDS)
def test_an_added_expert_leaves_the_others_bitwise_equal(kind, shape):
    model = KINDS[kind](shape)
    n, before, prior = model.n_experts_, experts_of(model), model.gate_proba(X_NEW)
    coef = model.expert_coef_.copy()
    y = response(kind, y_NEW)
    log_prob = model.log_prob(X_NEW, y).sum()
    assert model.add_expert(X_NEW, y) is model
    assert model.n_experts_ == n + 1 == len(model.expert_share_)
    for old, new in zip(before, experts_of(model), strict=True):
        assert (new[:n] == old).all()
    assert (model.expert_coef_[:n] == coef).all()
    now = model.gate_proba(X_NEW)
    odds = now[:, :n] / now[:, :n].sum(axis=1, keepdims=True)
    assert_allclose(odds, prior, rtol=1e-9, atol=1e-12)
    assert model.log_prob(X_NEW, y).sum() > log_prob


def test_gates_below_and_beside_the_new_branch_are_bitwise_equal():
    model = regressor((2, 2))
    before = copy.deepcopy(model._fitted.params.gates)
    model.add_expert(X_NEW, y_NEW)
    after = model._fitted.params.gates
    assert (after[0].coef[:, :1] == before[0].coef).all()  # the contrast between the old branches of the root
    for old, new in zip(before[1:], after[1:], strict=True):
        assert (new.coef == old.coef).all()


def test_the_new_expert_learns_the_new_pattern():
    model = regressor().add_expert(X_NEW, y_NEW)
    taken = model.responsibilities(X_NEW, y_NEW)[:, 2] > 0.5
    assert (taken == PATTERN).mean() > 0.98
    assert_allclose(model.expert_coef_[2], [1, 0], atol=0.15)
    assert model.converged_
    fresh = MoERegressor(3, random_state=0).fit(X_NEW, y_NEW)
    assert model.log_prob(X_NEW, y_NEW).mean() > fresh.log_prob(X_NEW, y_NEW).mean() - 0.05


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("shape", [1, 2, (2, 2)])
@pytest.mark.parametrize("kind", KINDS)
def test_a_refit_expert_leaves_gates_and_others_bitwise_equal(kind, shape):
    model = KINDS[kind](shape)
    before, prior = experts_of(model), model.gate_proba(X_NEW)
    others = np.arange(model.n_experts_) != 0
    y = response(kind, y_NEW)
    log_prob = model.log_prob(X_NEW, y).sum()
    model.refit_expert(0, X_NEW, y)
    assert (model.gate_proba(X_NEW) == prior).all()
    for old, new in zip(before, experts_of(model), strict=True):
        assert (new[others] == old[others]).all()
    assert model.log_prob(X_NEW, y).sum() > log_prob


def test_one_expert_refit_is_ridge_on_the_new_rows():
    """With one expert nothing is frozen but the units, which only the ridge sees."""
    model = regressor(1, alpha=1e-9).refit_expert(0, X_NEW, y_NEW)
    design = np.column_stack([np.ones(len(X_NEW)), X_NEW])
    assert_allclose(model.expert_coef_[0], np.linalg.lstsq(design, y_NEW, rcond=None)[0][1:], rtol=1e-6)


def test_experts_of_different_kinds_can_be_added():
    model = MoERegressor(2, expert=["gaussian", "student_t"], move_budget=0, random_state=0).fit(X, y)
    model.add_expert(X_NEW, y_NEW)
    assert model.n_experts_ == 3
    assert np.isfinite(model.predict(X_NEW)).all()


@pytest.mark.parametrize("verb", ["add_expert", "refit_expert"])
def test_weights_are_repetitions(verb):
    weight = np.random.default_rng(1).integers(0, 3, size=len(y_NEW))
    first = (0,) if verb == "refit_expert" else ()
    weighted, repeated = regressor(), regressor()
    getattr(weighted, verb)(*first, X_NEW, y_NEW, weight)
    getattr(repeated, verb)(*first, np.repeat(X_NEW, weight, axis=0), np.repeat(y_NEW, weight))
    assert_allclose(weighted.predict(X), repeated.predict(X), atol=1e-4)
    assert_allclose(weighted.log_likelihood_, repeated.log_likelihood_, rtol=1e-6)


@pytest.mark.parametrize("verb", ["add_expert", "refit_expert"])
def test_what_is_refused_changes_nothing(verb):
    first = (0,) if verb == "refit_expert" else ()
    with pytest.raises(NotFittedError, match="not fitted yet"):
        getattr(MoERegressor(2), verb)(*first, X, y)
    model = regressor()
    before = dict(vars(model))
    with pytest.raises(ValueError, match="NaN"):
        getattr(model, verb)(*first, np.full_like(X, np.nan), y)
    with pytest.raises(ValueError, match="X has 3 features"):
        getattr(model, verb)(*first, np.ones((5, 3)), np.ones(5))
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is before[name] for name in before)
    average = regressor(combine_inits="average")
    with pytest.raises(ValueError, match=r"an average of 2 fits, .* Work on one of members_"):
        getattr(average, verb)(*first, X, y)
    getattr(average.members_[0], verb)(*first, X_NEW, y_NEW)


@pytest.mark.parametrize("k", [-1, 2, 1.0, True, None])
def test_experts_that_are_not_there(k):
    with pytest.raises(ValueError, match="expected the number of an expert, an int from 0 to 1"):
        regressor().refit_expert(k, X, y)


@pytest.mark.parametrize("combine_inits", ["best", "average"])
def test_what_the_first_search_met_is_not_told_of_what_came_after(combine_inits):
    model = regressor(n_init=1, combine_inits=combine_inits, move_budget=2).add_expert(X_NEW, y_NEW)
    assert model.start_objectives_.tolist() == [model.objective_]
    assert model.start_histories_ == [model.history_]
    assert not model.move_objectives_.size
    assert model.n_passes_ == model.n_iter_
    for member in getattr(model, "members_", []):
        assert member.n_experts_ == model.n_experts_ == 3
        assert_allclose(member.predict(X), model.predict(X))


def test_few_rows_and_few_passes_are_warned_of():
    with pytest.warns(CollapseWarning, match=r"Expert 2 \(of 3\) has a scale at its floor"):
        regressor().add_expert(X[:1], y[:1])
    with pytest.warns(CollapseWarning, match=r"Expert 2 \(of 3\) has no mass"):
        regressor().add_expert(X[:2], y[:2])
    with pytest.warns(CollapseWarning, match=r"Expert 0 \(of 2\) has a scale at its floor"):
        regressor().refit_expert(0, X[:1], y[:1])
    hurried = regressor().set_params(max_iter=2)
    with pytest.warns(ConvergenceWarning, match="at most 2 passes"):
        hurried.add_expert(X_NEW, y_NEW)
    model = regressor()
    with pytest.warns(ConvergenceWarning, match="at most 2 passes"):
        MoERegressor(2, init=model, freeze=[0], max_iter=2).fit(X_NEW, y_NEW)


def test_what_stays_is_not_warned_of():
    """Old experts may have no rows among the new ones."""
    model = regressor()
    one_side = X_NEW[:, 0] > 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.add_expert(X_NEW[one_side], y_NEW[one_side])
    assert model.expert_share_.min() < 0.5 / one_side.sum()


@pytest.mark.parametrize("verb", ["add_expert", "refit_expert", "freeze"])
def test_columns_that_did_not_vary_are_told(verb):
    flat, flag = (np.column_stack([X, column]) for column in (np.zeros(600), X[:, 0] > 0.5))
    model = MoERegressor(2, n_init=1, move_budget=0, random_state=0).fit(flat, y)
    train = {
        "add_expert": model.add_expert,
        "refit_expert": partial(model.refit_expert, 0),
        "freeze": MoERegressor(2, init=model, freeze=[0]).fit,
    }[verb]
    with pytest.warns(UnseenColumnWarning, match="'x2' did not vary when the mixture was fitted"):
        train(flag, y)


# -- freezing ----------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("gate", ["softmax", "gaussian", "constant"])
@pytest.mark.parametrize("shape", [3, (2, 2)])
@pytest.mark.parametrize("kind", KINDS)
def test_frozen_experts_stay_bitwise_equal(kind, shape, gate):
    if gate == "gaussian" and shape != 3:
        pytest.skip("Gaussian gates divide flat mixtures only")
    model = KINDS[kind](shape).set_params(gate="constant" if "gate" in kind else gate).fit(X, response(kind, y))
    before, coef, intercept = experts_of(model), model.expert_coef_, model.expert_intercept_
    target, keep = response(kind, y_NEW), [0, 2]
    others = np.delete(np.arange(model.n_experts_), keep)
    log_prob = model.log_prob(X_NEW, target).sum()
    again = clone(model).set_params(init=FrozenEstimator(model), freeze=keep).fit(X_NEW, target)
    for old, new in zip(before, experts_of(again), strict=True):
        assert (new[keep] == old[keep]).all()
        assert not old.size or (new[others] != old[others]).any()
    assert (again.expert_coef_[keep] == coef[keep]).all()
    assert (again.expert_intercept_[keep] == intercept[keep]).all()
    if gate != "gaussian":  # which counts the density of x as well
        assert again.log_prob(X_NEW, target).sum() > log_prob
    assert (model.expert_coef_ == coef).all()


def test_all_frozen_but_the_gate_and_none_frozen():
    model = regressor(3)
    whole = clone(model).set_params(init=FrozenEstimator(model), freeze=[0, 1, 2]).fit(X_NEW, y_NEW)
    assert (whole.expert_coef_ == model.expert_coef_).all()
    assert (whole.gate_coef_ != model.gate_coef_).any()
    free = clone(model).set_params(init=FrozenEstimator(model), freeze=[]).fit(X_NEW, y_NEW)
    assert_allclose(free.objective_, MoERegressor(3, init=model).fit(X_NEW, y_NEW).objective_, rtol=1e-2)


def test_freezing_continues_what_was_added():
    model = regressor(2).add_expert(X_NEW, y_NEW).set_params(warm_start=True, freeze=[0, 1])
    coef = model.expert_coef_[:2]
    model.fit(X_NEW, y_NEW)
    assert model.n_experts_ == 3
    assert (model.expert_coef_[:2] == coef).all()


def test_freezing_nothing_that_is_there():
    model = regressor(2)
    for params in ({"freeze": [0]}, {"freeze": [0], "init": "tilt"}, {"freeze": [0], "init": MoERegressor(2)}):
        with pytest.raises(ValueError, match=r"freeze=\[0\] keeps experts of an earlier fit. Say which: init="):
            MoERegressor(2, **params).fit(X, y)
    with pytest.raises(ValueError, match="init_labels cannot say where to begin"):
        MoERegressor(2, init=model, freeze=[0]).fit(X, y, init_labels=np.zeros(600, dtype=int))
    for freeze in ([2], [-1], [0.5], [[0]], ["gate"]):
        with pytest.raises(ValueError, match="expected numbers of experts to keep, each from 0 to 1"):
            MoERegressor(2, init=model, freeze=freeze).fit(X, y)


CHANGES = {
    "added": lambda model: model.add_expert(X_NEW[:300], y_NEW[:300]),
    "refitted": lambda model: model.refit_expert(0, X_NEW[:300], y_NEW[:300]),
    "frozen": lambda model: model.set_params(warm_start=True, freeze=[0]).fit(X_NEW[:300], y_NEW[:300]),
    "frozen elsewhere": lambda model: MoERegressor(init=FrozenEstimator(model), freeze=[0]).fit(
        X_NEW[:300], y_NEW[:300]
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_stream_begins_anew(change):
    """What it knew is not of this mixture; the rows of the change are its first batch."""
    model = CHANGES[change](regressor().partial_fit(X[:100], y[:100]))
    assert not hasattr(model, "n_batches_")
    assert model.weight_seen_ == 300
    model.set_params(freeze=None).partial_fit(X_NEW[300:400], y_NEW[300:400])
    assert (model.n_batches_, model.weight_seen_) == (2, 400)
