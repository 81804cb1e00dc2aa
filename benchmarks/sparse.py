"""Sparse X: seconds of a pass against stored entries, and memory of a fit.

OPENBLAS_NUM_THREADS=1 python -m benchmarks.sparse [largest number of rows]

Rows hold a hundred entries each in ten thousand columns, one per cent, and there are four experts: a million rows store
1e8 entries. The peak is that of the whole process of a fit of a few passes, imports and the matrix itself included.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
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

from .speed import median

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


def passes(X: sp.csr_array, y: np.ndarray) -> dict[str, float]:
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
    n = 3 if len(y) > 100_000 else 7
    return {
        "score": median(lambda: mixture.sums(params, rows, information=False), n),
        "information": median(lambda: mixture.sums(params, rows), n),
        "scipy": median(lambda: (X @ coef, X.T @ values), n),
    }


def size(X: Any) -> int:
    """Bytes of the stored matrix."""
    return X.data.nbytes + X.indices.nbytes + X.indptr.nbytes


def fit(n_rows: int) -> None:
    """Fit once and print the peak of the process over the size of the matrix."""
    X, y = problem(n_rows)
    built = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    began = time.perf_counter()
    model = MoERegressor(N_EXPERTS, n_init=1, move_budget=0, max_iter=10).fit(X, y)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        f"fit, {n_rows:,} x {N_COLUMNS:,}, max_iter=10: {seconds:.0f} s, {model.n_passes_:.1f} passes, peak "
        f"{peak / 1e9:.2f} GB = {peak / size(X):.2f} x the CSR ({size(X) / 1e9:.2f} GB; made with {built / 1e9:.2f} GB)"
    )


def main(most: int) -> None:
    found = []
    for n_rows in (10_000, 100_000, 1_000_000):
        if n_rows > most:
            break
        X, y = problem(n_rows)
        seconds = passes(X, y)
        found.append((X.nnz, seconds["score"]))
        ratios = ", ".join(f"{seconds[kind] / seconds['scipy']:.2f} with {kind}" for kind in ("score", "information"))
        print(
            f"pass, {X.nnz:.0e} entries: {seconds['score']:.3f} s, in units of X @ B and X.T @ V: {ratios}", flush=True
        )
    if len(found) > 1:
        print(f"seconds grow with the power {np.polyfit(*np.log(np.transpose(found)), 1)[0]:.2f} of stored entries")
    subprocess.run([sys.executable, "-W", "ignore", "-m", "benchmarks.sparse", "fit", str(most)], check=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["fit"]:
        fit(int(sys.argv[2]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
