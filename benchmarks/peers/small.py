"""Peers that cannot be given these problems: mixtools (two experts, one covariate), and cgmm, SMT and egobox in Python.

cgmm has experts and a gate of our kind and starts by itself. SMT and egobox have Gaussian processes for experts; they
are compared by what they predict for test rows, from one fit with the number of experts given and all else default.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from skmoe import MoERegressor

from ..data import load, splits
from ..problems import Problem, gaussian
from ..process import carried_out
from ..report import Row, Tables
from ..timing import seconds_of
from .race import LIMIT, Peer, raced

#: The Python that has the peers.
PYTHON = os.environ.get("SKMOE_PEERS_PYTHON", sys.executable)


class Halves(dict):
    """X, y, X_test, y_test and n_experts."""


def halves(X: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray, n_experts: int) -> Halves:
    return Halves(X=X[train], y=y[train], X_test=X[test], y_test=y[test], n_experts=n_experts)


def theirs(name: str, data: Halves, limit: float) -> dict[str, Any]:
    """What a peer in Python tells of a fit, or why it does not."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.npz"
        np.savez(path, **data)
        script = str(Path(__file__).with_name("python_peers.py"))
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"RAYON_NUM_THREADS": "1"}
        ended = carried_out([PYTHON, script, name, str(path)], limit, environment)
    if ended.stopped:
        return {"seconds": f"more than {limit:.0f}"}
    lines = [line for line in ended.output.splitlines() if line.startswith("{")]
    if ended.failed or not lines:
        return {"note": f"failed: {(ended.errors.strip().splitlines() or ['said nothing'])[-1]}"}
    found = json.loads(lines[-1])
    return {"note": f"not installed: {found['missing']}"} if "missing" in found else {**found, "peak MiB": ended.peak}


def ours(data: Halves, **settings: Any) -> dict[str, Any]:
    model = MoERegressor(data["n_experts"], random_state=0, **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(data["X"], data["y"])  # compiles what is not compiled yet
        seconds = seconds_of(lambda: model.fit(data["X"], data["y"]))
    return {
        "seconds": seconds,
        "log_likelihood": model.log_likelihood_,
        "rmse": float(np.sqrt(np.mean(np.square(model.predict(data["X_test"]) - data["y_test"])))),
        "log_density": float(model.log_prob(data["X_test"], data["y_test"]).mean()),
    }


def row(who: str, found: dict[str, Any]) -> Row:
    names = {"log_likelihood": "log-likelihood", "rmse": "test RMSE", "log_density": "test log density"}
    return {"package": who} | {names.get(name, name): value for name, value in found.items()}


def simulated(quick: bool) -> list[Row]:
    """Linear Gaussian experts; ours from one start and from the default search."""
    n = 400 if quick else 2000
    it: Problem = gaussian(n + n // 4, 5, 3)
    data = halves(it.X, it.y, np.arange(n), np.arange(n, len(it.X)), 3)
    return [
        row("skmoe, one start", ours(data, n_init=1, move_budget=0)),
        row("skmoe, default", ours(data)),
        row("cgmm", theirs("cgmm", data, LIMIT)),
    ]


def real(name: str, limit: float) -> list[Row]:
    """The first split of a set, four experts."""
    arrays = load(name)
    train, test = next(splits(arrays, 1))
    data = halves(arrays["X"].astype(float), arrays["y"].astype(float), train, test, 4)
    rows = [row("skmoe, default", ours(data)), row("skmoe, average of five", ours(data, combine_inits="average"))]
    for peer in ("cgmm", "egobox", "smt"):
        rows.append(row(peer, theirs(peer, data, limit)))
    return rows


def measured(quick: bool) -> Tables:
    n = 100 if quick else 200
    race = raced(gaussian(n, 1, 2), "gaussian", [Peer("mixtools")], starts=3, limit=5 if quick else 120)
    tables = {f"mixtools: {n} × 1, K=2, Gaussian": race.table, "cgmm: simulated, K=3, 5 columns": simulated(quick)}
    for name in ("yacht",) if quick else ("yacht", "concrete"):
        tables[f"{name}, K=4, first split"] = real(name, 20 if quick else 120)
    return tables
