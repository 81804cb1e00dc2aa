"""Predictions, one thread each: beside what no implementation can do without, and beside other estimators.

Without the products of rows with the coefficients of gate and experts, and one exponential for every row and expert,
there is no prediction.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression

from skmoe import MoERegressor
from skmoe.datasets import make_moe_regression

from . import cards
from .data import rare_class
from .limit import Blocks, blocks
from .report import Row, Tables
from .timing import alternated, ratio


def unavoidable(work: Blocks) -> None:
    """Predictors of gate and experts, and exponentials of the gate's."""
    n_experts = len(work.values) // 2
    for t in range(work.n_blocks):
        design = work.designs[t % len(work.designs)]
        np.dot(work.coef, design, out=work.values)
        np.exp(work.values[:n_experts], out=work.values[n_experts:])


def throughput(functions: dict[str, tuple[Callable[[], Any], int]], own: str, rounds: int) -> list[Row]:
    """Rows a second of functions that are asked of some rows, and how many times as long as theirs ours takes."""
    seconds = alternated({name: function for name, (function, _) in functions.items()}, rounds)
    each = {name: seconds[name] / n_rows for name, (_, n_rows) in functions.items()}
    return [
        {
            "what": name,
            "million rows a second": 1e-6 / float(np.median(s)),
            f"{own} takes, times as long": ratio(each[own], s),
        }
        for name, s in each.items()
    ]


def regression(quick: bool) -> list[Row]:
    n_rows, rounds = (5_000, 3) if quick else (200_000, 7)
    X, y = make_moe_regression(n_rows, 20, n_experts=8, noise=0.5, random_state=0)
    some = slice(0, 5_000)
    mixture = MoERegressor(8, n_init=1, max_iter=30, move_budget=0, random_state=0)
    line, trees = LinearRegression(), cards.boosting(HistGradientBoostingRegressor)
    for model in (mixture, line, trees):
        model.fit(X[some], y[some])
    work = blocks(n_rows, 21, 8, cached=True)
    gate, experts = 0.1 * work.coef[:8, 1:].T, work.coef[8:, 1:].T
    own = "mixture, K=8, predict"
    functions: dict[str, Callable[[], Any]] = {
        own: lambda: mixture.predict(X),
        "two products and exponentials, numpy, X as it is": lambda: (np.exp(X @ gate), X @ experts),
        "the same on one block in the cache": lambda: unavoidable(work),
        "mixture, K=8, log_prob": lambda: mixture.log_prob(X, y),
        "LinearRegression": lambda: line.predict(X),
        "HistGradientBoostingRegressor": lambda: trees.predict(X),
    }
    asked = {name: (function, n_rows) for name, function in functions.items()}
    few = min(20_000, n_rows)
    asked["mixture, K=8, predict_interval"] = (lambda: mixture.predict_interval(X[:few]), few)
    return throughput(asked, own, rounds)


def classification(quick: bool) -> list[Row]:
    data = rare_class("creditcard_ulb")
    chosen = {
        name: model for name, model in cards.models(quick).items() if name not in (cards.TO_THE_END, cards.FOREST)
    }
    fits = {name: cards.fitted(model, data, data.splits[0][0]) for name, model in chosen.items()}
    functions = {name: (partial(model.predict_proba, data.X), len(data.X)) for name, model in fits.items()}
    return throughput(functions, cards.BOOSTING, 3 if quick else 7)


def measured(quick: bool) -> Tables:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "Regression, 20 columns": regression(quick),
            "Card fraud, 31,676 × 30, predict_proba": classification(quick),
        }
