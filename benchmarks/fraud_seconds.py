"""Fraud: seconds of one start to its own optimum, and of fits and predictions beside their average precision.

Real card payments (creditcard_ulb: 22,173 training rows, 30 columns, weights that restore the true prevalence), and
simulated rows of the size of a portfolio of motor policies. All on one thread.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import MoEClassifier
from skmoe.datasets import make_moe_classification
from skmoe.families import Bernoulli

from .data import RareClass, rare_class
from .predict import boosting
from .problems import Problem, path, problem
from .report import Row, Tables
from .timing import seconds_of


def card_problem(data: RareClass) -> Problem:
    """The first training rows, eight logistic experts, ridge 1, weights of mean one."""
    train = data.splits[0][0]
    weight = data.weight[train]
    y = data.y[train].astype(float)
    return problem(data.X[train], y, 8, Bernoulli(), alpha=1.0, weight=weight / weight.mean())


def rare_problem(n_rows: int) -> Problem:
    """Simulated rows of which some 7 % are of the rare class."""
    X, y = make_moe_classification(n_rows, 23, n_experts=3, class_scale=2.0, gate_scale=2.0, random_state=0)
    rng = np.random.default_rng(0)
    rare = y == (1 if y.mean() < 0.5 else 0)
    keep = ~rare | (rng.random(n_rows) < 0.075 * (~rare).sum() / rare.sum())
    X, y = X[keep], rare[keep]
    some = rng.integers(len(y), size=n_rows)  # rows drawn again, so that there are as many as before
    X = X[some] + 0.1 * rng.standard_normal((n_rows, X.shape[1]))
    return problem(X, y[some].astype(float), 3, Bernoulli(), alpha=1.0)


def to_optimum(name: str, it: Problem, starts: int) -> Row:
    """Medians over starts."""
    path(it, it.started(0), most=5)
    runs = [path(it, it.started(seed)) for seed in range(starts)]
    near = np.array([run.near() for run in runs])
    own = [np.inf if run.converged is None else run.converged[0] for run in runs]
    return {
        "problem": name,
        "rare": f"{np.mean(it.y):.1%}",
        "starts": starts,
        "seconds to its optimum": float(np.median(near[:, 0])),
        "slowest start": float(near[:, 0].max()),
        "passes": float(np.median(near[:, 1])),
        "seconds to tol=1e-4": float(np.median(own)),
        "ms a pass": 1e3 * float(np.median(near[:, 0] / near[:, 1])),
    }


def models(quick: bool) -> dict[str, Any]:
    settings = {"alpha": 1.0, "gate_alpha": 1.0, "max_iter": 20 if quick else 300, "tol": 0.1, "random_state": 0}
    return {
        "mixture, average of five, K=8": MoEClassifier(8, combine_inits="average", **settings),
        "mixture, one start, K=8": MoEClassifier(8, n_init=1, move_budget=0, **settings),
        "boosting, 200 trees of 15 leaves": boosting(HistGradientBoostingClassifier),
        "random forest, 300 trees": RandomForestClassifier(30 if quick else 300, random_state=0),
        "logistic regression, standardised": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    }


def precision(data: RareClass, quick: bool) -> list[Row]:
    """Weighted average precision of the test rows, means over splits; seconds are medians."""
    splits = data.splits[: 1 if quick else 5]
    table: list[Row] = []
    for name, model in models(quick).items():
        found = np.array([_split(model, data, *split) for split in splits])
        table.append(
            {
                "model": name,
                "average precision": float(found[:, 0].mean()),
                "fit, s": float(np.median(found[:, 1])),
                "predict, µs a row": float(np.median(found[:, 2])),
            }
        )
        print("  " + ", ".join(f"{k}: {v}" for k, v in table[-1].items()), flush=True)
    return table


def _split(model: Any, data: RareClass, train: np.ndarray, test: np.ndarray) -> tuple[float, float, float]:
    model = clone(model)
    weight = data.weight[train] / data.weight[train].mean()
    last = f"{model.steps[-1][0]}__sample_weight" if hasattr(model, "steps") else "sample_weight"
    fit = seconds_of(lambda: model.fit(data.X[train], data.y[train], **{last: weight}))
    predict: Callable[[], Any] = lambda: model.predict_proba(data.X[test])  # noqa: E731
    seconds = np.median([seconds_of(predict) for _ in range(5)])
    score = average_precision_score(data.y[test], predict()[:, 1], sample_weight=data.weight[test])
    return float(score), fit, 1e6 * float(seconds) / len(test)


def measured(quick: bool) -> Tables:
    data = rare_class("creditcard_ulb")
    starts = 1 if quick else 5
    rare = rare_problem(5_000 if quick else 67_856)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "One start to its own optimum": [
                to_optimum("card fraud, 22,173 × 30, K=8", card_problem(data), starts),
                to_optimum(f"simulated, {len(rare.X):,} × 23, K=3", rare, starts),
            ],
            f"Card fraud, {1 if quick else 5} splits": precision(data, quick),
        }
