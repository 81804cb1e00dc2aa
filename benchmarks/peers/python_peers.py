"""Peers in Python, as a program that needs nothing of skmoe: any Python that has them can run it.

python python_peers.py NAME FILE        NAME is cgmm, smt or egobox; prints one JSON object

FILE is an npz with X, y, X_test, y_test and n_experts. Told are the mean log density of the training rows (cgmm, whose
model has one), of the test rows with the predicted variance, the error of test rows, and seconds of the fit.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np


def cgmm(data: Mapping[str, np.ndarray]) -> dict[str, float]:
    moe = importlib.import_module("cgmm").MixtureOfExpertsRegressor(int(data["n_experts"]), random_state=0)
    began = time.perf_counter()
    moe.fit(data["X"], data["y"])
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "log_likelihood": float(np.sum(moe.log_prob(data["X"], data["y"]))),
        "rmse": rmse(moe.predict(data["X_test"]), data["y_test"]),
        "log_density": float(np.mean(moe.log_prob(data["X_test"], data["y_test"]))),
    }


def smt(data: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Gaussian processes; the number of clusters is given, the recombination is smooth."""
    MOE = importlib.import_module("smt.applications").MOE
    moe = MOE(
        smooth_recombination=True,
        n_clusters=int(data["n_experts"]),
        xt=data["X"],
        yt=data["y"],
        variances_support=True,
    )
    began = time.perf_counter()
    moe.train()
    seconds = time.perf_counter() - began
    mean, variance = moe.predict_values(data["X_test"]), moe.predict_variances(data["X_test"])
    return {"seconds": seconds, **of_normal(mean, variance, data["y_test"])}


def egobox(data: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Gaussian processes; the number of clusters is given, the recombination is smooth."""
    egx = importlib.import_module("egobox")
    builder = egx.GpMix(n_clusters=int(data["n_experts"]), recombination=egx.Recombination.SMOOTH, seed=0)
    began = time.perf_counter()
    moe = builder.fit(data["X"], data["y"][:, None])
    seconds = time.perf_counter() - began
    mean, variance = moe.predict(data["X_test"]), moe.predict_var(data["X_test"])
    return {"seconds": seconds, **of_normal(mean, variance, data["y_test"])}


def of_normal(mean: np.ndarray, variance: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """What a prediction and its variance are worth."""
    mean, variance = np.ravel(mean), np.maximum(np.ravel(variance), 1e-12)
    log_density = -0.5 * (np.log(2 * np.pi * variance) + np.square(y - mean) / variance)
    return {"rmse": rmse(mean, y), "log_density": float(np.mean(log_density))}


def rmse(mean: Any, y: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(np.ravel(mean) - y))))


def main(name: str, path: str) -> None:
    try:
        importlib.import_module(name)
    except ImportError:
        print(json.dumps({"missing": name}))
        return
    found = {"cgmm": cgmm, "smt": smt, "egobox": egobox}[name](dict(np.load(path)))
    print("\n" + json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
