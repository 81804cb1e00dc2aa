"""Where a fit begins: names, lists of names, fitted estimators, arrays, labels."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge

from skmoe import MoEClassifier, MoERegressor
from skmoe.datasets import make_moe_classification, make_moe_regression

X, y = make_moe_regression(n_samples=300, n_features=3, n_experts=3, noise=0.2, random_state=0)
CLASSES = {
    2: make_moe_classification(400, 3, random_state=0),
    3: make_moe_classification(400, 3, n_classes=3, random_state=0),
}
NAMES = ("gate_coef", "gate_intercept", "expert_coef", "expert_intercept")
SHAPES = [3, (2, 2), ((2, 2), 3), (3, (2, 2))]


def fitted(n_experts, n_classes=None, **params):
    if n_classes is None:
        return MoERegressor(n_experts, move_budget=0, n_init=2, random_state=0, **params).fit(X, y)
    return MoEClassifier(n_experts, n_init=1, random_state=0, **params).fit(*CLASSES[n_classes])


def arrays_of(model, *more):
    return {name: getattr(model, name + "_") for name in (*NAMES, *more)}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_fit_continues_a_fit(shape):
    model = fitted(shape)
    again = MoERegressor(shape, init=model).fit(X, y)
    assert again.n_iter_ < 10
    assert again.objective_ >= model.objective_
    assert_allclose(again.objective_, model.objective_, atol=1e-2)
    assert len(again.start_objectives_) == 1
    assert again.move_objectives_.size == 0


@pytest.mark.parametrize("shape", [3, (2, 2)])
def test_arrays_are_the_fit_that_they_come_from(shape):
    model = fitted(shape)
    again = MoERegressor(shape, init=arrays_of(model, "expert_scale"), max_iter=1000).fit(X, y)
    assert_allclose(again.history_[0]["objective"], model.objective_, rtol=1e-9)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("shape", [3, (2, 2)])
def test_arrays_of_classifiers(n_classes, shape):
    model = fitted(shape, n_classes)
    again = MoEClassifier(shape, init=arrays_of(model)).fit(*CLASSES[n_classes])
    assert_allclose(again.history_[0]["objective"], model.objective_, rtol=1e-9)


def test_arrays_without_a_gate_begin_with_an_even_one():
    model = fitted(3)
    init = {name: value for name, value in arrays_of(model).items() if "expert" in name}
    again = MoERegressor(3, init=init).fit(X, y)
    assert again.history_[0]["objective"] < model.objective_
    assert again.converged_


@pytest.mark.parametrize("shape", [3, (2, 2), ((2, 2), 3)])
def test_labels_are_the_two_stage_recipe(shape):
    """From the responsibilities of a fit training ends where the fit is; from their labels close to it."""
    model = fitted(shape)
    n = model.n_experts_
    again = MoERegressor(shape)
    if shape == 3:
        again.fit(X, y, init_labels=model.responsibilities(X, y))
        assert_allclose(again.objective_, model.objective_, atol=0.05)
        again.fit(X, y, init_labels=model.responsibilities(X, y).argmax(axis=1))
        assert again.objective_ > model.objective_ - 5
    labels = np.arange(len(y)) % n
    assert again.fit(X, y, init_labels=labels).converged_


def test_labels_name_the_leaves_of_the_shape_as_given():
    """Leaves 0 to 2 of (3, (2, 2)) hang under the first branch, whatever order the fit works in."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(700, 1))
    labels = np.minimum(((X[:, 0] + 1) / 2 * 7).astype(int), 6)
    y = rng.standard_normal(7)[labels] * 3 + 0.01 * rng.standard_normal(700)
    model = MoERegressor(((2, 2), 3), expert_features=[]).fit(X, y, init_labels=labels)
    top = model.tree_.nodes[0].branches
    sides = np.stack([model.gate_proba(X)[:, b.leaves.start : b.leaves.stop].sum(axis=1) for b in top])
    upper = sides[int(np.argmax([len(b.leaves) for b in top]))]
    assert ((upper > 0.5) == (labels < 4)).mean() > 0.98


@pytest.mark.parametrize("shape", [3, ((2,), 1), (1, (2,))])
def test_labels_name_the_same_leaves_for_a_list_of_experts(shape):
    labels = np.where(X[:, 0] < 0, np.where(X[:, 1] < 0, 0, 1), 2)
    one = MoERegressor(shape, expert="gaussian").fit(X, y, init_labels=labels)
    several = MoERegressor(shape, expert=["gaussian"] * 3).fit(X, y, init_labels=labels)
    assert_allclose(several.log_likelihood_, one.log_likelihood_, rtol=1e-9)


def test_labels_of_rows_of_weight_zero_play_no_part():
    weight = np.r_[np.ones(200), np.zeros(100)]
    labels = np.arange(300) % 3
    one = MoERegressor(3).fit(X, y, weight, init_labels=labels)
    other = MoERegressor(3).fit(X[:200], y[:200], init_labels=labels[:200])
    assert_allclose(one.objective_, other.objective_, rtol=1e-9)


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (np.zeros(10, dtype=int), r"init_labels has shape \(10,\) .* each of the 300 rows"),
        (np.full(300, 3), "numbers from 3 to 3, but the 3 experts have the numbers 0 to 2"),
        (np.full(300, "a"), "expected the number of an expert"),
        (np.full(300, 0.5), "expected the number of an expert"),
        (np.zeros((300, 3)), "no row may sum to zero"),
        (np.full((300, 3), -1.0), r"not negative, .*row 0 is \[-1\.0, -1\.0, -1\.0\] \(300 of 300 rows"),
        (np.where(np.arange(300)[:, None] == 7, np.nan, np.ones(3)), r"must be finite .*row 7 is \[nan"),
        (np.zeros(300), r"ints; where they came as floats, astype\(int\)"),
        (np.ones((300, 2)), r"their responsibilities, of shape \(300, 3\)"),
    ],
)
def test_labels_that_are_none(labels, sentence):
    with pytest.raises(ValueError, match=sentence):
        MoERegressor(3).fit(X, y, init_labels=labels)


def test_estimators_that_are_no_start():
    with pytest.raises(ValueError, match=r"is not fitted\. .*FrozenEstimator"):
        MoERegressor(3, init=MoERegressor(3)).fit(X, y)
    differences = {
        r"its tree is\n3 experts\n.*and here it is\n2 experts": MoERegressor(2, init=fitted(3)),
        r"its gates see the columns \[0, 1, 2\], and here they are \[0\]\.": MoERegressor(
            3, init=fitted(3), gate_features=[0]
        ),
        "SoftmaxGate and Gaussian, and here they are SoftmaxGate and StudentT": MoERegressor(
            3, init=fitted(3), expert="student_t"
        ),
        "and here they are ConstantGate and Gaussian": MoERegressor(3, init=fitted(3), gate="constant"),
    }
    for sentence, model in differences.items():
        with pytest.raises(ValueError, match=f"(?s)init cannot start this fit: .*{sentence}"):
            model.fit(X, y)
    with pytest.raises(ValueError, match=r"experts|gates see the columns \[0, 1, 2\], and here they are \[0, 1\]"):
        MoERegressor(3, init=fitted(3)).fit(X[:, :2], y)
    with pytest.raises(ValueError, match="another number of outputs or classes"):
        MoERegressor(3, init=fitted(3)).fit(X, np.column_stack([y, y]))
    with pytest.raises(TypeError, match=r"init=Ridge.*a fitted mixture of experts"):
        MoERegressor(3, init=Ridge().fit(X, y)).fit(X, y)


def test_a_frozen_start_survives_a_clone():
    model = MoERegressor(3, init=FrozenEstimator(fitted(3)))
    assert clone(model).fit(X, y).n_iter_ < 10
    with pytest.raises(NotFittedError):
        clone(model).predict(X)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"gate": np.zeros(3)}, "init is a dict with the keys"),
        ({"expert_coef": np.zeros((2, 3))}, r"init\['expert_coef'\] has shape \(2, 3\), expected \(3, 3\)"),
        ({"gate_coef": np.full((3, 3), np.nan)}, r"init\['gate_coef'\] must hold finite numbers"),
        ({"expert_coef": [[1.0, 2.0], [1.0]]}, r"init\['expert_coef'\] is no array of numbers: \[\[1"),
        ({"expert_scale": np.zeros(3)}, r"init\['expert_scale'\] must hold finite numbers, and scales above zero"),
    ],
)
def test_arrays_that_are_no_start(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        MoERegressor(3, init={**arrays_of(fitted(3)), **change}).fit(X, y)
    with pytest.raises(ValueError, match="init is a dict with the keys"):
        MoERegressor(3, init={"gate_coef": np.zeros((3, 3))}).fit(X, y)


# -- from fewer experts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 2, 3, (2, 2)])
def test_a_fit_of_more_experts_starts_from_one_of_fewer(k):
    model = fitted(k)
    more = MoERegressor(5, init=model, random_state=0).fit(X, y)
    assert more.n_experts_ == 5
    assert len(more.start_objectives_) == model.n_experts_  # each of its experts is split first once
    assert more.objective_ > model.objective_
    again = clone(MoERegressor(5, init=FrozenEstimator(model), random_state=0)).fit(X, y)
    assert again.objective_ == more.objective_


def test_fits_that_do_not_nest():
    sentence = "cannot start this fit: .* fewer experts may start a flat one of more"
    for old, new in ((fitted(3), 2), (fitted(4), (2, 2)), (fitted(2), (2, 2)), (fitted((2, 2)), 4)):
        with pytest.raises(ValueError, match=f"(?s){sentence}"):
            MoERegressor(new, init=old).fit(X, y)
    with pytest.raises(ValueError, match=f"(?s){sentence}"):
        MoERegressor(3, init=fitted(2, combine_inits="average")).fit(X, y)
