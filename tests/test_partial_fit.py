"""`partial_fit`: batches of rows that are learned and not kept."""

from __future__ import annotations

import copy
import pickle
from functools import cache

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.frozen import FrozenEstimator

from skmoe import MoEClassifier, MoERegressor
from skmoe.block import Block
from skmoe.datasets import make_moe_classification, make_moe_regression
from skmoe.exceptions import UnseenColumnWarning
from skmoe.gates import GaussianGate, SoftmaxGate

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, size=(1200, 2))
y = np.where(X[:, 0] > 0, 2 * X[:, 1], -X[:, 1]) + 0.1 * RNG.standard_normal(1200)
LABELS = np.array(["high", "low", "mid"])[np.digitize(-y, [-0.5, 0.5])]
QUICK = {"n_init": 2, "move_budget": 0, "random_state": 0}


def batches(n_rows, n_batches=6):
    return np.array_split(np.arange(n_rows), n_batches)


def streamed(model, X, y, n_batches=6, n_epochs=1, weight=None, **first):
    for _ in range(n_epochs):
        for b in batches(len(y), n_batches):
            model.partial_fit(X[b], y[b], sample_weight=None if weight is None else weight[b], **first)
    return model


KINDS = {
    "gaussian": (MoERegressor(2, **QUICK), y),
    "student_t": (MoERegressor(2, expert="student_t", **QUICK), y),
    "poisson": (MoERegressor(2, expert="poisson", **QUICK), RNG.poisson(np.exp(y)).astype(float)),
    "list": (MoERegressor(2, expert=["student_t", "gaussian"], **QUICK), y),
    "tree": (MoERegressor(((2, 1), 1), **QUICK), y),
    "two outputs": (MoERegressor(2, **QUICK), np.column_stack([y, 3 - y + X[:, 0]])),
    "constant gate": (MoERegressor(2, gate="constant", **QUICK), y),
    "equal gate": (MoERegressor(2, gate="equal", **QUICK), y),
    "gaussian gate": (MoERegressor(2, gate=GaussianGate("tied"), **QUICK), y),
    "some columns": (MoERegressor(2, gate_features=[0], expert_features=[1], **QUICK), y),
    "grown": (MoERegressor("auto", **{**QUICK, "n_init": 1}), y),
    "average": (MoERegressor(2, combine_inits="average", **QUICK), y),
    "stack": (MoERegressor(2, combine_inits="stack", **QUICK), y),
    "two classes": (MoEClassifier(2, alpha=0.1, **QUICK), y > 0),
    "three classes": (MoEClassifier(2, alpha=0.1, **QUICK), LABELS),
    "class weight": (MoEClassifier(2, alpha=0.1, class_weight={False: 1, True: 3}, **QUICK), y > 0),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def classes_for(model, y):
    return {"classes": np.unique(y)} if isinstance(model, MoEClassifier) else {}


@cache
def learned(kind):
    model, y = KINDS[kind]
    return streamed(clone(model), X, y, **classes_for(model, y))


# -- every kind streams ------------------------------------------------------------------------------------------------


@every_kind
def test_a_stream_ends_near_the_fit_to_all_rows(kind):
    """From the optimum of the first batch, so that both speak of the same optimum; class weights move both."""
    model, y = KINDS[kind]
    first = clone(model).partial_fit(X[:200], y[:200], **classes_for(model, y))
    stream = learned(kind)
    warm = clone(model)
    if kind == "grown":  # a tree is grown once, on the first batch
        warm.set_params(n_experts=_shape(first.tree_.nested))
    warm.set_params(init=FrozenEstimator(first)).fit(X, y)
    assert stream.log_prob(X, y).mean() > first.log_prob(X, y).mean()
    assert stream.log_prob(X, y).mean() > warm.log_prob(X, y).mean() - 0.02


def _shape(nested):
    """A tree inside as ``n_experts`` has it."""
    return tuple(map(_shape, nested)) if any(nested) else max(len(nested), 1)


@every_kind
def test_fitted_attributes_are_as_after_fit(kind):
    model, y = KINDS[kind]
    fit, stream = clone(model).fit(X[:200], y[:200]), learned(kind)
    attributes = {name for name in vars(fit) if name.endswith("_")}
    assert attributes | {"n_batches_"} == {name for name in vars(stream) if name.endswith("_")}
    for name in ("expert_coef_", "expert_intercept_", "expert_share_", "gate_coef_"):
        if hasattr(fit, name):
            assert np.shape(getattr(stream, name)) == np.shape(getattr(fit, name))
    assert stream.n_batches_ == 6
    factor = np.where(y, 3, 1).sum() if kind == "class weight" else len(y)
    assert stream.weight_seen_ == pytest.approx(factor)
    assert_allclose(stream.expert_share_.sum(), 1)
    assert stream.log_likelihood_ == pytest.approx(stream.log_prob(X[-200:], y[-200:]).sum())
    assert str(stream.tree_)


@every_kind
def test_a_stream_can_be_pickled_between_batches(kind):
    model, y = KINDS[kind]
    model = clone(model).partial_fit(X[:200], y[:200], **classes_for(model, y))
    twin = pickle.loads(pickle.dumps(model))
    for one in (model, twin):
        one.partial_fit(X[200:400], y[200:400])
    assert_array_equal(model.log_prob(X, y), twin.log_prob(X, y))


@every_kind
def test_a_fit_is_continued_by_its_weight(kind):
    """A few rows move a fit to a thousand a little, and many improve it."""
    model, y = KINDS[kind]
    fit = clone(model).fit(X[:900], y[:900])
    before = fit.log_prob(X, y).mean()
    few = copy.deepcopy(fit)
    for i in range(900, 905):
        few.partial_fit(X[i : i + 1], y[i : i + 1])
    assert few.n_batches_ == 6
    assert few.log_prob(X, y).mean() == pytest.approx(before, abs=0.01)
    assert fit.partial_fit(X[900:], y[900:]).log_prob(X, y).mean() > before - 0.002
    assert fit.weight_seen_ == pytest.approx(np.where(y, 3, 1).sum() if kind == "class weight" else 1200)


# -- what a batch means ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["gaussian", "tree", "three classes", "average"])
def test_a_row_of_weight_two_is_that_row_twice(kind):
    """And one of weight zero is not there."""
    model, y = KINDS[kind]
    first = clone(model).partial_fit(X[:600], y[:600], **classes_for(model, y))
    weighted, repeated = copy.deepcopy(first), copy.deepcopy(first)
    count = np.random.default_rng(1).integers(0, 4, size=600)
    weighted.partial_fit(X[600:], y[600:], sample_weight=count)
    repeated.partial_fit(np.repeat(X[600:], count, axis=0), np.repeat(y[600:], count, axis=0))
    assert weighted.weight_seen_ == repeated.weight_seen_ == 600 + count.sum()
    assert_allclose(weighted.log_prob(X, y), repeated.log_prob(X, y), atol=1e-5)


@pytest.mark.parametrize("weight", [1.0, 2.0])
def test_one_expert_is_least_squares_with_weights_that_fade(weight):
    """The rule in closed form: rows of the past count (W / (W + w))^8, and the mean of the way (W / (W + w))^3."""
    stream = MoERegressor(1, alpha=0, random_state=0).partial_fit(X[:900], y[:900])
    first = np.append(stream.expert_intercept_, stream.expert_coef_[0])
    stream.partial_fit(X[900:], y[900:] + 1, sample_weight=np.full(300, weight))
    before = 900 / (900 + 300 * weight)
    counts = np.append(np.full(900, before**8 / 900), np.full(300, (1 - before**8) / 300))
    design = np.column_stack([np.ones(1200), X]) * np.sqrt(counts)[:, None]
    response = np.append(y[:900], y[900:] + 1) * np.sqrt(counts)
    least_squares = np.linalg.lstsq(design, response, rcond=None)[0]
    expected = before**3 * first + (1 - before**3) * least_squares
    assert_allclose(np.append(stream.expert_intercept_, stream.expert_coef_[0]), expected, rtol=1e-6)


def test_a_stream_that_changes_is_followed():
    """The log density of rows of a new relation comes near that of a fit to them alone."""
    new = 1 - 2 * y
    stream = streamed(MoERegressor(2, **QUICK), X, y)
    fresh = MoERegressor(2, **QUICK).fit(X, new).log_prob(X, new).mean()
    gaps = [fresh - streamed(stream, X, new).log_prob(X, new).mean() for _ in range(4)]
    assert gaps[0] < 1
    assert gaps[-1] < 0.05
    assert (np.diff(gaps) < 0).all()


def test_experts_keep_their_numbers():
    """Expert 0 has the larger share of the first batch, and loses it."""
    right = X[:, 0] > 0
    mostly = np.concatenate([np.flatnonzero(right)[:300], np.flatnonzero(~right)[:100]])
    stream = MoERegressor(2, **QUICK).partial_fit(X[mostly], y[mostly])
    assert_allclose(stream.expert_coef_[:, 1], [2, -1], atol=0.1)
    rest = np.flatnonzero(~right)[100:500]
    for b in np.array_split(rest, 4):
        stream.partial_fit(X[b], y[b])
    assert_allclose(stream.expert_coef_[:, 1], [2, -1], atol=0.1)
    assert stream.expert_share_[1] > 0.9


def test_units_are_those_of_the_first_batch():
    """A column that did not vary then is not seen, and the user is told so."""
    flat = X * [1, 0]
    stream = MoERegressor(1, random_state=0).partial_fit(flat[:100], y[:100])
    with pytest.warns(UnseenColumnWarning, match="'x1' did not vary"):
        stream.partial_fit(X[100:], y[100:])
    assert stream.expert_coef_[0, 1] == 0
    floor = stream.scale_floor_
    assert stream.partial_fit(flat[:100], 100 * y[:100]).scale_floor_ == floor


@pytest.mark.parametrize("kind", ["gaussian", "two classes"])
def test_rows_are_checked_once_a_batch(kind):
    """A column y is warned of wherever it is looked at."""
    model, y = KINDS[kind]
    model = clone(model)
    for b in batches(400, 2):
        with pytest.warns(DataConversionWarning) as seen:
            model.partial_fit(X[b], y[b, None], **classes_for(model, y))
        assert sum(one.category is DataConversionWarning for one in seen) == 1


def test_one_row_at_a_time():
    stream = MoERegressor(1, random_state=0).partial_fit(X[:50], X[:50, 0] + 0.1 * y[:50])
    for i in range(50, 150):
        stream.partial_fit(X[i : i + 1], X[i : i + 1, 0] + 0.1 * y[i : i + 1])
    assert_allclose(stream.expert_coef_[0, 0], 1, atol=0.1)


# -- classes -----------------------------------------------------------------------------------------------------------


def test_a_class_may_come_later():
    early = LABELS != "mid"
    model = MoEClassifier(2, alpha=0.1, **QUICK)
    model.partial_fit(X[early][:300], LABELS[early][:300], classes=["low", "mid", "high"])
    assert model.classes_.tolist() == ["high", "low", "mid"]
    before = model.predict_proba(X)[:, 2]
    assert 0 < before.mean() < 0.02
    streamed(model, X, LABELS)
    assert model.predict_proba(X)[:, 2].mean() == pytest.approx((LABELS == "mid").mean(), abs=0.03)


def test_a_first_batch_may_hold_one_class():
    model = MoEClassifier(2, **QUICK).partial_fit(X[y > 0][:100], np.ones(100, dtype=int), classes=[0, 1])
    assert model.predict_proba(X)[:, 1].min() > 0.5
    streamed(model, X, (y > 0).astype(int), n_epochs=2)
    assert model.score(X, y > 0) > 0.9


def test_classes_are_asked_for_and_kept():
    model = MoEClassifier(2, **QUICK)
    with pytest.raises(ValueError, match="classes must be passed on the first call to partial_fit"):
        model.partial_fit(X, LABELS)
    assert not hasattr(model, "classes_")
    with pytest.raises(ValueError, match="y holds the label 'mid'"):
        model.partial_fit(X, LABELS, classes=["low", "high"])
    with pytest.raises(ValueError, match="at least 2 classes, but classes holds 1"):
        model.partial_fit(X, LABELS, classes=["low"])
    model.partial_fit(X[:300], LABELS[:300], classes=["low", "mid", "high"])
    model.partial_fit(X[:300], LABELS[:300], classes=["mid", "high", "low"])
    with pytest.raises(ValueError, match=r"classes holds .* but those of the first call are \['high' 'low' 'mid'\]"):
        model.partial_fit(X[:300], LABELS[:300], classes=["mid", "high"])
    with pytest.raises(ValueError, match="y holds the label 'none'"):
        model.partial_fit(X[:1], ["none"])


# -- what is refused changes nothing -----------------------------------------------------------------------------------


@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize(
    ("change", "X_bad", "y_bad", "error", "match"),
    [
        ({}, np.full((50, 2), np.nan), y[:50], ValueError, "NaN"),
        ({}, X[:50], np.full(50, np.inf), ValueError, "infinity"),
        ({}, X[:50], y[:40], ValueError, "inconsistent|but y has 40"),
        ({"freeze": [0]}, X[:50], y[:50], ValueError, "partial_fit trains all"),
        ({"n_experts": -1}, X[:50], y[:50], ValueError, "n_experts"),
    ],
)
def test_bad_input(started, change, X_bad, y_bad, error, match):
    model = MoERegressor(2, **QUICK)
    if started:
        model.partial_fit(X[:200], y[:200])
    model.set_params(**change)
    before = dict(vars(model))
    with pytest.raises(error, match=match):
        model.partial_fit(X_bad, y_bad)
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is before[name] for name in before)


def test_what_has_no_meaning():
    with pytest.raises(ValueError, match=r"classes, .* has no meaning for MoERegressor.* got list of shape \(2,\)"):
        MoERegressor(2).partial_fit(X, y, [0, 1])
    with pytest.raises(ValueError, match="class_weight='balanced' counts the classes of all rows"):
        MoEClassifier(2, class_weight="balanced").partial_fit(X, LABELS, classes=np.unique(LABELS))
    stream = MoERegressor(2, **QUICK).partial_fit(X[:200], y[:200])
    with pytest.raises(ValueError, match="X has 3 features"):
        stream.partial_fit(np.ones((5, 3)), np.ones(5))
    with pytest.raises(ValueError, match="y has shape"):
        stream.partial_fit(X[:5], np.ones((5, 2)))
    with pytest.raises(ValueError, match="zero"):
        stream.partial_fit(X[:5], y[:5], sample_weight=np.zeros(5))
    with pytest.raises(ValueError, match="counts 0, 1, 2"):
        learned("poisson").partial_fit(X[:5], -np.ones(5))
    with pytest.raises(NotFittedError):
        MoERegressor(2).predict(X)


def test_values_beyond_all_measure_are_named():
    stream = MoERegressor(2, **QUICK).partial_fit(X[:200], y[:200])
    before, wild = stream.log_prob(X, y), y[200:300].copy()
    wild[7] = 1e200
    weight = np.ones(100)
    weight[2] = 0
    with pytest.raises(ValueError, match="no finite density to row 7 of the batch"):
        stream.partial_fit(X[200:300], wild, sample_weight=weight)
    assert stream.n_batches_ == 1
    assert_array_equal(stream.log_prob(X, y), before)


class Still(SoftmaxGate):
    """A gate that says nothing of sums of rows that are gone."""

    recentred = Block.recentred


def test_a_gate_that_cannot_stream_is_told_so():
    fit = MoERegressor(2, gate=Still(), **QUICK).fit(X, y)
    new = MoERegressor(2, gate=Still(), **QUICK)
    for model in (fit, new):
        before = dict(vars(model))
        with pytest.raises(TypeError, match=r"cannot stream: .* Still has no recentred, gain and balanced"):
            model.partial_fit(X, y)
        assert vars(model) == before


# -- streams and the rest ----------------------------------------------------------------------------------------------


def test_a_new_fit_forgets_the_stream():
    stream = streamed(MoERegressor(2, **QUICK), X, y).fit(X, y)
    assert not hasattr(stream, "n_batches_")
    assert_array_equal(stream.log_prob(X, y), MoERegressor(2, **QUICK).fit(X, y).log_prob(X, y))


def test_an_expert_may_be_added_to_a_stream():
    stream = streamed(MoERegressor(2, **QUICK), X, y).add_expert(X, np.where(X[:, 1] > 0.7, 5, y))
    stream.partial_fit(X, np.where(X[:, 1] > 0.7, 5, y))
    assert stream.n_experts_ == 3


def test_members_of_an_average_can_go_on_alone():
    stream = copy.deepcopy(learned("average"))
    member = stream.members_[1].partial_fit(X[:100], y[:100])
    assert member.n_batches_ == 7
    assert member.n_experts_ == 2


def test_names_of_columns_are_those_of_the_first_batch():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=["a", "b"])
    stream = MoERegressor(2, **QUICK).partial_fit(frame[:200], y[:200]).partial_fit(frame[200:], y[200:])
    assert stream.feature_names_in_.tolist() == ["a", "b"]
    with pytest.raises(ValueError, match="feature names"):
        stream.partial_fit(frame[["b", "a"]], y)


# -- how near --------------------------------------------------------------------------------------------------------


def reached(model, X, y, seed=0):
    """Nats a row below the fit to all rows after one pass over 20 shuffled batches, and after five."""
    order = np.random.default_rng(seed).permutation(len(y))
    X, y = X[order], y[order]
    full = clone(model).fit(X, y).log_prob(X, y).mean()
    stream, gaps = clone(model), []
    for _ in range(5):
        streamed(stream, X, y, 20, **classes_for(model, y))
        gaps.append(full - stream.log_prob(X, y).mean())
    return gaps[0], gaps[-1]


@pytest.mark.parametrize("expert", ["gaussian", "student_t"])
def test_simulated_rows_are_reached(expert):
    X, y = make_moe_regression(20_000, 10, n_experts=4, noise=0.5, random_state=0)
    one, five = reached(MoERegressor(4, expert=expert, random_state=0), X, y)
    assert one < 0.005
    assert five < 0.001


def test_simulated_classes_are_reached():
    X, y = make_moe_classification(20_000, 10, n_experts=4, random_state=0)
    one, five = reached(MoEClassifier(4, random_state=0), X, y)
    assert one < 0.02
    assert five < 0.002


def test_the_robot_arm_is_reached(shared_data):
    X, y = shared_data("kin8nm")
    one, five = reached(MoERegressor(4, random_state=0), X, y)
    assert one < 0.02
    assert five < 0.002
