"""Memory of a fit, in a process of its own: the most beyond what stood there before, in units of X.

Runs are ended after 5 passes: memory is the same in every pass.

python -m benchmarks.footprint ROWS COLUMNS EXPERTS THREADS        one fit, as JSON
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import numpy as np

from skmoe import MoERegressor

from .process import carried_out, memory
from .report import Row, Tables

_PART = 100_000


def rows(n_rows: int, n_columns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X, y and weights, one row in ten of weight zero, made without anything else as large."""
    rng = np.random.default_rng(0)
    X = np.empty((n_rows, n_columns))
    y, weight = np.empty(n_rows), np.ones(n_rows)
    weight[::10] = 0
    slopes = rng.standard_normal((8, n_columns))
    for first in range(0, n_rows, _PART):
        part = X[first : first + _PART]
        rng.standard_normal(out=part)
        region = np.digitize(part[:, 0], np.linspace(-1.5, 1.5, 7))
        y[first : first + _PART] = np.einsum("ij,ij->i", part, slopes[region]) + 0.5 * rng.standard_normal(len(part))
    return X, y, weight


def one(n_rows: int, n_columns: int, n_experts: int, n_jobs: int) -> dict[str, float]:
    """Fit once, and tell; the kernels and libraries are loaded before."""
    warnings.simplefilter("ignore")
    model = MoERegressor(n_experts, max_iter=5, random_state=0, n_jobs=n_jobs)
    model.fit(*rows(50 * n_experts, n_columns))
    X, y, weight = rows(n_rows, n_columns)
    before = memory("self", "VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    model.fit(X, y, sample_weight=weight)
    peak = memory("self", "VmHWM")
    return {"before": before, "peak": peak, "X": X.nbytes / 2**20, "passes": float(model.n_passes_)}


def measured(quick: bool) -> Tables:
    n_rows, n_columns, n_experts = (50_000 if quick else 1_000_000), 20, 8
    if not Path("/proc/self/clear_refs").exists():
        return {"Memory": [{"note": "This system does not tell how much memory a process had at most."}]}
    table: list[Row] = []
    for n_jobs in (1, 2):
        arguments = [str(n) for n in (n_rows, n_columns, n_experts, n_jobs)]
        ended = carried_out([sys.executable, "-m", "benchmarks.footprint", *arguments])
        if ended.failed:
            raise RuntimeError(ended.errors)
        found = json.loads(ended.output)
        table.append(
            {
                "threads": n_jobs,
                "X, MiB": found["X"],
                "before the fit, MiB": found["before"],
                "peak, MiB": found["peak"],
                "beyond, in units of X": (found["peak"] - found["before"]) / found["X"],
                "passes": int(found["passes"]),
            }
        )
    title = f"Default fit of {n_rows:,} × {n_columns}, K={n_experts}, a tenth of the rows of weight zero"
    return {title: table}


if __name__ == "__main__":
    print(json.dumps(one(*map(int, sys.argv[1:]))))
