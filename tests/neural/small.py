"""Small tables, and small networks that are trained on them in a moment."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason='torch is not installed: pip install "skmoe[neural]"')

from skmoe.neural import SparseMoEClassifier, SparseMoERegressor

#: What makes a network small.
SMALL = {
    "n_experts": 4,
    "hidden": (8,),
    "width": 12,
    "d_embedding": 4,
    "n_bins": 6,
    "n_frequencies": 3,
    "n_members": 2,
    "max_epochs": 4,
    "batch_size": 32,
    "random_state": 0,
}

_rng = np.random.default_rng(0)
X = _rng.uniform(-1, 1, (120, 3))
GAPS = np.where(_rng.random(X.shape) < 0.15, np.nan, X)
Y = np.where(X[:, 0] > 0, np.sin(4 * X[:, 1]), X[:, 1]) + 0.2 * _rng.standard_normal(len(X))
OUTPUTS = np.column_stack([Y, 100 + 30 * (X[:, 2] - Y)])
LABELS = np.where(X[:, 0] * X[:, 1] > 0, "same", "opposite")
THREE = np.array(["high", "low", "middle"])[np.digitize(Y, [-0.3, 0.3]) % 3]
WHOLE = _rng.integers(0, 4, len(X)).astype(float)

#: Columns of every kind, the last two of them categories, both with gaps.
MIXED = np.column_stack([GAPS, _rng.integers(0, 4, len(X)), np.where(X[:, 0] > 0.8, np.nan, np.digitize(Y, [0.0]))])
CATEGORIES = [3, 4]


def regressor(**changed):
    return SparseMoERegressor(**{**SMALL, **changed})


def classifier(**changed):
    return SparseMoEClassifier(**{**SMALL, **changed})


#: A small estimator of each kind, and the responses it takes.
KINDS = {"regressor": (regressor, Y), "outputs": (regressor, OUTPUTS), "classifier": (classifier, THREE)}


def answered(model, rows):
    """All numbers that a fitted estimator predicts, one array a method."""
    if hasattr(model, "predict_log_proba"):
        return [model.predict_log_proba(rows), model.predict_proba(rows), model.decision_function(rows)]
    return [model.predict(rows), model.predict_var(rows)]


def assert_same_answers(one, other, rows, **tolerance):
    """Two fitted estimators predict the same; without a tolerance to the last bit."""
    for a, b in zip(answered(one, rows), answered(other, rows), strict=True):
        np.testing.assert_allclose(a, b, **{"rtol": 0, "atol": 0, **tolerance})
