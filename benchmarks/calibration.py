"""Coverage of 90 % intervals on open regression sets: averages of fits beside single fits.

python -m benchmarks.calibration
"""

from __future__ import annotations

import argparse
import warnings

import numpy as np
from sklearn.impute import SimpleImputer

from skmoe import MoERegressor

from .data import card, load, splits

SETS = ["abalone", "airfoil", "bike", "california", "concrete", "cpu_act", "diamonds", "ethanol", "kin8nm", "mcycle"]
SETS += ["nodata", "planes2d", "power", "puma8NH", "tempanomalies", "tonedata", "wine_red", "yacht"]
#: Rows to train on, and the number of splits.
_MOST_ROWS, _SPLITS = 5_000, 3


def coverage(name: str, combine: str, jobs: int) -> tuple[float, float]:
    """Share of test rows within their intervals, and within them or on the same step of the grid of targets."""
    arrays = load(name)
    X, y = SimpleImputer().fit_transform(arrays["X"]), arrays["y"].astype(float)
    step = float(card(name).get("target_resolution", 0))
    found = []
    for train, test in splits(arrays, _SPLITS):
        some = np.random.default_rng(0).permutation(train)[:_MOST_ROWS]
        floor = max(1e-3, step / np.sqrt(12) / y.std())
        model = MoERegressor(4, scale_floor=floor, combine_inits=combine, random_state=0, n_jobs=jobs, tol=0.1)
        low, high = model.fit(X[some], y[some]).predict_interval(X[test]).T
        inside = [np.mean((low - near <= y[test]) & (y[test] <= high + near)) for near in (0, 0.5 * step)]
        found.append(inside)
    strict, on_grid = np.mean(found, axis=0)
    return float(strict), float(on_grid)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=SETS, choices=SETS)
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    print("| set | average of five | on its grid | best of five | on its grid |\n|---|---|---|---|---|")
    rows = []
    for name in args.sets:
        rows.append([*coverage(name, "average", args.jobs), *coverage(name, "best", args.jobs)])
        print(f"| {name} | {' | '.join(f'{value:.3f}' for value in rows[-1])} |", flush=True)
    print(f"| mean | {' | '.join(f'{value:.3f}' for value in np.mean(rows, axis=0))} |")


if __name__ == "__main__":
    main()
