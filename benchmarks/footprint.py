"""Memory of a fit, in a process of its own: the most beyond what stood there before, in units of X.

Runs are ended after 5 passes: memory is the same in every pass. Where X is mapped from a file, the system keeps as much
of the file in memory as there is room for, and takes it back when it wants to; what the process itself holds is counted
apart.

python -m benchmarks.footprint ROWS COLUMNS EXPERTS THREADS [FILE]        one fit, as JSON; X is written to the file
"""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from pathlib import Path
from threading import Event, Thread

import numpy as np

from skmoe import MoERegressor

from .process import answered, memory
from .report import Row, Tables

_HERE = "benchmarks.footprint"
_PART = 100_000


def rows(n_rows: int, n_columns: int, file: str | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X, y and weights, one row in ten of weight zero, made without anything else as large; X may be in a file."""
    rng = np.random.default_rng(0)
    shape = (n_rows, n_columns)
    X = np.empty(shape) if file is None else np.lib.format.open_memmap(file, "w+", shape=shape)
    y, weight = np.empty(n_rows), np.ones(n_rows)
    weight[::10] = 0
    slopes = rng.standard_normal((8, n_columns))
    for first in range(0, n_rows, _PART):
        part = rng.standard_normal((min(_PART, n_rows - first), n_columns))
        X[first : first + _PART] = part
        region = np.digitize(part[:, 0], np.linspace(-1.5, 1.5, 7))
        y[first : first + _PART] = np.einsum("ij,ij->i", part, slopes[region]) + 0.5 * rng.standard_normal(len(part))
    return X, y, weight


def one(n_rows: int, n_columns: int, n_experts: int, n_jobs: int, file: str | None = None) -> dict[str, float]:
    """Fit once, and tell; the kernels and libraries are loaded before."""
    warnings.simplefilter("ignore")
    model = MoERegressor(n_experts, max_iter=5, random_state=0, n_jobs=n_jobs)
    model.fit(*rows(50 * n_experts, n_columns))
    X, y, weight = rows(n_rows, n_columns, file)
    if file is not None:
        del X
        X = np.load(file, mmap_mode="r")
    before = memory("self", "VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    with Own() as own:
        model.fit(X, y, sample_weight=weight)
    found = {"before": before, "peak": memory("self", "VmHWM"), "own": own.most, "X": X.nbytes / 2**20}
    return found | {"passes": float(model.n_passes_)}


class Own(Thread):
    """The most memory, in MiB, that this process holds without what it has mapped, looked at every hundredth second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most, self._ended = 0.0, Event()

    def run(self) -> None:
        while not self._ended.wait(0.01):
            self.most = max(self.most, memory("self", "RssAnon"))

    def __enter__(self) -> Own:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self.join()


def measured(quick: bool) -> Tables:
    n_rows, n_columns, n_experts = (50_000 if quick else 1_000_000), 20, 8
    if not Path("/proc/self/clear_refs").exists():
        return {"Memory": [{"note": "This system does not tell how much memory a process had at most."}]}
    table: list[Row] = []
    for n_jobs in (1, 2):
        found = answered(_HERE, n_rows, n_columns, n_experts, n_jobs)
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
    with tempfile.TemporaryDirectory() as folder:
        found = answered(_HERE, 10 * n_rows, n_columns, n_experts, 1, Path(folder) / "X.npy")
    mapped = {
        "X, MiB": found["X"],
        "the process's own, at most, with libraries, y and weights, MiB": found["own"],
        "with the file in memory, MiB": found["peak"],
        "passes": int(found["passes"]),
    }
    title = f"{n_columns} columns, K={n_experts}, a tenth of the rows of weight zero, runs of 5 passes"
    return {f"Fit of {n_rows:,} rows, {title}": table, f"The same of {10 * n_rows:,} rows in a file": [mapped]}


if __name__ == "__main__":
    print(json.dumps(one(*map(int, sys.argv[1:5]), *sys.argv[5:6])))
