"""Fits that go on: from the last fit (`warm_start`), and batch by batch (`partial_fit`)."""

from __future__ import annotations

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='torch is not installed: pip install "skmoe[neural]"')

from numpy.testing import assert_array_equal  # noqa: E402
from sklearn.base import clone  # noqa: E402
from small import (  # noqa: E402  # noqa: E402, I001
    CATEGORIES,
    GAPS,
    KINDS,
    LABELS,
    MIXED,
    OUTPUTS,
    THREE,
    X,
    Y,
    assert_same_answers,
    classifier,
    regressor,
)

from skmoe import MoERegressor  # noqa: E402

KIND = pytest.mark.parametrize("kind", KINDS)
EVERY = np.unique(THREE)


# -- warm_start --------------------------------------------------------------------------------------------------------


@KIND
def test_a_warm_start_goes_on(kind):
    make, y = KINDS[kind]
    model = make(warm_start=True, early_stopping=False).fit(GAPS, y)
    first, loss = copy.copy(model), model.history_[-1]["loss"]
    model.fit(GAPS, y)
    assert [told["epoch"] for told in model.history_] == [1, 2, 3, 4]
    assert {told["k"] for told in model.history_} == {2}  # no soft start
    assert model.history_[0]["loss"] < first.history_[0]["loss"]
    assert model.history_[-1]["loss"] < loss
    cold = make(early_stopping=False).fit(GAPS, y)
    assert_same_answers(cold, first, GAPS)


@KIND
def test_a_warm_start_of_no_epochs_is_the_last_fit(kind):
    make, y = KINDS[kind]
    model = make(warm_start=True).fit(GAPS, y)
    before = copy.copy(model)
    assert_same_answers(model.set_params(max_epochs=0).fit(GAPS[:50], y[:50]), before, GAPS)


def test_a_warm_start_is_never_worse_than_where_it_began():
    model = regressor(warm_start=True, validation="last").fit(X, Y)
    before = copy.copy(model)
    model.set_params(learning_rate=0.5).fit(X, Y)
    assert max(told["validation_score"] for told in model.history_) < model.validation_score_
    assert model.best_epoch_ == 0
    assert model.validation_score_ == pytest.approx(before.validation_score_, abs=1e-5)
    assert_same_answers(model, before, X)


def test_a_warm_start_keeps_bins_and_units():
    model = regressor(warm_start=True).fit(X, Y)
    before = model._network.encoding
    model.fit(10 * X, 5 + Y)
    after = model._network.encoding
    assert after.encoder is before.encoder
    assert after.center is before.center
    assert regressor().fit(10 * X, 5 + Y)._network.encoding.center != before.center


def test_a_warm_start_keeps_the_classes():
    model = classifier(warm_start=True).fit(X, THREE)
    model.fit(X[THREE != "low"], THREE[THREE != "low"])
    assert_array_equal(model.classes_, EVERY)
    assert model.predict_proba(X).shape == (len(X), 3)
    with pytest.raises(ValueError, match="y holds the label 'opposite', but the classes of the fit are"):
        model.fit(X, LABELS)
    assert_array_equal(model.classes_, EVERY)


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"width": 20}, "width went from 12 to 20 since the last fit"),
        ({"n_experts": 3, "n_blocks": 1}, "n_blocks went from 2 to 1, n_experts went from 4 to 3 since the last fit"),
        ({"embedding": "periodic"}, "embedding went from 'ple' to 'periodic' since the last fit"),
        ({"hidden": (4, 4)}, r"hidden went from \(8,\) to \(4, 4\) since the last fit"),
        ({"n_members": 3}, "n_members went from 2 to 3 since the last fit"),
        (
            {"init": MoERegressor(4, random_state=0).fit(X, Y)},
            "init went from a mixture to another, or to or from None",
        ),
    ],
    ids=lambda changed: "-".join(changed) if isinstance(changed, dict) else "",
)
@pytest.mark.parametrize("how", ["fit", "partial_fit"])
def test_a_changed_network_cannot_go_on(changed, match, how):
    model = regressor(warm_start=True).fit(X, Y)
    before = model.predict(X)
    model.set_params(**changed)
    with pytest.raises(ValueError, match=match):
        getattr(model, how)(X, Y)
    assert_array_equal(model.predict(X), before)
    assert model.set_params(warm_start=False).fit(X, Y).n_iter_ == 4


@pytest.mark.parametrize("router", ["noisy_topk", "switch"])
def test_a_changed_router_cannot_go_on(router):
    model = regressor(warm_start=True).fit(X, Y)
    before = model.predict(X)
    model.set_params(router=router)
    with pytest.raises(ValueError, match="router was changed since the last fit to one whose gates"):
        model.fit(X, Y)
    assert_array_equal(model.predict(X), before)


def test_what_may_change():
    model = regressor(warm_start=True).fit(X, Y)
    model.set_params(top_k=1, learning_rate=1e-3, batch_size=None, balance=0.1, max_epochs=2, router="soft")
    assert model.fit(X, Y).top_k_ == 4
    assert model.set_params(router="topk").fit(X, Y).top_k_ == 1


def test_other_columns_are_refused():
    model = regressor(warm_start=True).fit(X, Y)
    before = model.predict(X)
    with pytest.raises(ValueError, match="X has 2 features"):
        model.fit(X[:, :2], Y)
    with pytest.raises(ValueError, match="y has shape"):
        model.fit(X, OUTPUTS)
    assert_array_equal(model.predict(X), before)


# -- partial_fit -------------------------------------------------------------------------------------------------------


def batches(n_epochs=1, size=40):
    for _ in range(n_epochs):
        for first in range(0, len(X), size):
            yield slice(first, first + size)


@KIND
def test_a_stream_learns(kind):
    make, y = KINDS[kind]
    model = make(learning_rate=0.01)
    scores = []
    for number, batch in enumerate(batches(5), 1):
        first = {"classes": EVERY} if kind == "classifier" and number == 1 else {}
        model.partial_fit(GAPS[batch], y[batch], **first)
        assert [told["epoch"] for told in model.history_] == list(range(1, number + 1))
        assert model.n_iter_ == model.best_epoch_ == number
        scores.append(model.log_prob(GAPS, y).mean())
    assert scores[-1] > scores[0] + 0.1
    assert {told["k"] for told in model.history_} == {2}
    assert {told["learning_rate"] for told in model.history_} == {0.01}
    assert model.validation_score_ is None
    assert model._network.moments.n_steps == 30  # 15 batches of 40 rows, none larger than 32


def test_a_stream_goes_on_from_a_fit():
    model = regressor().fit(X, Y)
    before = copy.copy(model)
    model.partial_fit(X[:40], Y[:40])
    assert len(model.history_) == len(before.history_) + 1
    assert 0 < np.abs(model.predict(X) - before.predict(X)).max() < 1
    assert len(before.history_) == 4


def test_a_stream_of_one_batch_is_one_epoch():
    streamed = regressor(batch_size=None).partial_fit(X, Y)
    fitted = regressor(batch_size=None, early_stopping=False, max_epochs=1, soft_start=0.0, averaging=0.0).fit(X, Y)
    assert_same_answers(streamed, fitted, X)


def test_a_stream_may_begin_as_a_mixture():
    mixture = MoERegressor(3, n_init=1, max_iter=200, random_state=0).fit(X, Y)
    model = regressor(init=mixture, learning_rate=1e-9, top_k=3, precision="float64").partial_fit(X, Y)
    np.testing.assert_allclose(model.predict(X), mixture.predict(X), atol=1e-5)
    model.partial_fit(X, Y)
    assert model.n_iter_ == 2


def test_weights_of_a_stream():
    weight = np.arange(len(Y)) % 2.0
    one = regressor().partial_fit(X, Y, sample_weight=weight)
    other = regressor().partial_fit(X[1::2], Y[1::2])
    assert_same_answers(one, other, X)


def test_classes_of_a_stream():
    model = classifier()
    with pytest.raises(ValueError, match="classes must be passed on the first call to partial_fit"):
        model.partial_fit(X, THREE)
    with pytest.raises(ValueError, match="at least 2 classes, but classes holds 1"):
        model.partial_fit(X, THREE, classes=["low"])
    with pytest.raises(ValueError, match="y holds the label 'middle'"):
        model.partial_fit(X, THREE, classes=["low", "high"])
    assert not hasattr(model, "classes_")
    low = THREE == "low"
    model.partial_fit(X[low], THREE[low], classes=["middle", "low", "high"])  # a batch of one class
    assert_array_equal(model.classes_, EVERY)
    before = model.predict_proba(X)
    with pytest.raises(ValueError, match=r"classes holds .* but those of the first call are \['high' 'low' 'middle'\]"):
        model.partial_fit(X, THREE, classes=["low", "high"])
    with pytest.raises(ValueError, match="y holds the label 'none', but the classes of the fit are"):
        model.partial_fit(X[:1], ["none"])
    assert_array_equal(model.predict_proba(X), before)
    model.partial_fit(X, THREE, classes=EVERY)


def test_a_regressor_has_no_classes():
    model = regressor()
    for _ in range(2):
        with pytest.raises(
            ValueError, match=r"classes, .* no meaning for SparseMoERegressor.* got list of shape \(2,\)"
        ):
            model.partial_fit(X, Y, [0, 1])
        model.partial_fit(X, Y)


@pytest.mark.parametrize(
    ("rows", "y", "match"),
    [
        (X[:, :2], Y, "X has 2 features"),
        (X, OUTPUTS, "y has shape"),
        (X[:30], Y, "inconsistent"),
        (np.full_like(X, np.inf), Y, "infinity"),
        (X, np.full_like(Y, np.nan), "NaN"),
    ],
    ids=["columns", "outputs", "rows", "infinity", "gaps"],
)
def test_a_refused_batch_changes_nothing(rows, y, match):
    model = regressor().partial_fit(X, Y)
    before = dict(vars(model))
    with pytest.raises(ValueError, match=match):
        model.partial_fit(rows, y)
    assert all(vars(model)[name] is before[name] for name in before)
    assert vars(model).keys() == before.keys()


def test_levels_and_columns_of_the_first_batch_stay():
    model = regressor(categorical_features=CATEGORIES).partial_fit(MIXED[:60], Y[:60])
    model.categorical_features = None  # the columns of the first batch count
    model.partial_fit(MIXED[60:], Y[60:])
    assert model.predict(MIXED).shape == Y.shape
    assert clone(model).categorical_features is None
