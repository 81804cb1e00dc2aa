"""Seconds and passes to within 0.01 nats of each run's own optimum: the default against plain EM (``memory=0``).

Ten starts a problem. What is reached is what the run itself ends at with a tolerance of 1e-7. Ratios are EM over the
default, medians over starts; a run of EM that was not there after 3,000 passes counts as if it had been.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.datasets import load_diabetes

from skmoe.datasets import make_moe_regression
from skmoe.families import Gaussian

from .data import load
from .problems import Path, Problem, gaussian, path, problem
from .report import Row, Tables

_MOST = 3000


def overlapping(n_rows: int) -> Problem:
    X, y = make_moe_regression(n_rows, 10, n_experts=4, noise=1.0, gate_scale=2.0, random_state=0)
    return problem(X, y, 4, Gaussian())


def real(name: str, n_experts: int) -> Problem:
    arrays = load(name)
    return problem(arrays["X"].astype(float), arrays["y"].astype(float), n_experts, Gaussian())


#: Problems by name.
PROBLEMS: dict[str, Callable[[], Problem]] = {
    "simulated, 20,000 × 10, K=4, overlapping": lambda: overlapping(20_000),
    "diabetes, K=3": lambda: problem(*load_diabetes(return_X_y=True), 3, Gaussian()),
    "concrete, K=6": lambda: real("concrete", 6),
    "kin8nm, K=8": lambda: real("kin8nm", 8),
    "power, K=8": lambda: real("power", 8),
    "simulated, 20,000 × 10, K=8": lambda: gaussian(20_000, 10, 8, alpha=1e-2),
}


def compared(it: Problem, starts: int) -> dict[str, np.ndarray]:
    """Seconds and passes to near the optimum, and that optimum, by memory: (starts, 3)."""
    path(it, it.started(0), most=5)  # compiles what is not compiled yet
    found: dict[str, list[tuple[float, float, float]]] = {"default": [], "EM": []}
    for seed in range(starts):
        params = it.started(seed)
        for name, memory in (("default", 10), ("EM", 0)):
            run = path(it, params, memory=memory, most=_MOST)
            found[name].append((*_reached(run), run.optimum))
    return {name: np.array(values) for name, values in found.items()}


def _reached(run: Path) -> tuple[float, float]:
    seconds, passes = run.near()
    return (seconds, passes) if np.isfinite(seconds) else (float(run.seconds[-1]), float(run.passes[-1]))


def measured(quick: bool) -> Tables:
    starts = 2 if quick else 10
    problems = {"simulated, 2,000 × 10, K=4, overlapping": lambda: overlapping(2000)} if quick else PROBLEMS
    rows: list[dict[str, Any]] = []
    for name, made in problems.items():
        found = compared(made(), starts)
        default, em = found["default"], found["EM"]
        fewer, faster = np.median(em[:, 1] / default[:, 1]), np.median(em[:, 0] / default[:, 0])
        same = np.abs(em[:, 2] - default[:, 2]) < 0.1
        row: dict[str, Any] = {
            "problem": name,
            "passes": float(np.median(default[:, 1])),
            "passes of EM": float(np.median(em[:, 1])),
            "seconds": float(np.median(default[:, 0])),
            "seconds of EM": float(np.median(em[:, 0])),
            "ratio of passes": float(fewer),
            "ratio of seconds": float(faster),
            "same optimum": f"{same.sum()} of {starts}",
            "EM not there": int((em[:, 1] >= _MOST).sum()),
        }
        rows.append(row)
        print("  " + ", ".join(f"{k}: {v}" for k, v in row.items()), flush=True)
    means: Row = {"problem": "geometric mean"} | {
        name: float(np.exp(np.mean([np.log(row[name]) for row in rows])))
        for name in ("ratio of passes", "ratio of seconds")
    }
    return {f"To within 0.01 nats, {starts} starts each": [*rows, means]}
