"""Softmax and Gaussian gates on the same splits: log density of test rows, and seconds.

python -m benchmarks.gates                      all rows, at most 5,000
python -m benchmarks.gates --rows 100           a hundred training rows
python -m benchmarks.gates --starts             the converted tied gate as a start of softmax gates, satimage and letter

Four experts, no moves, and the defaults of the estimators otherwise. Columns that do not vary, or that others determine
exactly, are left out, because a Gaussian gate refuses them.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Iterator

import numpy as np

from skmoe import MoEClassifier, MoERegressor
from skmoe.gates import GaussianGate

from .data import load, splits

REGRESSION = ["yacht", "concrete", "airfoil", "wine_red", "abalone", "puma8NH", "kin8nm", "power", "cpu_act"]
CLASSES = ["phoneme", "pb52_vowels", "mammography", "page_blocks", "segment", "ionosphere", "german_credit"]
FORMS = ["full", "tied", "diag", "spherical"]


def parts(name: str, n_splits: int, n_rows: int) -> Iterator[tuple[np.ndarray, ...]]:
    """Training and test rows of some splits."""
    arrays = load(name)
    X, y = arrays["X"].astype(float), arrays["y"]
    for split, (train, test) in enumerate(splits(arrays, n_splits)):
        train = np.random.default_rng(split).permutation(train)[:n_rows]
        test = test[np.isin(y[test], y[train])] if name in CLASSES else test
        seen = independent(X[train])
        yield X[train][:, seen], y[train], X[test][:, seen], y[test]


def independent(X: np.ndarray) -> np.ndarray:
    """Numbers of the columns that vary and are no linear combination of those before them."""
    varies = np.flatnonzero(np.ptp(X, axis=0) > 0)
    Z = (X[:, varies] - X[:, varies].mean(axis=0)) / X[:, varies].std(axis=0)
    left = np.zeros(len(varies))
    root = np.abs(np.diagonal(np.linalg.qr(Z, mode="r")))
    left[: len(root)] = root
    return varies[left > 1e-6 * np.sqrt(len(X))]


def starts(n_rows: int, n_experts: int, n_seeds: int = 30) -> None:
    """Single starts to their end: objective in nats a row, passes, seconds, and log density of test rows."""
    print("| set | start | objective | best | test log density | passes | seconds |\n|---|---|---|---|---|---|---|")
    for name in ("satimage", "letter"):
        X, y, X_test, y_test = next(parts(name, 1, n_rows))
        for kind in ("gaussian_gate", "hyperplanes", "tilt"):
            found = []
            for seed in range(n_seeds):
                model = MoEClassifier(n_experts, alpha=1, gate_alpha=1, init=kind, n_init=1, tol=0.1, random_state=seed)
                begin = time.perf_counter()
                model.fit(X, y)
                seconds = time.perf_counter() - begin
                tested = model.log_prob(X_test, y_test).mean()
                found.append((model.objective_ / len(y), tested, model.n_passes_, seconds))
            objective, tested, passes, seconds = np.transpose(found)
            print(
                f"| {name} | {kind} | {told(objective)} | {objective.max():.4f} | {told(tested)} | {passes.mean():.0f} "
                f"| {seconds.mean():.1f} |",
                flush=True,
            )


def told(values: np.ndarray) -> str:
    """Mean and standard error."""
    return f"{values.mean():.4f} ± {values.std(ddof=1) / np.sqrt(len(values)):.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=REGRESSION + CLASSES, choices=REGRESSION + CLASSES)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--experts", type=int, default=4)
    parser.add_argument("--starts", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.starts:
        return starts(options.rows, options.experts)

    gates = {"softmax": "softmax", **{form: GaussianGate(form) for form in FORMS}}
    print("test log density in nats a row (seconds a fit)")
    print(f"{'':14s}" + "".join(f"{name:>18s}" for name in gates))
    for name in options.sets:
        make = MoEClassifier if name in CLASSES else MoERegressor
        cells = []
        for gate in gates.values():
            found, start = [], time.perf_counter()
            for X, y, X_test, y_test in parts(name, options.splits, options.rows):
                model = make(options.experts, gate=gate, move_budget=0, random_state=0).fit(X, y)
                found.append(model.log_prob(X_test, y_test).mean())
            seconds = (time.perf_counter() - start) / len(found)
            cells.append(f"{np.mean(found):10.3f} ({seconds:5.2f})")
        print(f"{name:14s}" + "".join(cells), flush=True)


if __name__ == "__main__":
    main()
