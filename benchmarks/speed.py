"""Seconds of fits and passes, and the time of an import.

OPENBLAS_NUM_THREADS=1 python -m benchmarks.speed
"""

from __future__ import annotations

import subprocess
import sys
import time
import warnings
from collections.abc import Callable

import numpy as np

from skmoe import MoEClassifier, MoERegressor
from skmoe.datasets import make_moe_regression
from skmoe.experts import LinearExpert
from skmoe.families import Gaussian
from skmoe.gates import SoftmaxGate
from skmoe.mixture import Mixture
from skmoe.rows.columns import Columns
from skmoe.rows.source import array_rows
from skmoe.training.starts import hyperplanes
from skmoe.tree import Tree


def median(run: Callable[[], object], n: int = 7) -> float:
    """Median seconds of n runs after one."""
    run()
    seconds = []
    for _ in range(n):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return float(np.median(seconds))


def passes(n_rows: int, n_columns: int, n_experts: int) -> tuple[float, float]:
    """Seconds of a pass with and without information."""
    X, y = make_moe_regression(n_rows, n_columns, n_experts=n_experts, noise=0.5, random_state=0)
    weight = np.ones(n_rows)
    expert = LinearExpert(Gaussian()).adapted(y[:, None], weight)
    mixture = Mixture.of(Tree.parse(n_experts), SoftmaxGate(), expert)
    columns = Columns.of(X, weight, np.arange(n_columns))
    chunks = array_rows(mixture, columns, columns, X, y[:, None], weight)
    params = hyperplanes(mixture, chunks, np.random.default_rng(0))
    return (
        median(lambda: mixture.sums(params, chunks), 5),
        median(lambda: mixture.sums(params, chunks, information=False), 5),
    )


def import_ratio(n: int = 7) -> float:
    """Seconds of ``import skmoe`` over those of ``import sklearn``, medians of alternating fresh processes."""
    seconds: dict[str, list[float]] = {"sklearn": [], "skmoe": []}
    for _ in range(n):
        for name, found in seconds.items():
            code = f"import time; t = time.perf_counter(); import {name}; print(time.perf_counter() - t)"
            found.append(float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout))
    return float(np.median(seconds["skmoe"]) / np.median(seconds["sklearn"]))


def main() -> None:
    warnings.simplefilter("ignore")
    X, y = make_moe_regression(20_000, 10, n_experts=4, noise=0.5, random_state=0)
    seconds = median(lambda: MoERegressor(4, n_init=1, random_state=0).fit(X, y), 5)
    print(f"fit, 20,000 x 10, K=4 Gaussian, n_init=1       {seconds:.3f} s")
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 10)), rng.normal(size=30)
    small = [median(lambda s=s: MoERegressor(random_state=s).fit(X, y), 3) for s in range(7)]
    print(
        f"default fit, 30 x 10, regressor                {np.median(small):.3f} s (slowest of 7 seeds {max(small):.3f})"
    )
    small = [median(lambda s=s: MoEClassifier(random_state=s).fit(X, y > 0), 3) for s in range(7)]
    print(
        f"default fit, 30 x 10, classifier               {np.median(small):.3f} s (slowest of 7 seeds {max(small):.3f})"
    )
    full, score = passes(100_000, 20, 8)
    print(f"pass, 100,000 x 20, K=8, with information      {full:.3f} s")
    print(f"pass, 100,000 x 20, K=8, score only            {score:.3f} s")
    print(f"import skmoe / import sklearn                  {import_ratio():.2f}")


if __name__ == "__main__":
    main()
