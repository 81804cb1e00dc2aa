"""Streams: how near `partial_fit` comes to fits of all rows, and what a long one costs.

python -m benchmarks.stream ROWS        one long stream, as JSON
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from skmoe import MoEClassifier, MoERegressor
from skmoe.datasets import make_moe_classification, make_moe_regression

from .data import load
from .process import answered, memory
from .report import Row, Tables

N_BATCHES, N_EPOCHS, N_SHUFFLES = 20, 5, 3
#: Rows of a batch of the long stream.
BATCH_ROWS = 100_000
#: Batches after which memory is looked at first.
EARLY = 5


def problems(quick: bool) -> Iterator[tuple[str, Any, np.ndarray, np.ndarray]]:
    X, y = make_moe_regression(4_000 if quick else 20_000, 10, n_experts=4, noise=0.5, random_state=0)
    yield "simulated, K=4", MoERegressor(4), X, y
    if quick:
        return
    yield "simulated, Student-t", MoERegressor(4, expert="student_t"), X, y
    yield "simulated, tree 2 x 2", MoERegressor((2, 2)), X, y
    yield "simulated, average of 3", MoERegressor(4, n_init=3, combine_inits="average"), X, y
    X, y = make_moe_classification(20_000, 10, n_experts=4, random_state=0)
    yield "simulated classes", MoEClassifier(4), X, y
    for name, K in (("kin8nm", 4), ("power", 4), ("cpu_act", 2)):
        arrays = load(name)
        yield f"{name}, K={K}", MoERegressor(K), arrays["X"].astype(float), arrays["y"].astype(float)
    for name, K in (("phoneme", 4), ("satimage", 2)):
        arrays = load(name)
        yield f"{name}, K={K}", MoEClassifier(K), arrays["X"].astype(float), arrays["y"]


def gaps(model: Any, X: np.ndarray, y: np.ndarray, seed: int) -> list[float]:
    """Mean log density of fits to all rows, from their own starts and from the first batch's optimum, less that of the
    stream after one pass and after five."""
    model = clone(model).set_params(random_state=seed)
    order = np.random.default_rng(seed).permutation(len(y))
    X, y = X[order], y[order]
    batches = np.array_split(np.arange(len(y)), N_BATCHES)
    classes = {"classes": np.unique(y)} if isinstance(model, MoEClassifier) else {}
    stream, after = clone(model), {}
    for epoch in range(N_EPOCHS):
        for b in batches:
            stream.partial_fit(X[b], y[b], **classes)
            if not after:
                after["first batch"] = stream.log_prob(X, y).mean()
                first = FrozenEstimator(clone(model).partial_fit(X[b], y[b], **classes))
        after[f"epoch {epoch}"] = stream.log_prob(X, y).mean()
    full = clone(model).fit(X, y).log_prob(X, y).mean()
    warm = clone(model).set_params(init=first).fit(X, y).log_prob(X, y).mean()
    return [
        full - after["first batch"],
        full - after["epoch 0"],
        full - after[f"epoch {N_EPOCHS - 1}"],
        warm - after["epoch 0"],
        warm - after[f"epoch {N_EPOCHS - 1}"],
    ]


def compared(name: str, model: Any, X: np.ndarray, y: np.ndarray, shuffles: int) -> Row:
    """Gaps of every shuffle, side by side."""
    found = np.array([gaps(model, X, y, seed) for seed in range(shuffles)])
    titles = (
        "first batch, below the fit",
        "one pass, below the fit",
        "five passes, below the fit",
        "one pass, below the fit from the first batch",
        "five passes, below the fit from the first batch",
    )
    columns = {title: ", ".join(f"{gap:.4f}" for gap in part) for title, part in zip(titles, found.T, strict=True)}
    print(f"  {name}: {columns}", flush=True)
    return {"rows": name} | columns


def batch(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of four noisy planes, each in its region, drawn anew."""
    rng, shape = np.random.default_rng(number), np.random.default_rng(0)
    gate, slopes = 2 * shape.standard_normal((4, 10)), shape.standard_normal((4, 10))
    X = rng.standard_normal((BATCH_ROWS, 10))
    expert = (X @ gate.T + rng.gumbel(size=(BATCH_ROWS, 4))).argmax(axis=1)
    return X, np.einsum("ij,ij->i", X, slopes[expert]) + 0.5 * rng.standard_normal(BATCH_ROWS)


def long(n_rows: int) -> dict[str, float]:
    """A stream of many rows: seconds, and the most memory."""
    warnings.simplefilter("ignore")
    model, learning, early = MoERegressor(4, n_init=2, move_budget=2, random_state=0), 0.0, 0.0
    for number in range(n_rows // BATCH_ROWS):
        X, y = batch(number)
        began = time.perf_counter()
        model.partial_fit(X, y)
        learning += time.perf_counter() - began
        early = memory("self", "VmHWM") if number < EARLY else early
    X, y = batch(10**6)
    return {
        "learning": learning,
        "early": early,
        "peak": memory("self", "VmHWM"),
        "density": model.log_prob(X, y).mean(),
    }


def streamed(n_rows: int) -> Row:
    """A long stream in a process of its own."""
    found = answered("benchmarks.stream", n_rows, limit=1800)
    return {
        "rows": n_rows,
        "seconds of learning": found["learning"],
        "µs a row": 1e6 * found["learning"] / n_rows,
        f"peak after {EARLY * BATCH_ROWS:,} rows, MiB": found["early"],
        "peak, MiB": found["peak"],
        "log density of new rows, nats": found["density"],
    }


def measured(quick: bool) -> Tables:
    shuffles = 1 if quick else N_SHUFFLES
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = [compared(*problem, shuffles) for problem in problems(quick)]
    return {
        f"{N_BATCHES} shuffled batches, nats a row": table,
        "A long stream of 10 columns, K=4": [streamed(1_000_000 if quick else 50_000_000)],
    }


if __name__ == "__main__":
    print(json.dumps(long(int(sys.argv[1]))))
