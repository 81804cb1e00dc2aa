"""Streams: how near `partial_fit` comes to the fit to all rows, and what a long one costs.

OPENBLAS_NUM_THREADS=1 python -m benchmarks.stream            gaps in nats a row
OPENBLAS_NUM_THREADS=1 python -m benchmarks.stream 50e6       seconds and memory of a stream of so many rows x 10
"""

from __future__ import annotations

import resource
import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from benchmarks.data import load
from skmoe import MoEClassifier, MoERegressor
from skmoe.datasets import make_moe_classification, make_moe_regression

N_BATCHES, N_EPOCHS, N_SHUFFLES = 20, 5, 3
#: Rows of a batch of the long stream.
BATCH_ROWS = 100_000


def problems() -> Iterator[tuple[str, Any, np.ndarray, np.ndarray]]:
    X, y = make_moe_regression(20_000, 10, n_experts=4, noise=0.5, random_state=0)
    yield "simulated", MoERegressor(4), X, y
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


def compare() -> None:
    print(f"nats a row below fits to all rows, {N_BATCHES} batches, {N_SHUFFLES} shuffles")
    print(f"{'':26s}below the fit: first batch, after 1 and 5 passes | below the fit from the first batch's optimum")
    for name, model, X, y in problems():
        found = np.array([gaps(model, X, y, seed) for seed in range(N_SHUFFLES)])
        for row in found:
            print(f"{name:26s}" + "  ".join(f"{gap:7.4f}" for gap in row), flush=True)


def batch(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of four noisy planes, each in its region, drawn anew."""
    rng, shape = np.random.default_rng(number), np.random.default_rng(0)
    gate, slopes = 2 * shape.standard_normal((4, 10)), shape.standard_normal((4, 10))
    X = rng.standard_normal((BATCH_ROWS, 10))
    expert = (X @ gate.T + rng.gumbel(size=(BATCH_ROWS, 4))).argmax(axis=1)
    return X, np.einsum("ij,ij->i", X, slopes[expert]) + 0.5 * rng.standard_normal(BATCH_ROWS)


def long(n_rows: int) -> None:
    """A stream of many rows: seconds, and the most memory."""
    model, drawing, learning = MoERegressor(4, n_init=2, move_budget=2, random_state=0), 0.0, 0.0
    for number in range(n_rows // BATCH_ROWS):
        began = time.perf_counter()
        X, y = batch(number)
        drawn = time.perf_counter()
        model.partial_fit(X, y)
        drawing, learning = drawing + drawn - began, learning + time.perf_counter() - drawn
        if number in (0, 4) or (number + 1) % 50 == 0:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                f"{(number + 1) * BATCH_ROWS:12,d} rows: {learning:7.1f} s of learning, {drawing:6.1f} s of drawing, "
                f"at most {peak:5.0f} MiB, {model.n_iter_} passes over the last batch",
                flush=True,
            )
    X, y = batch(10**6)
    print(f"log density of new rows {model.log_prob(X, y).mean():.4f} nats a row")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if len(sys.argv) > 1:
        long(int(float(sys.argv[1])))
    else:
        compare()
