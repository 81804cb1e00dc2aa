"""Rare classes: the mixture beside logistic regression, boosting and a forest, each tuned with the same number of fits.

python -m benchmarks.fraud                                    all sets
python -m benchmarks.fraud --sets mammography --splits 2 --json found.json

Each model chooses among eight candidates by average precision, three folds within the training rows of the first split
(at most 20,000 of them), and is then fitted on every split. Weights, where a set has them, are used by all models and
all scores; the mixture is given ``w / w.mean()``, as are the others.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from skmoe import MoEClassifier

from .data import RareClass, rare_class
from .features import features

SETS = ["creditcard_ulb", "fraud_handbook_dev", "mammography", "cover_ad", "credit_data", "german_credit", "adult"]
_MOST_TUNING_ROWS = 20_000
_BOOTSTRAPS = 200
_TIMED_ROWS = 20_000

Made = Callable[[RareClass], Pipeline]


class Scores(NamedTuple):
    """What is measured of one fit: scores of the test rows, and seconds of a fit and microseconds of a row."""

    precision: float
    roc_auc: float
    log_loss: float
    brier: float
    fit: float
    predict: float


def mixture(kind: str, n_experts: int, ridge: float, jobs: int) -> Made:
    """Experts of one ridge, gates of the same, five fits averaged; the last tenth of a nat is left alone."""
    model = MoEClassifier(
        n_experts,
        alpha=ridge,
        gate_alpha=ridge,
        combine_inits="average",
        memory=40,
        max_iter=300,
        tol=0.1,
        random_state=0,
        n_jobs=jobs,
    )
    return lambda data: Pipeline([("features", features(kind, data.X, data.categorical)), ("model", model)])


def logistic(kind: str, C: float) -> Made:
    model = LogisticRegression(C=C, max_iter=3000)
    return lambda data: Pipeline([("features", features(kind, data.X, data.categorical)), ("model", model)])


def boosting(**parameters: Any) -> Made:
    """Early stopping is off: it ends rare classes too soon."""

    def made(data: RareClass) -> Pipeline:
        model = HistGradientBoostingClassifier(
            early_stopping=False,
            l2_regularization=1.0,
            random_state=0,
            categorical_features=data.categorical if len(data.categorical) else None,
            **parameters,
        )
        return Pipeline([("model", model)])

    return made


def forest(jobs: int, **parameters: Any) -> Made:
    model = RandomForestClassifier(300, random_state=0, n_jobs=jobs, **parameters)
    return lambda data: Pipeline([("features", SimpleImputer(add_indicator=True)), ("model", model)])


def candidates(jobs: int) -> dict[str, dict[str, Made]]:
    """Models by name, with what each chooses among."""
    mixtures = [("columns", 8, 1), ("columns", 2, 30), ("splines", 1, 10), ("splines", 2, 10), ("splines", 4, 1)]
    mixtures += [("splines", 4, 30), ("levels", 1, 10), ("levels", 2, 100)]
    lines = [("columns", 0.1), ("columns", 1), ("splines", 0.1), ("splines", 1), ("splines", 10)]
    lines += [("levels", 0.1), ("levels", 1), ("levels", 10)]
    trees = [(rate, leaves, n) for rate in (0.05, 0.1) for leaves in (7, 15) for n in (100, 300)]
    forests = [(least, share) for least in (1, 3, 5, 10) for share in ("sqrt", 0.5)]
    default = {
        "columns": lambda data: Pipeline(
            [("features", features("columns", data.X, data.categorical)), ("model", MoEClassifier(random_state=0))]
        )
    }
    return {
        "mixture, default": default,
        "mixture": {f"{kind}, K={k}, alpha={ridge}": mixture(kind, k, ridge, jobs) for kind, k, ridge in mixtures},
        "logistic regression": {f"{kind}, C={C}": logistic(kind, C) for kind, C in lines},
        "boosting": {
            f"rate {rate}, {leaves} leaves, {n} trees": boosting(learning_rate=rate, max_leaf_nodes=leaves, max_iter=n)
            for rate, leaves, n in trees
        },
        "random forest": {
            f"{least} rows a leaf, {share} of columns": forest(jobs, min_samples_leaf=least, max_features=share)
            for least, share in forests
        },
    }


def fitted(model: Pipeline, data: RareClass, rows: np.ndarray) -> Pipeline:
    weight = data.weight[rows]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return clone(model).fit(data.X[rows], data.y[rows], model__sample_weight=weight / weight.mean())


def precision(model: Pipeline, data: RareClass, rows: np.ndarray) -> float:
    score = model.predict_proba(data.X[rows])[:, 1]
    return average_precision_score(data.y[rows], score, sample_weight=data.weight[rows])


def chosen(made: dict[str, Made], data: RareClass) -> str:
    """The candidate with the best mean average precision over three folds of the first training rows."""
    if len(made) == 1:
        return next(iter(made))
    rows = data.splits[0][0]
    if len(rows) > _MOST_TUNING_ROWS:
        rows, _ = train_test_split(rows, train_size=_MOST_TUNING_ROWS, stratify=data.y[rows], random_state=0)
    folds = list(StratifiedKFold(3, shuffle=True, random_state=0).split(rows, data.y[rows]))

    def mean(name: str) -> float:
        model = made[name](data)
        found = [precision(fitted(model, data, rows[train]), data, rows[test]) for train, test in folds]
        return float(np.mean(found))

    return max(made, key=mean)


def one_thread_microseconds(model: Pipeline, X: np.ndarray) -> float:
    """Microseconds a row on one thread, the median of five; few rows are repeated, or calls would be timed."""
    X = np.tile(X, (1 + _TIMED_ROWS // len(X), 1))
    if hasattr(model[-1], "n_jobs"):
        model[-1].n_jobs = 1
    seconds = []
    with threadpool_limits(1):
        for _ in range(5):
            began = time.perf_counter()
            model.predict_proba(X)
            seconds.append(time.perf_counter() - began)
    return 1e6 * float(np.median(seconds)) / len(X)


def measured(made: Made, data: RareClass, n_splits: int) -> Iterator[Scores]:
    """Scores of every split; where there is only one, of bootstrap draws of its test rows."""
    rng = np.random.default_rng(0)
    for train, test in data.splits[:n_splits]:
        began = time.perf_counter()
        model = fitted(made(data), data, train)
        seconds = time.perf_counter() - began
        proba = model.predict_proba(data.X[test])[:, 1]
        speed = one_thread_microseconds(model, data.X[test])
        y, w = data.y[test], data.weight[test]
        alone = len(data.splits) == 1
        draws = [rng.integers(len(y), size=len(y)) for _ in range(_BOOTSTRAPS)] if alone else [np.arange(len(y))]
        for rows in draws:
            scored = [
                score(y[rows], proba[rows], sample_weight=w[rows])
                for score in (average_precision_score, roc_auc_score, log_loss, brier_score_loss)
            ]
            yield Scores(*scored, seconds, speed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=SETS, choices=SETS)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", type=Path, help="also write what was found here")
    args = parser.parse_args()
    found: dict[str, Any] = {}
    for name in args.sets:
        data = rare_class(name)
        n_splits = min(args.splits, len(data.splits))
        print(f"\n### {name}: {len(data.y):,} rows, {data.y.mean():.2%} of the rare class, {n_splits} splits\n")
        print("| model | chosen | AP | gap to the mixture | ROC-AUC | log-loss | Brier | fit s | predict µs/row |")
        print("|---|---|---|---|---|---|---|---|---|")
        table = {}
        order = ["mixture", "mixture, default", "logistic regression", "boosting", "random forest"]
        models = candidates(args.jobs)
        for model in order:
            choice = chosen(models[model], data)
            table[model] = np.array(list(measured(models[model][choice], data, n_splits)))
            print(row(model, choice, table, len(data.splits) == 1), flush=True)
            found.setdefault(name, {})[model] = {"chosen": choice, "scores": table[model].tolist()}
        if args.json:
            args.json.write_text(json.dumps(found), encoding="utf-8")


def row(model: str, choice: str, table: dict[str, np.ndarray], bootstrapped: bool) -> str:
    """A line of the table: means, and standard errors of the average precision and of the paired gap."""
    scores, gap = table[model], table["mixture"][:, 0] - table[model][:, 0]
    root = 1.0 if bootstrapped else np.sqrt(len(scores))
    error = [float(column.std(ddof=1) / root) if len(scores) > 1 else np.nan for column in (scores[:, 0], gap)]
    at = Scores(*scores.mean(axis=0))
    return (
        f"| {model} | {choice} | {at.precision:.4f} ± {error[0]:.4f} | {gap.mean():+.4f} ± {error[1]:.4f} "
        f"| {at.roc_auc:.4f} | {at.log_loss:.5f} | {at.brier:.5f} | {at.fit:.1f} | {at.predict:.2f} |"
    )


if __name__ == "__main__":
    main()
