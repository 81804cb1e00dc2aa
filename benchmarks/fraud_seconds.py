"""Fraud: seconds of one start to its own optimum, and of fits and predictions beside their average precision.

Real card payments (creditcard_ulb: 22,173 training rows, 30 columns, weights that restore the true prevalence), and
simulated rows of the size of a portfolio of motor policies. All on one thread.
"""

from __future__ import annotations

import time
import warnings
from functools import partial
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score

from skmoe.datasets import make_moe_classification
from skmoe.families import Bernoulli

from . import cards
from .data import RareClass, rare_class
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
    """Simulated rows of which 7 % are of the rare class."""
    X, y = make_moe_classification(4 * n_rows, 23, n_experts=3, class_scale=2.0, gate_scale=2.0, random_state=0)
    n_rare = round(0.07 * n_rows)
    rows = np.sort(np.concatenate([np.flatnonzero(y == 0)[: n_rows - n_rare], np.flatnonzero(y == 1)[:n_rare]]))
    return problem(X[rows], y[rows].astype(float), 3, Bernoulli(), alpha=1.0)


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


def precision(data: RareClass, quick: bool) -> list[Row]:
    """Weighted average precision of the test rows, means over splits; seconds are medians."""
    splits = data.splits[: 1 if quick else 5]
    table: list[Row] = []
    for name, model in cards.models(quick).items():
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
    began = time.perf_counter()
    model = cards.fitted(model, data, train)
    fit = time.perf_counter() - began
    proba = model.predict_proba(data.X[test])[:, 1]
    seconds = np.median([seconds_of(partial(model.predict_proba, data.X[test])) for _ in range(5)])
    score = average_precision_score(data.y[test], proba, sample_weight=data.weight[test])
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
