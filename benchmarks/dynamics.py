"""Grown hierarchies on robot dynamics: ``python -m benchmarks.dynamics [--splits 5]``.

kin8nm and puma8NH, the first splits of each: root mean square error and log density of test rows, for trees that grow
by held-out rows and by BIC, flat mixtures of as many experts, boosting and a network, each standardised where it
matters. Boosting and the network choose among a few settings by three folds of the training rows.
"""

from __future__ import annotations

import argparse
import time
import warnings
from typing import Any, NamedTuple

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.data import load, splits
from skmoe import MoERegressor
from skmoe.exceptions import CollapseWarning
from skmoe.selection import Growth

SETS = ("kin8nm", "puma8NH")


class Score(NamedTuple):
    """What is told of a model on a split."""

    rmse: float
    nll: float
    n_experts: float
    seconds: float


def boosting() -> GridSearchCV:
    grid = {"learning_rate": [0.05, 0.1], "max_leaf_nodes": [15, 31, 63]}
    return GridSearchCV(HistGradientBoostingRegressor(max_iter=500, early_stopping=True, random_state=0), grid, cv=3)


def network() -> Any:
    grid = {"mlpregressor__alpha": [1e-4, 1e-2, 1.0]}
    layers = MLPRegressor(hidden_layer_sizes=(100, 100), early_stopping=True, max_iter=500, random_state=0)
    return GridSearchCV(make_pipeline(StandardScaler(), layers), grid, cv=3)


def scored(model: Any, X: np.ndarray, y: np.ndarray, X_test: np.ndarray, y_test: np.ndarray) -> tuple[Any, Score]:
    begin = time.perf_counter()
    model.fit(X, y)
    seconds = time.perf_counter() - begin
    rmse = float(np.sqrt(np.mean(np.square(model.predict(X_test) - y_test))))
    density = -float(model.log_prob(X_test, y_test).mean()) if hasattr(model, "log_prob") else np.nan
    return model, Score(rmse, density, getattr(model, "n_experts_", np.nan), seconds)


def split_scores(X: np.ndarray, y: np.ndarray, X_test: np.ndarray, y_test: np.ndarray) -> dict[str, Score]:
    """All models on one split; the flat mixtures have as many experts as the tree grown by held-out rows."""
    found: dict[str, Score] = {}
    rows = (X, y, X_test, y_test)
    for name, model in {"linear": LinearRegression(), "boosting": boosting(), "network": network()}.items():
        found[name] = scored(model, *rows)[1]
    found["tree, by BIC"] = scored(MoERegressor("auto", n_init=1, random_state=0), *rows)[1]
    tree, found["tree, by held-out rows"] = scored(MoERegressor(Growth("held_out"), n_init=1, random_state=0), *rows)
    k = tree.n_experts_
    found["flat, as many"] = scored(MoERegressor(k, n_init=2, move_budget=3, random_state=0), *rows)[1]
    trees = MoERegressor(Growth("held_out"), n_init=5, combine_inits="average", move_budget=3, random_state=0)
    found["five trees, averaged"] = scored(trees, *rows)[1]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=SETS, choices=SETS)
    parser.add_argument("--splits", type=int, default=5)
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.simplefilter("ignore", CollapseWarning)
    for name in options.sets:
        arrays = load(name)
        X, y = arrays["X"], arrays["y"]
        scores: list[dict[str, Score]] = []
        for train, test in splits(arrays, options.splits):
            scores.append(split_scores(X[train], y[train], X[test], y[test]))
            print(table(name, scores), flush=True)


def table(name: str, scores: list[dict[str, Score]]) -> str:
    """Means over splits, with the standard error of the test error."""
    lines = [f"| {name}, {len(scores)} splits | RMSE | NLL | experts | seconds |", "|---|---|---|---|---|"]
    for model in scores[0]:
        rmse, nll, n_experts, seconds = np.array([split[model] for split in scores]).T
        error = rmse.std() / max(np.sqrt(len(rmse) - 1), 1)
        told = "" if np.isnan(nll).any() else f"{nll.mean():.3f}"
        size = "" if np.isnan(n_experts).any() else f"{n_experts.mean():.0f}"
        lines.append(f"| {model} | {rmse.mean():.4f} ± {error:.4f} | {told} | {size} | {seconds.mean():.0f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
