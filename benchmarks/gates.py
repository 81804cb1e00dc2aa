"""Softmax and Gaussian gates on the same splits: log density of test rows, and seconds.

python -m benchmarks.gates                      all rows, at most 5,000
python -m benchmarks.gates --rows 100           a hundred training rows

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=REGRESSION + CLASSES, choices=REGRESSION + CLASSES)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--experts", type=int, default=4)
    options = parser.parse_args()
    warnings.simplefilter("ignore")

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
