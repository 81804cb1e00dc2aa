"""The four models, and the eight settings that each may choose from."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import MoEClassifier


class Candidate(NamedTuple):
    """A pipeline, the settings to try, and what the winner is given on top."""

    name: str
    pipeline: Pipeline
    grid: list[dict[str, list]]
    winner: dict[str, Any]


def candidates(columns: ColumnTransformer, seed: int, n_jobs: int, quick: bool) -> list[Candidate]:
    """All models on the same columns, each with eight settings; with ``quick`` two."""
    boosting = HistGradientBoostingClassifier(early_stopping=False, random_state=seed)
    forest = RandomForestClassifier(50, n_jobs=n_jobs, random_state=seed)
    # A long memory saves passes where there are many coefficients and few frauds. Settings are compared by averages of
    # two fits and forests of 50 trees, the winners are an average of five and a forest of 200.
    mixture = MoEClassifier(
        n_init=2, combine_inits="average", memory=40, max_iter=300, tol=1e-2, random_state=seed, n_jobs=n_jobs
    )
    scaler = StandardScaler().set_fit_request(sample_weight=False)
    n = 2 if quick else 8
    grids: dict[str, tuple[list, list[dict[str, Any]], dict[str, Any]]] = {
        "LogisticRegression": (
            [("scale", scaler), ("model", LogisticRegression(max_iter=2000))],
            [{"C": C} for C in 10.0 ** np.arange(-4, 4)],
            {},
        ),
        "HistGradientBoosting": (
            [("model", boosting)],
            [
                {"learning_rate": rate, "max_leaf_nodes": leaves, "max_iter": trees}
                for rate in (0.03, 0.1)
                for leaves in (7, 31)
                for trees in (100, 300)
            ],
            {},
        ),
        "RandomForest": (
            [("model", forest)],
            [{"min_samples_leaf": leaf, "max_features": share} for leaf in (1, 3, 6, 12) for share in ("sqrt", 0.4)],
            {"n_estimators": 50 if quick else 200},
        ),
        "mixture of experts": (
            [("model", mixture)],
            [{"n_experts": k, "alpha": a, "gate_alpha": a} for k in (4, 8) for a in (0.3, 1.0, 3.0, 10.0)],
            {"n_init": 2 if quick else 5},
        ),
    }
    return [
        Candidate(name, pipeline(columns, steps), [in_grid(one) for one in settings[:n]], of_model(winner))
        for name, (steps, settings, winner) in grids.items()
    ]


def pipeline(columns: ColumnTransformer, steps: list[tuple[str, BaseEstimator]]) -> Pipeline:
    """Columns first; sample weights go to the model."""
    steps[-1][1].set_fit_request(sample_weight=True)
    return Pipeline([("columns", columns), *steps])


def of_model(params: dict[str, Any]) -> dict[str, Any]:
    """Parameters of the last step of a pipeline."""
    return {f"model__{name}": value for name, value in params.items()}


def in_grid(params: dict[str, Any]) -> dict[str, list]:
    """One setting, as `GridSearchCV` takes it."""
    return {name: [value] for name, value in of_model(params).items()}
