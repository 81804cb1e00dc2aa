"""Sparse X: seconds of a pass against stored entries, and memory of a fit.

Rows hold a hundred entries each in ten thousand columns, one per cent, and there are four experts: a million rows store
1e8 entries. The peak is that of the whole process of a fit of a few passes, imports and the matrix itself included.

python -m benchmarks.sparse ROWS        one fit, as JSON
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from typing import Any

import numpy as np
import scipy.sparse as sp

from skmoe import MoERegressor
from skmoe.experts import LinearExpert
from skmoe.families import Gaussian
from skmoe.gates import SoftmaxGate
from skmoe.mixture import Mixture
from skmoe.rows.columns import Columns
from skmoe.rows.source import array_rows
from skmoe.rows.sparse import SparseRows
from skmoe.training.starts import hyperplanes
from skmoe.tree import Tree

from .process import answered, memory
from .report import Row, Tables
from .timing import alternated, exponent, ratio

N_COLUMNS, N_ENTRIES, N_EXPERTS = 10_000, 100, 4
#: Rows that are drawn at a time, so that making the matrix needs no more memory than it.
_DRAWN = 10_000


def problem(n_rows: int, seed: int = 0) -> tuple[sp.csr_array, np.ndarray]:
    """Rows with entries in random columns, and a response that follows one of two lines."""
    rng = np.random.default_rng(seed)
    data, indices = np.empty(n_rows * N_ENTRIES), np.empty(n_rows * N_ENTRIES, dtype=np.int32)
    lines, y = rng.standard_normal((3, N_COLUMNS)), np.empty(n_rows)
    width = N_COLUMNS // N_ENTRIES  # an entry in each of as many bands, so that columns differ
    for first in range(0, n_rows, _DRAWN):
        n = min(_DRAWN, n_rows - first)
        columns = np.arange(0, N_COLUMNS, width) + rng.integers(width, size=(n, N_ENTRIES))
        values = 1 + rng.standard_normal((n, N_ENTRIES))
        gate, one, other = (np.einsum("ij,ij->i", values, line[columns]) for line in lines)
        y[first : first + n] = np.where(gate > 0, one, other) + rng.standard_normal(n)
        at = slice(first * N_ENTRIES, (first + n) * N_ENTRIES)
        data[at], indices[at] = values.ravel(), columns.ravel()
    indptr = np.arange(0, n_rows * N_ENTRIES + 1, N_ENTRIES, dtype=np.int32)
    return sp.csr_array((data, indices, indptr), shape=(n_rows, N_COLUMNS)), y


def passes(X: sp.csr_array, y: np.ndarray, rounds: int) -> Row:
    """Seconds of a score-only pass, of one with information, and of scipy's products with as many vectors."""
    weight = np.ones(len(y))
    mixture = Mixture.of(Tree.parse(N_EXPERTS), SoftmaxGate(), LinearExpert(Gaussian()).adapted(y[:, None], weight))
    held = SparseRows(X)
    columns = Columns.of(held, weight, np.arange(N_COLUMNS))
    rows = array_rows(mixture, columns, columns, held, y[:, None], weight)
    few = rows.taken(np.arange(2000), np.ones(2000))
    params = hyperplanes(mixture, few, np.random.default_rng(0))
    rng = np.random.default_rng(0)
    coef, values = rng.standard_normal((N_COLUMNS, 2 * N_EXPERTS)), rng.standard_normal((len(y), 2 * N_EXPERTS))
    seconds = alternated(
        {
            "scores": lambda: mixture.sums(params, rows, information=False),
            "information": lambda: mixture.sums(params, rows),
            "scipy": lambda: (X @ coef, X.T @ values),
        },
        rounds,
    )
    return {
        "stored entries": X.nnz,
        "scores only, s": float(np.median(seconds["scores"])),
        "with information, s": float(np.median(seconds["information"])),
        "scores only over scipy's products": ratio(seconds["scores"], seconds["scipy"]),
        "with information over scipy's products": ratio(seconds["information"], seconds["scipy"]),
    }


def size(X: Any) -> int:
    """Bytes of the stored matrix."""
    return X.data.nbytes + X.indices.nbytes + X.indptr.nbytes


def fit(n_rows: int) -> dict[str, float]:
    """Fit once, and tell."""
    warnings.simplefilter("ignore")
    X, y = problem(n_rows)
    began = time.perf_counter()
    model = MoERegressor(N_EXPERTS, n_init=1, move_budget=0, max_iter=10).fit(X, y)
    seconds = time.perf_counter() - began
    return {"matrix": size(X) / 2**20, "seconds": seconds, "passes": model.n_passes_, "peak": memory("self", "VmHWM")}


def fitted(n_rows: int) -> Row:
    """A fit in a process of its own."""
    found = answered("benchmarks.sparse", n_rows)
    return {
        "rows": n_rows,
        "the matrix, MiB": found["matrix"],
        "peak of the process, MiB": found["peak"],
        "in units of the matrix": found["peak"] / found["matrix"],
        "passes": int(found["passes"]),
        "seconds": found["seconds"],
    }


def measured(quick: bool) -> Tables:
    sizes = (3_000, 10_000) if quick else (10_000, 100_000, 1_000_000)
    table = [passes(*problem(n_rows), rounds=3 if n_rows > 100_000 else 7) for n_rows in sizes]
    entries = [row["stored entries"] for row in table]
    kinds = ("scores only, s", "with information, s")
    power = {kind: exponent(entries, [row[kind] for row in table]) for kind in kinds}
    return {
        f"A pass over CSR rows, {N_COLUMNS:,} columns, K={N_EXPERTS}": [*table, {"stored entries": "exponent"} | power],
        "Memory of a fit of them": [fitted(sizes[-1])],
    }


if __name__ == "__main__":
    print(json.dumps(fit(int(sys.argv[1]))))
