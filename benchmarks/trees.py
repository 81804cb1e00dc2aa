"""Trees against flat mixtures of as many experts, by test density.

python -m benchmarks.trees                              all four sets
python -m benchmarks.trees --sets concrete --splits 5

Nothing is chosen: columns as they are, default ridges, the best of five starts. A lead is the mean difference of the
test log density of the same split, tree less flat, with its standard error over splits.
"""

from __future__ import annotations

import argparse
import warnings

import numpy as np

from skmoe import MoERegressor

from .data import load, splits

SETS = ("concrete", "airfoil", "power", "kin8nm")

#: A flat mixture, and the trees with as many experts.
SHAPES = {4: [(2, 2)], 8: [(2, 4), (2, 2, 2)]}


def log_density(name: str, n_experts: int | tuple, n_splits: int) -> np.ndarray:
    """Mean log density of the test rows of each split."""
    arrays = load(name)
    X, y = arrays["X"].astype(float), arrays["y"].astype(float)
    found = []
    for seed, (train, test) in enumerate(splits(arrays, n_splits)):
        model = MoERegressor(n_experts, random_state=seed).fit(X[train], y[train])
        found.append(model.log_prob(X[test], y[test]).mean())
    return np.array(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    parser.add_argument("--splits", type=int, default=10, help="at most so many")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    print("| set | flat | log density | tree | lead |\n|---|---|---|---|---|")
    for name in args.sets:
        for n_experts, trees in SHAPES.items():
            flat = log_density(name, n_experts, args.splits)
            for tree in trees:
                lead = log_density(name, tree, args.splits) - flat
                error = lead.std(ddof=1) / np.sqrt(len(lead))
                lead_text = f"{lead.mean():+.3f} ± {error:.3f}".replace("-", "−")
                flat_text = f"{flat.mean():.3f}".replace("-", "−")
                print(f"| {name} | {n_experts} | {flat_text} | {tree} | {lead_text} |", flush=True)


if __name__ == "__main__":
    main()
