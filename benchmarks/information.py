"""Full and block-diagonal information of a softmax gate: ``python -m benchmarks.information [--rows 5000]``.

Simulated mixtures of growing size, and real tables whose columns are squared to make more of them. The same five starts
run to convergence with either information; the table gives the median of passes and of seconds, and their ratios.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from unittest.mock import patch

import numpy as np

from benchmarks.data import load
from benchmarks.features import quadratic
from skmoe import MoERegressor
from skmoe.datasets import make_moe_regression
from skmoe.gates import softmax

#: Columns and experts of simulated problems.
SIZES = [(5, 4), (10, 4), (10, 8), (20, 8), (40, 8), (20, 16), (40, 16), (80, 8)]
#: Real tables: columns as they are or squared too, and experts.
TABLES = [("concrete", "columns", 8), ("kin8nm", "columns", 8), ("kin8nm", "squares", 16), ("power", "squares", 16)]


def problems(n_rows: int) -> Iterator[tuple[str, np.ndarray, np.ndarray, int]]:
    for p, k in SIZES:
        X, y = make_moe_regression(n_rows, p, n_experts=k, noise=0.3, random_state=0)
        yield f"simulated, {p} columns", X, y, k
    for name, kind, k in TABLES:
        arrays = load(name)
        rows = np.random.default_rng(0).permutation(len(arrays["y"]))[:n_rows]
        X = quadratic(kind).fit_transform(arrays["X"][rows].astype(float))
        yield f"{name}, {kind}", X, arrays["y"][rows], k


def measured(X: np.ndarray, y: np.ndarray, n_experts: int, largest: float) -> np.ndarray:
    """Passes, seconds and objective of five starts, (3, 5)."""
    found = []
    with patch.object(softmax, "FULL_INFORMATION", largest):
        for seed in range(5):
            model = MoERegressor(n_experts, n_init=1, move_budget=0, max_iter=500, tol=1e-2, random_state=seed)
            begin = time.perf_counter()
            model.fit(X, y)
            found.append((model.n_iter_, time.perf_counter() - begin, model.objective_))
    return np.transpose(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5000, help="at most so many")
    options = parser.parse_args()
    print("| problem | K | coefficients | passes, full | blocks | seconds, full | blocks | ratio of seconds |")
    print("|---|---|---|---|---|---|---|---|")
    for name, X, y, k in problems(options.rows):
        full, blocks = (np.median(measured(X, y, k, largest), axis=1) for largest in (np.inf, 0))
        size = (k - 1) * (X.shape[1] + 1)
        print(
            f"| {name} | {k} | {size} | {full[0]:.0f} | {blocks[0]:.0f} | {full[1]:.2f} | {blocks[1]:.2f} "
            f"| {full[1] / blocks[1]:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
