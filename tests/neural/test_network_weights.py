"""What rows count: weights as counts of rows, rows of weight zero, weights of classes."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='torch is not installed: pip install "skmoe[neural]"')

from numpy.testing import assert_allclose  # noqa: E402
from small import (  # noqa: E402  # noqa: E402, I001
    CATEGORIES,
    KINDS,
    LABELS,
    MIXED,
    THREE,
    WHOLE,
    X,
    Y,
    answered,
    assert_same_answers,
    classifier,
    regressor,
)

KIND = pytest.mark.parametrize("kind", KINDS)
#: All rows are one batch, and none is held out.
FULL = {"batch_size": None, "early_stopping": False, "categorical_features": CATEGORIES}


def of(kind, **changed):
    make, y = KINDS[kind]
    return make(**changed), y


@KIND
@pytest.mark.parametrize("router", ["topk", "soft"])
def test_weights_are_counts(kind, router):
    model, y = of(kind, **FULL, router=router, z_loss=0.01, entropy=0.1)
    twice = np.repeat(np.arange(len(y)), WHOLE.astype(int))
    weighted = model.fit(MIXED, y, WHOLE)
    repeated, _ = of(kind, **FULL, router=router, z_loss=0.01, entropy=0.1)
    repeated.fit(MIXED[twice], y[twice])
    assert_same_answers(weighted, repeated, MIXED, rtol=1e-7, atol=1e-9)
    plain, _ = of(kind, **FULL, router=router, z_loss=0.01, entropy=0.1)
    assert np.abs(answered(plain.fit(MIXED, y), MIXED)[0] - answered(weighted, MIXED)[0]).max() > 1e-3


@KIND
@pytest.mark.parametrize("changed", [{}, {"early_stopping": False, "batch_size": None}, {"validation": "last"}])
def test_a_row_of_weight_zero_is_not_there(kind, changed):
    """To the last bit, whatever it holds, also where rows are held out and batches are drawn."""
    model, y = of(kind, **changed, categorical_features=CATEGORIES)
    there = WHOLE > 0
    strange, labels = MIXED.copy(), y.copy()
    strange[~there] = 1e9
    if kind == "classifier":
        labels = labels.astype("U20")
        labels[~there] = "none of these"
    else:
        labels[~there] = -1e9
    ignored = model.fit(strange, labels, WHOLE)
    removed, _ = of(kind, **changed, categorical_features=CATEGORIES)
    removed.fit(MIXED[there], y[there], WHOLE[there])
    assert_same_answers(ignored, removed, MIXED)
    assert ignored.validation_score_ == removed.validation_score_


@KIND
def test_a_factor_of_all_weights_changes_little(kind):
    """Only the number of knots of a column follows the sum of weights."""
    model, y = of(kind, **FULL, embedding="linear")
    one = model.fit(MIXED, y, np.ones(len(y)))
    other, _ = of(kind, **FULL, embedding="linear")
    assert_same_answers(other.fit(MIXED, y, np.full(len(y), 1.0 - 1e-9)), one, MIXED, rtol=1e-5, atol=1e-7)


def test_heavy_rows_are_predicted_better():
    heavy = np.where(X[:, 2] > 0, 20.0, 0.05)
    weighted = regressor(max_epochs=15, early_stopping=False).fit(X, Y, heavy)
    plain = regressor(max_epochs=15, early_stopping=False).fit(X, Y, 1 / heavy)
    errors = [np.square(model.predict(X) - Y) for model in (weighted, plain)]
    assert errors[0][heavy > 1].mean() < errors[1][heavy > 1].mean()
    assert errors[0][heavy < 1].mean() > errors[1][heavy < 1].mean()


def test_rows_held_out_are_weighted():
    """The validation score is the weighted mean of the log density."""
    model = regressor(validation="last", scoring=None).fit(X, Y, WHOLE + 0.5)
    last = np.arange(len(Y)) >= len(Y) - round(0.15 * len(Y))
    expected = np.average(model.log_prob(X[last], Y[last]), weights=(WHOLE + 0.5)[last])
    assert model.validation_score_ == pytest.approx(expected, abs=1e-4)
    scored = regressor(validation="last", scoring="neg_mean_squared_error").fit(X, Y, WHOLE + 0.5)
    error = np.average(np.square(scored.predict(X[last]) - Y[last]), weights=(WHOLE + 0.5)[last])
    assert scored.validation_score_ == pytest.approx(-error, rel=1e-3)


# -- classes -----------------------------------------------------------------------------------------------------------


def fit(y=THREE, sample_weight=None, **changed):
    return classifier(**{**FULL, **changed}).fit(MIXED, y, sample_weight)


def test_class_weights_are_weights_of_the_loss():
    """The loss of the first step is minus the mean, so weighted, of what the network predicts before it."""
    factors = {"low": 3.0, "middle": 1.0, "high": 0.5}
    settings = {"n_members": 1, "balance": 0.0, "soft_start": 0.0}
    start = fit(max_epochs=0, **settings)
    expected = -np.average(start.log_prob(MIXED, THREE), weights=[factors[label] for label in THREE])
    trained = fit(max_epochs=1, class_weight=factors, **settings)
    assert trained.history_[0]["loss"] == pytest.approx(expected, rel=1e-9)
    assert fit(max_epochs=1, **settings).history_[0]["loss"] != pytest.approx(expected, rel=1e-3)


def test_balanced_classes_count_alike():
    rare = np.where(X[:, 0] > 0.6, "event", "none")
    share = np.mean(rare == "event")
    assert share < 0.3
    balanced = fit(rare, class_weight="balanced")
    by_hand = fit(rare, class_weight={"event": 0.5 / share, "none": 0.5 / (1 - share)})
    assert_same_answers(balanced, by_hand, MIXED, rtol=1e-9)
    plain = fit(rare)
    assert balanced.predict_proba(MIXED)[:, 0].mean() > plain.predict_proba(MIXED)[:, 0].mean() + 0.02


def test_balanced_classes_are_counted_with_their_sample_weights():
    weight = np.where(THREE == "low", 7.0, 1.0)
    one = fit(sample_weight=weight, class_weight="balanced")
    total = {label: weight[label == THREE].sum() for label in np.unique(THREE)}
    by_hand = {label: weight.sum() / 3 / mass for label, mass in total.items()}
    assert_same_answers(one, fit(sample_weight=weight, class_weight=by_hand), MIXED, rtol=1e-9)


def test_a_class_of_weight_zero_is_not_learned():
    model = classifier(**{**FULL, "max_epochs": 40}, class_weight={"low": 0.0}, learning_rate=0.02).fit(MIXED, THREE)
    assert model.classes_.tolist() == ["high", "low", "middle"]
    assert model.predict_proba(MIXED)[:, 1].max() < 0.2
    with pytest.raises(ValueError, match="gives every row of positive weight the weight 0"):
        fit(class_weight=dict.fromkeys(np.unique(THREE), 0.0))
    with pytest.raises(ValueError, match="class_weight must hold finite numbers of at least 0"):
        fit(class_weight={"low": -1.0})


@pytest.mark.parametrize(
    "y",
    [LABELS == "same", np.where(LABELS == "same", 5, -3), np.where(LABELS == "same", 1.0, 0.0), LABELS.astype(object)],
    ids=["bool", "int", "float", "object"],
)
def test_labels_of_any_type(y):
    model = classifier().fit(X, y)
    assert_allclose(model.predict_proba(X), classifier().fit(X, LABELS).predict_proba(X))
    assert model.classes_.dtype == model.predict(X).dtype == y.dtype
    assert set(model.predict(X)) <= set(y)


def test_a_heavy_batch_of_a_stream_counts_for_more():
    """Beside the first batch, whose rows weigh one: AdamW remembers how large its gradients were."""
    rows = [regressor(learning_rate=0.01, gradient_clip=None).partial_fit(X, Y) for _ in range(2)]
    for model, weight in zip(rows, (1.0, 100.0), strict=True):
        for first in range(0, 90, 30):
            model.partial_fit(X[first : first + 30], Y[first : first + 30] + 1, sample_weight=np.full(30, weight))
    assert np.abs(rows[0].predict(X) - rows[1].predict(X)).max() > 1e-3


def test_nothing_is_left_to_train_on():
    labels = np.where(np.arange(len(X)) >= 110, "a", THREE)
    with pytest.raises(ValueError, match="rows that are left to train on are all of weight 0"):
        classifier(validation="last", class_weight={"a": 1.0, **dict.fromkeys(np.unique(THREE), 0.0)}).fit(X, labels)
