"""Card fraud (creditcard_ulb), and the models that are timed on it, with weights of mean one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import MoEClassifier

from .data import RareClass

AVERAGE, ONE = "average of five mixtures, 40 experts", "one mixture, K=8, one start"
TO_THE_END = "average of five from hyperplanes and tilts, run to the end"
BOOSTING, FOREST, LINE = "boosting, 200 trees of 15 leaves", "random forest, 300 trees", "logistic regression"


def boosting(kind: Callable[..., Any]) -> Any:
    """Tuned by hand on these data."""
    return kind(
        learning_rate=0.05, max_leaf_nodes=15, max_iter=200, l2_regularization=1.0, early_stopping=False, random_state=0
    )


def models(quick: bool) -> dict[str, Any]:
    """Models by name, not fitted. The average that runs to the end is the one of the page of benchmarks; the others
    leave the last tenth of a nat alone and stop after 300 passes."""
    most = {"max_iter": 20 if quick else 300, "tol": 0.1}
    ridge = {"alpha": 1.0, "gate_alpha": 1.0}
    end = most if quick else {}
    return {
        AVERAGE: MoEClassifier(8, combine_inits="average", random_state=0, **ridge, **most),
        TO_THE_END: MoEClassifier(
            8, init=["hyperplanes", "tilt"], combine_inits="average", random_state=0, **ridge, **end
        ),
        ONE: MoEClassifier(8, n_init=1, move_budget=0, random_state=0, **ridge, **most),
        BOOSTING: boosting(HistGradientBoostingClassifier),
        FOREST: RandomForestClassifier(30 if quick else 300, random_state=0),
        LINE: make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    }


def fitted(model: Any, data: RareClass, rows: np.ndarray) -> Any:
    """A fit of a model to some rows."""
    model = clone(model)
    weight = data.weight[rows] / data.weight[rows].mean()
    last = f"{model.steps[-1][0]}__sample_weight" if hasattr(model, "steps") else "sample_weight"
    return model.fit(data.X[rows], data.y[rows], **{last: weight})
