"""Several classes: mixtures beside logistic regression, boosting, a network and a support vector machine.

python -m benchmarks.classification                      all sets
python -m benchmarks.classification vowel --models mixture tree average
python -m benchmarks.classification --paper              the vowels of 1991: 25 single starts of 4 and of 8 experts
python -m benchmarks.classification --moves              moves against none

Each model chooses by log loss (the support vector machine by accuracy) over folds of the training rows of the first
split, at most 4,000 of them, and is then fitted on every split. Where rows come from speakers, whole speakers are held
out. All but boosting see standardised columns; linear models and mixtures may choose squares or products as well.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupKFold, StratifiedKFold, cross_val_score, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import LabelEncoder
from sklearn.svm import SVC

from skmoe import MoEClassifier

from .data import Split, card, load, splits
from .features import quadratic

_MOST_TUNING_ROWS = 4_000


class Choices(NamedTuple):
    """What mixtures choose among on a set, how many starts the best is of, and how many while they choose."""

    flat: list[int]
    trees: list[tuple[int, ...]]
    kinds: list[str]
    ridges: tuple[float, ...] = (0.01, 0.1, 1, 10)  # of experts and gates alike
    n_init: int = 5
    n_init_choosing: int = 1


SETS = {
    "pb52_vowels": Choices([4, 8], [(2, 2), (2, 2, 2)], ["columns", "squares", "products"], n_init_choosing=5),
    "vowel": Choices([4, 8], [(2, 2), (2, 2, 2)], ["columns", "squares"], (0.1, 1, 10), n_init_choosing=2),
    "phoneme": Choices([8, 16, 32], [(2, 2, 2), (4, 4), (4, 8)], ["columns", "squares", "products"], (0.1, 1, 10)),
    "segment": Choices([4, 8], [(2, 2), (2, 2, 2)], ["columns", "squares"]),
    "satimage": Choices([4, 8], [(2, 2), (2, 2, 2)], ["columns"], (0.1, 1, 10)),
    "letter": Choices([8], [(2, 2, 2)], ["squares"], (1,), n_init=1),
}

#: Vowels of Jacobs, Jordan, Nowlan & Hinton (1991), https://doi.org/10.1162/neco.1991.3.1.79
_VOWELS_OF_1991 = ["i", "I", "A", "V"]
_ROWS_OF_A_SPEAKER = 66  # of the 528 training rows of vowel: eleven words six times


class Data(NamedTuple):
    """Rows with classes coded from 0, the speaker of each row where there are speakers, and the splits."""

    X: np.ndarray
    y: np.ndarray
    speaker: np.ndarray | None
    splits: list[Split]

    @classmethod
    def of(cls, name: str) -> Data:
        arrays = load(name)
        X, y, speaker = arrays["X"].astype(float), arrays["y"], arrays.get("speaker")
        parts = list(splits(arrays, 5))
        if name == "vowel":
            speaker = np.arange(len(y)) // _ROWS_OF_A_SPEAKER
        if name == "pb52_vowels":
            wanted = [card(name)["classes"].index(vowel) for vowel in _VOWELS_OF_1991]
            rows = np.flatnonzero(np.isin(y, wanted))
            parts = [tuple(np.flatnonzero(np.isin(rows, part)) for part in split) for split in parts]
            X, y, speaker = X[rows, 1:3], y[rows], speaker[rows]
        return cls(X, LabelEncoder().fit_transform(y), speaker, parts)

    def tuning_rows(self) -> np.ndarray:
        """Training rows of the first split, not too many."""
        rows = self.splits[0][0]
        if len(rows) > _MOST_TUNING_ROWS:
            rows, _ = train_test_split(rows, train_size=_MOST_TUNING_ROWS, stratify=self.y[rows], random_state=0)
        return rows

    def folds(self, rows: np.ndarray) -> list[Split]:
        """Folds of some rows: four of speakers, or three of rows."""
        if self.speaker is not None:
            return list(GroupKFold(4).split(rows, groups=self.speaker[rows]))
        return list(StratifiedKFold(3, shuffle=True, random_state=0).split(rows, self.y[rows]))


def mixture(kind: str, n_experts: Any, ridge: float, **parameters: Any) -> Pipeline:
    """One ridge for experts and gates; the last tenth of a nat is left alone."""
    model = MoEClassifier(
        n_experts, alpha=ridge, gate_alpha=ridge, memory=40, max_iter=300, tol=0.1, random_state=0, **parameters
    )
    return Pipeline([("features", quadratic(kind)), ("model", model)])


def on_columns(model: Any, kind: str = "columns") -> Pipeline:
    return Pipeline([("features", quadratic(kind)), ("model", model)])


def boosting(rate: float, leaves: int, n_trees: int) -> HistGradientBoostingClassifier:
    """Without early stopping, which scikit-learn begins at 10,000 rows: more than the choice sees."""
    return HistGradientBoostingClassifier(
        learning_rate=rate, max_leaf_nodes=leaves, max_iter=n_trees, early_stopping=False, random_state=0
    )


def candidates(choices: Choices, n_columns: int) -> dict[str, dict[str, Pipeline]]:
    """Models by name, with what each chooses among."""

    def mixtures(shapes: list, n_init: int, **parameters: Any) -> dict[str, Pipeline]:
        return {
            f"{kind}, K={shape}, alpha={ridge:g}": mixture(kind, shape, ridge, n_init=n_init, **parameters)
            for kind, shape, ridge in itertools.product(choices.kinds, shapes, choices.ridges)
        }

    lines = ["columns", "squares", "products"] if n_columns < 20 else ["columns", "squares"]
    return {
        "mixture": mixtures(choices.flat, choices.n_init),
        "tree": mixtures(choices.trees, choices.n_init),
        "average": mixtures(choices.flat, 5, combine_inits="average"),
        "logistic regression": {
            f"{kind}, C={C:g}": on_columns(LogisticRegression(C=C, max_iter=2000), kind)
            for kind, C in itertools.product(lines, (0.01, 0.1, 1, 10, 100))
        },
        "boosting": {
            f"rate {rate}, {leaves} leaves, {n} trees": Pipeline([("model", boosting(rate, leaves, n))])
            for rate, leaves, n in itertools.product((0.05, 0.1), (7, 31, 63), (100, 300))
        },
        "network": {
            f"width {width}, alpha={alpha:g}": on_columns(
                MLPClassifier((width,), alpha=alpha, max_iter=1000, random_state=0)
            )
            for width, alpha in itertools.product((32, 64, 256), (1e-2, 1))
        },
        "support vectors": {
            f"C={C:g}, gamma={gamma:g}": on_columns(SVC(C=C, gamma=gamma))
            for C, gamma in itertools.product((1, 10, 100), (0.03, 0.1, 0.3, 1, 3))
        },
    }


def chosen(made: dict[str, Pipeline], data: Data, choices: Choices) -> str:
    """The candidate that does best on held-out rows."""
    if len(made) == 1:
        return next(iter(made))
    rows = data.tuning_rows()
    folds = data.folds(rows)

    def mean(label: str) -> float:
        model = clone(made[label])
        if isinstance(model[-1], MoEClassifier):
            model.set_params(model__n_init=choices.n_init_choosing)
        scoring = "neg_log_loss" if hasattr(model[-1], "predict_proba") else "accuracy"
        return float(cross_val_score(model, data.X[rows], data.y[rows], cv=folds, scoring=scoring).mean())

    return max(made, key=mean)


class Scores(NamedTuple):
    """Of the test rows of one fit: share of errors and log loss; and its passes (epochs) and seconds."""

    error: float
    log_loss: float
    passes: float
    seconds: float


def measured(model: Pipeline, data: Data) -> Iterator[Scores]:
    """Scores of every split."""
    for train, test in data.splits:
        began = time.perf_counter()
        fitted = clone(model).fit(data.X[train], data.y[train])
        seconds = time.perf_counter() - began
        error = 1 - fitted.score(data.X[test], data.y[test])
        loss = np.nan
        if hasattr(fitted[-1], "predict_proba"):
            loss = log_loss(data.y[test], fitted.predict_proba(data.X[test]), labels=fitted.classes_)
        last = fitted[-1]
        passes = last.n_iter_ if isinstance(last, MLPClassifier) else getattr(last, "n_passes_", np.nan)
        yield Scores(error, loss, passes, seconds)


def row(label: str, choice: str, scores: np.ndarray, n_test: int) -> str:
    """A line of the table: means with standard errors over splits, or binomial where there is one."""
    at = Scores(*scores.mean(axis=0))
    if len(scores) > 1:
        spread = scores.std(axis=0, ddof=1) / np.sqrt(len(scores))
    else:
        spread = np.array([np.sqrt(at.error * (1 - at.error) / n_test), np.nan])
    error = f"{at.error:.4f} ± {spread[0]:.4f}"
    loss = "" if np.isnan(at.log_loss) else f"{at.log_loss:.4f}"
    loss += "" if np.isnan(spread[1]) else f" ± {spread[1]:.4f}"
    passes = "" if np.isnan(at.passes) else f"{at.passes:.0f}"
    return f"| {label} | {choice} | {error} | {loss} | {passes} | {at.seconds:.1f} |"


def compare(name: str, models: list[str] | None) -> dict[str, Any]:
    """Print the table of a set."""
    data, choices = Data.of(name), SETS[name]
    print(f"\n### {name}: {len(data.y):,} rows, {data.y.max() + 1} classes, {len(data.splits)} splits\n")
    print("| model | chosen | test error | test log loss | passes | seconds |\n|---|---|---|---|---|---|")
    found = {}
    for label, made in candidates(choices, data.X.shape[1]).items():
        if models and label not in models:
            continue
        choice = chosen(made, data, choices)
        scores = np.array(list(measured(made[choice], data)))
        print(row(label, choice, scores, len(data.splits[0][1])), flush=True)
        found[label] = {"chosen": choice, "scores": scores.tolist()}
    return found


def paper() -> None:
    """Single starts of one ridge, on a split like that of 1991: 50 speakers to train, 25 to test."""
    data = Data.of("pb52_vowels")
    speakers = np.unique(data.speaker)
    train, test = np.isin(data.speaker, speakers[:50]), np.isin(data.speaker, speakers[50:75])
    print("\n| K | alpha | right, training | right, test (smallest) | passes (most) | seconds |")
    print("|---|---|---|---|---|---|")
    for n_experts, ridge in itertools.product((1, 4, 8), (1, 0.1)):
        found = []
        for seed in range(25):
            began = time.perf_counter()
            model = MoEClassifier(n_experts, alpha=ridge, gate_alpha=ridge, n_init=1, random_state=seed)
            model.fit(data.X[train], data.y[train])
            seconds = time.perf_counter() - began
            right = [model.score(data.X[part], data.y[part]) for part in (train, test)]
            found.append([*right, model.n_passes_, seconds])
        mean, low, high = np.mean(found, axis=0), np.min(found, axis=0), np.max(found, axis=0)
        print(f"| {n_experts} | {ridge:g} | {mean[0]:.3f} | {mean[1]:.3f} ({low[1]:.3f}) | ", end="")
        print(f"{mean[2]:.0f} ({high[2]:.0f}) | {mean[3]:.2f} |", flush=True)


def moves() -> None:
    """Held-out log loss with moves less that without: folds over speakers (vowel), test rows (phoneme); three seeds."""
    print("\n| set | K | passes | log loss | passes, moves | log loss, moves | change |\n|---|---|---|---|---|---|---|")
    for name, n_experts in itertools.product(("vowel", "phoneme"), (4, 8)):
        data = Data.of(name)
        parts = data.folds(data.splits[0][0]) if name == "vowel" else data.splits
        found = np.array([
            [one(data, train, test, n_experts, seed, budget) for budget in (0, 10)]
            for seed, (train, test) in itertools.product(range(3), parts)
        ])  # fmt: skip
        (passes, loss), (more, moved) = found.mean(axis=0)
        lead = found[:, 1, 1] - found[:, 0, 1]
        error = lead.std(ddof=1) / np.sqrt(len(lead))
        print(f"| {name} | {n_experts} | {passes:.0f} | {loss:.4f} | {more:.0f} | {moved:.4f} ", end="")
        print(f"| {lead.mean():+.4f} ± {error:.4f} |", flush=True)


def one(data: Data, train: np.ndarray, test: np.ndarray, n_experts: int, seed: int, budget: float) -> list[float]:
    """Passes and held-out log loss of one fit."""
    model = mixture("columns", n_experts, 1.0, move_budget=budget).set_params(model__random_state=seed)
    model.fit(data.X[train], data.y[train])
    return [model[-1].n_passes_, log_loss(data.y[test], model.predict_proba(data.X[test]), labels=model.classes_)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", help=f"of {', '.join(SETS)}")
    parser.add_argument("--models", nargs="+")
    parser.add_argument("--paper", action="store_true")
    parser.add_argument("--moves", action="store_true")
    parser.add_argument("--json", type=Path, help="also write what was found here")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    if args.paper or args.moves:
        for wanted, measure in ((args.paper, paper), (args.moves, moves)):
            if wanted:
                measure()
        return
    found = {}
    for name in args.sets or SETS:
        found[name] = compare(name, args.models)
        if args.json:
            args.json.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
