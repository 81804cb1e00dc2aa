"""Scorers of distributions take the networks as they take the mixtures."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch")

from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from small import X, Y, regressor  # noqa: E402

from skmoe.neural import SparseMoEClassifier  # noqa: E402
from skmoe.scoring import interval_score, neg_crps, neg_log_score  # noqa: E402


def test_scores_are_means_of_what_the_network_says():
    model = make_pipeline(StandardScaler(), regressor()).fit(X, Y)
    network, rows = model[-1], model[0].transform(X)
    assert neg_log_score(model, X, Y) == pytest.approx(network.log_prob(rows, Y).mean())
    assert neg_crps(model, X, Y) == pytest.approx(-network.predict_dist(rows).crps(Y).mean())
    low, high = network.predict_interval(rows, 0.9).T
    missed = np.maximum(low - Y, 0) + np.maximum(Y - high, 0)
    assert interval_score(model, X, Y) == pytest.approx(-np.mean(high - low + 2 / 0.1 * missed))


def test_training_can_be_stopped_by_them():
    model = regressor(scoring=neg_crps).fit(X, Y)
    scores = [told["validation_score"] for told in model.history_]
    assert model.validation_score_ == max(scores)


def test_classes_have_a_log_score_alone():
    few = {"n_members": 2, "width": 8, "hidden": (4,), "max_epochs": 2, "random_state": 0}
    model = SparseMoEClassifier(4, **few).fit(X, np.median(Y) < Y)
    labels = np.median(Y) < Y
    assert neg_log_score(model, X, labels) == pytest.approx(model.log_prob(X, labels).mean())
    with pytest.raises(TypeError, match="neg_crps scores regressors, got SparseMoEClassifier"):
        neg_crps(model, X, labels)
