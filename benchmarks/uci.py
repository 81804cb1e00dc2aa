"""Test densities on the UCI regression splits, beside published rows.

python -m benchmarks.uci                              all five sets
python -m benchmarks.uci --sets yacht --splits 5

A set chooses once among six mixtures, by the mean log density of held-out rows: three folds inside each of the first
three training splits. The choice is then fitted on every split; scores are those of the test rows. *Stacked* weighs the
fits of the average; *best alone* makes as many starts and then moves; *grown* is one tree on the same columns, as deep
as held-out rows find worth it.
"""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import Pipeline

from skmoe import MoERegressor
from skmoe.scoring import neg_log_score
from skmoe.selection import Growth

from .data import Split, card, load, splits
from .features import quadratic

#: Sets with the number of splits and of averaged fits.
SETS = {"yacht": (20, 10), "concrete": (20, 10), "wine_red": (20, 10), "kin8nm": (5, 5), "power": (5, 5)}

METHODS = ["MC dropout", "deep ensembles", "concrete dropout", "NGBoost", "deep evidential regression", "WGBoost"]
METHODS += ["TabResFlow", "HistGradientBoosting + CV scale", "RandomForest + out-of-bag scale"]

#: Test NLL of `METHODS` in nats, as published on 20 splits; the last two measured on the same splits.
PUBLISHED = {
    "yacht": [1.25, 1.18, 1.75, 0.20, 1.03, 0.16, 0.67, 2.58, 1.38],
    "concrete": [2.94, 3.06, 3.51, 3.04, 3.01, 2.83, 2.90, 2.92, 3.01],
    "wine_red": [0.93, 0.94, 1.70, 0.91, 0.89, 0.95, np.nan, 0.89, 0.86],
    "kin8nm": [-1.14, -1.20, -0.65, -0.49, -1.24, -0.44, -1.29, -0.66, -0.55],
    "power": [2.81, 2.79, 2.75, 2.79, 2.81, 2.60, 2.60, 2.63, 2.62],
}


class Candidate(NamedTuple):
    """Columns as they are, with squares, or with squares and products; number of experts; ridge."""

    kind: str
    n_experts: int
    ridge: float

    def __str__(self) -> str:
        return f"{self.kind}, K={self.n_experts}, alpha={self.ridge:g}"


CANDIDATES = [Candidate("columns", 8, 1), Candidate("squares", 8, 0.01), Candidate("squares", 16, 0.01)]
CANDIDATES += [Candidate("squares", 16, 0.1), Candidate("products", 4, 0.01), Candidate("products", 8, 0.01)]
NOTHING_CHOSEN = Candidate("columns", 8, 0.01)


class Scores(NamedTuple):
    """Scores of the test rows of one split."""

    nll: float
    nll_on_grid: float
    rmse: float
    interval_score: float
    coverage: float


class Problem(NamedTuple):
    """A set with its splits, the number of fits to average, and the step of the grid that its targets lie on."""

    X: np.ndarray
    y: np.ndarray
    splits: list[Split]
    n_init: int
    resolution: float

    @classmethod
    def of(cls, name: str, most_splits: int) -> Problem:
        arrays = load(name)
        n_splits, n_init = SETS[name]
        parts = list(splits(arrays, min(n_splits, most_splits)))
        resolution = float(card(name).get("target_resolution", 0))
        return cls(arrays["X"].astype(float), arrays["y"].astype(float), parts, n_init, resolution)

    def model(self, candidate: Candidate, combine: str, jobs: int) -> Pipeline:
        """A pipeline that ends in the mixture; the last tenth of a nat is left alone."""
        mixture = MoERegressor(
            Growth("held_out") if combine == "grown" else candidate.n_experts,
            alpha=candidate.ridge,
            gate_alpha=candidate.ridge,
            scale_floor=max(1e-3, self.resolution / np.sqrt(12) / self.y.std()),  # the sd of rounding
            n_init=1 if combine == "grown" else self.n_init,
            combine_inits="best" if combine == "grown" else combine,
            max_iter=300,
            tol=0.1,
            random_state=0,
            n_jobs=jobs,
        )
        return Pipeline([("features", quadratic(candidate.kind)), ("model", mixture)])

    def held_out(self, candidate: Candidate, jobs: int) -> float:
        """Mean log density of held-out rows, three folds inside each of the first three training splits."""
        model, folds = self.model(candidate, "average", jobs), KFold(3, shuffle=True, random_state=0)
        found = [
            cross_val_score(model, self.X[train], self.y[train], cv=folds, scoring=neg_log_score)
            for train, _ in self.splits[:3]
        ]
        return float(np.mean(found))

    def scores(self, candidate: Candidate, combine: str, jobs: int) -> np.ndarray:
        """`Scores` of every split, (n_splits, 5)."""
        found = []
        for train, test in self.splits:
            model = self.model(candidate, combine, jobs).fit(self.X[train], self.y[train])
            found.append(scores(model, self.X[test], self.y[test], self.resolution))
        return np.array(found)


def scores(model: Pipeline, X: np.ndarray, y: np.ndarray, resolution: float) -> Scores:
    """Scores of rows; on a grid of targets a density is the probability between half steps, over the step."""
    distribution = model[-1].predict_dist(model[:-1].transform(X))
    nll = on_grid = -float(distribution.logpdf(y).mean())
    if resolution:
        half = 0.5 * resolution
        probability = distribution.cdf(y + half) - distribution.cdf(y - half)
        on_grid = -float(np.log(np.maximum(probability, 1e-300) / resolution).mean())
    low, high = distribution.interval(0.9).T
    outside = np.maximum(low - y, 0) + np.maximum(y - high, 0)
    return Scores(
        nll,
        on_grid,
        float(np.sqrt(np.mean(np.square(distribution.mean() - y)))),
        float(np.mean(high - low + 20 * outside)),
        float(np.mean(outside == 0)),
    )


def row(label: str, table: np.ndarray) -> str:
    """A line of the table: means and standard errors over splits."""
    error = table.std(axis=0, ddof=1) / np.sqrt(len(table))
    cells = [f"{m:.3f} ± {e:.3f}" for m, e in zip(table.mean(axis=0), error, strict=True)]
    return f"| {label} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--splits", type=int, default=20, help="at most so many")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", type=Path, help="also write what was found here")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    found: dict[str, dict[str, list]] = {}
    for name in args.sets:
        problem = Problem.of(name, args.splits)
        values = [problem.held_out(candidate, args.jobs) for candidate in CANDIDATES]
        choice = CANDIDATES[int(np.argmax(values))]
        print(f"\n### {name}: {len(problem.y):,} rows, {len(problem.splits)} splits, {problem.n_init} fits averaged\n")
        print("held-out log density: " + "; ".join(f"{c}: {v:.3f}" for c, v in zip(CANDIDATES, values, strict=True)))
        print("\n| model | NLL | NLL on the grid | RMSE | interval score, 90 % | coverage |\n|---|---|---|---|---|---|")
        for label, candidate, combine in (
            (f"mixture ({choice})", choice, "average"),
            ("the same, stacked", choice, "stack"),
            ("the same, best alone", choice, "best"),
            ("the same columns, grown", choice, "grown"),
            (f"nothing chosen ({NOTHING_CHOSEN})", NOTHING_CHOSEN, "average"),
        ):
            table = problem.scores(candidate, combine, args.jobs)
            print(row(label, table), flush=True)
            found.setdefault(name, {})[label] = table.tolist()
        for method, nll in zip(METHODS, PUBLISHED[name], strict=True):
            print(f"| {method} | {nll:.2f} | | | | |")
        if args.json:
            args.json.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
