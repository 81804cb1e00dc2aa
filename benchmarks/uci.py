"""Test densities on the UCI regression splits, beside published rows.

python -m benchmarks.uci                              concrete and yacht, five splits
python -m benchmarks.uci --sets kin8nm --splits 3
python -m benchmarks.uci --alphas 0.003 0.01 0.03     compare ridges, for averages and for single fits
"""

from __future__ import annotations

import argparse
import warnings

import numpy as np

from skmoe import MoERegressor

from .data import load, splits

#: Test NLL as published (Hernandez-Lobato & Adams splits), nats: MC dropout, deep ensembles, NGBoost, deep evidential
#: regression, WGBoost, TabResFlow.
PUBLISHED = {
    "concrete": {
        "MC dropout": 2.94,
        "deep ensembles": 3.06,
        "NGBoost": 3.04,
        "deep evidential": 3.01,
        "WGBoost": 2.83,
        "TabResFlow": 2.90,
    },
    "yacht": {
        "MC dropout": 1.25,
        "deep ensembles": 1.18,
        "NGBoost": 0.20,
        "deep evidential": 1.03,
        "WGBoost": 0.16,
        "TabResFlow": 0.67,
    },
    "kin8nm": {
        "MC dropout": -1.14,
        "deep ensembles": -1.20,
        "NGBoost": -0.49,
        "deep evidential": -1.24,
        "WGBoost": -0.44,
        "TabResFlow": -1.29,
    },
    "power": {
        "MC dropout": 2.81,
        "deep ensembles": 2.79,
        "NGBoost": 2.79,
        "deep evidential": 2.81,
        "WGBoost": 2.60,
        "TabResFlow": 2.60,
    },
    "wine_red": {
        "MC dropout": 0.93,
        "deep ensembles": 0.94,
        "NGBoost": 0.91,
        "deep evidential": 0.89,
        "WGBoost": 0.95,
    },
}


def interval_score(y: np.ndarray, interval: np.ndarray, coverage: float = 0.9) -> float:
    """Mean width plus ``2 / (1 - coverage)`` times the distance of y from its interval (Gneiting & Raftery 2007)."""
    low, high = interval.T
    outside = np.maximum(low - y, 0) + np.maximum(y - high, 0)
    return float(np.mean(high - low + 2 / (1 - coverage) * outside))


def measure(name: str, n_splits: int, **parameters: object) -> np.ndarray:
    """RMSE, NLL, interval score and coverage of each split, (n_splits, 4)."""
    arrays = load(name)
    X, y = arrays["X"].astype(float), arrays["y"].astype(float)
    rows = []
    for train, test in splits(arrays, n_splits):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = MoERegressor(8, n_init=10, random_state=0, **parameters).fit(X[train], y[train])
        interval = model.predict_interval(X[test])
        rmse = np.sqrt(np.mean(np.square(model.predict(X[test]) - y[test])))
        nll = -model.log_prob(X[test], y[test]).mean()
        covered = np.mean((interval[:, 0] <= y[test]) & (y[test] <= interval[:, 1]))
        rows.append([rmse, nll, interval_score(y[test], interval), covered])
    return np.array(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=["concrete", "yacht"])
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--alphas", type=float, nargs="+", default=[1e-2])
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    for name in args.sets:
        print(f"\n{name}, mean ± standard error of {args.splits} splits")
        print("                                RMSE            NLL    interval score  coverage of 90 %")
        for alpha in args.alphas:
            for combine in ("average", "best"):
                scores = measure(name, args.splits, alpha=alpha, combine_inits=combine, n_jobs=args.jobs)
                mean, error = scores.mean(axis=0), scores.std(axis=0, ddof=1) / np.sqrt(len(scores))
                print(
                    f"{combine:8s} alpha={alpha:<7g} {mean[0]:10.3f} ± {error[0]:.3f} {mean[1]:8.3f} ± {error[1]:.3f}"
                    f" {mean[2]:9.3f} ± {error[2]:.3f} {mean[3]:9.3f}",
                    flush=True,
                )
        for method, nll in PUBLISHED.get(name, {}).items():
            print(f"{method + ' (published)':38s} {nll:18.2f}")


if __name__ == "__main__":
    main()
