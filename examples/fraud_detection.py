"""Card fraud: a mixture of logistic experts beside logistic regression and gradient boosting.

    python examples/fraud_detection.py                                    simulated payments, nothing to download
    python examples/fraud_detection.py --data cards.csv --label Class     your own table: a header, then numbers
    python examples/fraud_detection.py --data cards.npz --label y --weight w    arrays X, y, w

Trains on the past, scores the days after, prints one table, and says in words what each expert stands for.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import MoEClassifier
from skmoe.datasets import make_transactions


class Table(NamedTuple):
    """Rows with labels and weights, and the rows to train on and to test on."""

    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    names: list[str]
    train: np.ndarray
    test: np.ndarray
    split: str


def simulated(seed: int) -> Table:
    """Payments of 90 days. Training starts once the 30-day windows are full; a week passes before labels are known."""
    payments = make_transactions(random_state=seed)
    train = np.flatnonzero((payments.day >= 37) & (payments.day < 60))
    test = np.flatnonzero(payments.day >= 67)
    weight = np.ones(len(payments.target))
    split = "train on days 37-59, test on days 67-89 (labels are known after a week)"
    return Table(payments.data, payments.target, weight, list(payments.feature_names), train, test, split)


def read_table(path: Path, label: str | None, weight: str | None, order: str | None, seed: int) -> Table:
    """A CSV file with a header, or an npz file with arrays X, the labels, and perhaps weights."""
    if path.suffix == ".npz":
        arrays = np.load(path, allow_pickle=False)
        X, y = arrays["X"].astype(float), arrays[label or "y"].astype(int)
        names = [f"x{j}" for j in range(X.shape[1])]
        w = arrays[weight].astype(float) if weight else np.ones(len(y))
        when = arrays[order] if order else None
    else:
        with path.open(encoding="utf-8") as lines:
            header = [name.strip().strip('"') for name in lines.readline().split(",")]
            values = np.genfromtxt((line.replace('"', "") for line in lines), delimiter=",")
        columns = dict(zip(header, values.T, strict=True))
        y = columns.pop(label or header[-1]).astype(int)
        w = columns.pop(weight) if weight else np.ones(len(y))
        when = columns[order] if order else None
        X, names = np.column_stack(list(columns.values())), list(columns)
    if when is None:
        train, test = train_test_split(np.arange(len(y)), test_size=0.3, stratify=y, random_state=seed)
        return Table(X, y, w, names, train, test, "stratified: 70 % to train, 30 % to test")
    rows = np.argsort(when, kind="stable")
    cut = int(0.7 * len(rows))
    return Table(X, y, w, names, rows[:cut], rows[cut:], f"ordered by {order}: first 70 % to train, last 30 % to test")


def models(n_experts: int, seed: int, n_jobs: int) -> dict[str, Pipeline]:
    """Every model fills gaps the same way; columns that had gaps say so in a column of their own."""
    # Five fits averaged; a long memory saves passes where there are many coefficients and few frauds.
    mixture = MoEClassifier(n_experts, combine_inits="average", memory=40, random_state=seed, n_jobs=n_jobs)
    return {
        "LogisticRegression": make_pipeline(
            SimpleImputer(add_indicator=True), StandardScaler(), LogisticRegression(max_iter=1000)
        ),
        "HistGradientBoosting": make_pipeline(
            SimpleImputer(add_indicator=True), HistGradientBoostingClassifier(random_state=seed)
        ),
        f"mixture of {n_experts} experts": make_pipeline(SimpleImputer(add_indicator=True), mixture),
    }


def precision_at(n: int, y: np.ndarray, score: np.ndarray) -> float:
    """Share of frauds among the n rows with the highest scores."""
    return float(y[np.argsort(-score, kind="stable")[:n]].mean())


def compare(table: Table, candidates: dict[str, Pipeline], weighted: bool) -> None:
    """Fit and score every model and print one line each."""
    y, w = table.y[table.test], table.weight[table.test]
    print(f"{'':24s} average    ROC-  precision    log-     fit  predict")
    print(f"{'':24s} precision  AUC   at 100       loss       s   µs/row")
    for name, model in candidates.items():
        fit_params = {}
        if weighted:  # importance weights: their mean is one, so that the ridge keeps its meaning
            train_weight = table.weight[table.train]
            fit_params = {f"{model.steps[-1][0]}__sample_weight": train_weight / train_weight.mean()}
        began = time.perf_counter()
        model.fit(table.X[table.train], table.y[table.train], **fit_params)
        fitted = time.perf_counter()
        score = model.predict_proba(table.X[table.test])[:, 1]
        done = time.perf_counter()
        print(
            f"{name:24s} {average_precision_score(y, score, sample_weight=w):9.3f}"
            f"  {roc_auc_score(y, score, sample_weight=w):.3f}"
            f"  {precision_at(100, y, score):6.2f}     {log_loss(y, score, sample_weight=w):7.4f}"
            f"  {fitted - began:6.1f}  {1e6 * (done - fitted) / len(y):7.1f}",
            flush=True,
        )


def in_words(pipeline: Pipeline, table: Table) -> None:
    """What each expert of the best single fit stands for."""
    names = pipeline[:-1].get_feature_names_out(table.names)
    best = pipeline[-1].members_[0]
    X, y, w = pipeline[:-1].transform(table.X[table.train]), table.y[table.train], table.weight[table.train]
    mass = best.responsibilities(X, y) * w[:, None]
    spread = X.std(axis=0)
    print(f"\nThe best of the {len(pipeline[-1].members_)} averaged fits, expert by expert")
    print("(coefficients of the log-odds of fraud, and of being sent there, per standard deviation of the column)")
    for k in range(best.n_experts_):
        frauds = mass[y == 1, k].sum()
        share, caught = mass[:, k].sum() / mass.sum(), frauds / mass[y == 1].sum()
        print(
            f"\nexpert {k}: {share:.1%} of payments, {caught:.1%} of frauds, fraud rate {frauds / mass[:, k].sum():.2%}"
        )
        print(f"  sees      {strongest(best.gate_coef_[k] * spread, names)}")
        print(f"  suspects  {strongest(best.expert_coef_[k] * spread, names)}")


def strongest(coef: np.ndarray, names: np.ndarray, n: int = 4) -> str:
    """The largest coefficients by name."""
    order = np.argsort(-np.abs(coef))[:n]
    return ", ".join(f"{names[j]} {coef[j]:+.2f}" for j in order)


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="CSV or npz file; default: simulated payments")
    parser.add_argument("--label", help="column or array of labels, 1 = fraud (default: last column; y)")
    parser.add_argument("--weight", help="column or array of importance weights")
    parser.add_argument("--time", help="column or array to order by: train on the first 70 %%, test on the rest")
    parser.add_argument("--experts", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="threads over the restarts of the mixture")
    args = parser.parse_args()

    if args.data is None:
        table = simulated(args.seed)
    else:
        table = read_table(args.data, args.label, args.weight, args.time, args.seed)
    frauds = int(table.y.sum())
    print(f"{len(table.y):,} payments, {frauds:,} frauds ({frauds / len(table.y):.2%}), {table.X.shape[1]} columns")
    print(f"{table.split}\n")
    candidates = models(args.experts, args.seed, args.jobs)
    compare(table, candidates, weighted=args.weight is not None)
    in_words(list(candidates.values())[-1], table)


if __name__ == "__main__":
    main()
