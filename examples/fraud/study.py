"""One model, from the choice of its settings to its row in the table. Every step looks at the past only."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, make_scorer, roc_auc_score
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV
from sklearn.pipeline import Pipeline

from .models import Candidate
from .money import card_precision, saved
from .progress import Progress
from .tables import Table

#: Thresholds to try: from a probability of 0.0003 to 0.998, even in the log-odds.
THRESHOLDS = 1 / (1 + np.exp(-np.linspace(-8, 6, 141)))

#: Two lines above the table; ``k`` is the number of alerts that can be looked at in a day.
HEAD = """\
                      average    ROC-    card prec.   log-    Brier    money   alerts    fit  predict
                      precision  AUC     at {k:>2d} a day  loss    score    saved   a day       s   µs/row"""


class Result(NamedTuple):
    """A fitted model, the settings it chose, its threshold, its scores of the test rows, and what they are worth."""

    name: str
    model: Pipeline
    chosen: dict[str, Any]
    threshold: float
    score: np.ndarray
    figures: dict[str, float]

    def __str__(self) -> str:
        f = self.figures
        return (
            f"{self.name:20s}  {f['average precision']:9.3f}  {f['ROC-AUC']:.3f}   {f['card precision']:10.3f}"
            f"   {f['log-loss']:.4f}  {f['Brier']:.5f}  {f['saved']:5.1%}  {f['alerts']:7.1f}  {f['fit']:5.1f}"
            f"  {f['predict']:7.1f}"
        )


def n_fits(candidate: Candidate, table: Table) -> int:
    """Fits that `study` makes: every setting on every fold, one for the threshold, one for good."""
    return len(candidate.grid) * len(table.folds) + 2


def study(candidate: Candidate, table: Table, fee: float, k: int, progress: Progress) -> Result:
    """Choose settings by average precision and the threshold by money; fit on all labels known; score the test."""
    X, y, amount = table.X.iloc[table.train], table.y[table.train], table.amount[table.train]
    # Importance weights: their mean is one, so that ridges keep their meaning.
    weight = table.weight[table.train] / table.weight[table.train].mean()
    progress.start(f"{candidate.name}, settings")
    chosen = best_settings(candidate, X, y, weight, table.folds, progress)
    model = clone(candidate.pipeline).set_params(**chosen, **candidate.winner)
    progress.start(f"{candidate.name}, threshold")
    threshold = best_threshold(clone(model), X, y, weight, amount, fee, table.folds[-1])
    progress.tick()
    progress.start(f"{candidate.name}, fit")
    began = time.perf_counter()
    model.fit(X, y, sample_weight=weight)
    fitted = time.perf_counter()
    score = model.predict_proba(table.X.iloc[table.test])[:, 1]
    seconds = {"fit": fitted - began, "predict": 1e6 * (time.perf_counter() - fitted) / len(score)}
    progress.tick()
    return Result(candidate.name, model, chosen, threshold, score, worth(table, score, threshold, fee, k) | seconds)


def best_settings(candidate: Candidate, X: Any, y: Any, weight: Any, folds: list, progress: Progress) -> dict[str, Any]:
    """The settings with the highest mean average precision over the folds."""

    def average_precision(y: np.ndarray, score: np.ndarray, sample_weight: np.ndarray) -> float:
        progress.tick()  # the search calls its scorer once a fit
        return average_precision_score(y, score, sample_weight=sample_weight)

    scorer = make_scorer(average_precision, response_method="predict_proba").set_score_request(sample_weight=True)
    search = GridSearchCV(
        candidate.pipeline, candidate.grid, scoring=scorer, cv=folds, refit=False, error_score="raise"
    )
    return search.fit(X, y, sample_weight=weight).best_params_


def best_threshold(model: Pipeline, X: Any, y: Any, weight: Any, amount: Any, fee: float, fold: tuple) -> float:
    """The threshold that saves most on the last fold, by a fit on what was known before it."""
    scorer = make_scorer(saved, fee=fee).set_score_request(amount=True, sample_weight=True)
    tuned = TunedThresholdClassifierCV(
        model, scoring=scorer, response_method="predict_proba", thresholds=THRESHOLDS, cv=[fold], refit=False
    )
    return float(tuned.fit(X, y, sample_weight=weight, amount=amount).best_threshold_)


def worth(table: Table, score: np.ndarray, threshold: float, fee: float, k: int) -> dict[str, float]:
    """Scores of the test rows against what happened."""
    y, weight, amount, day = (a[table.test] for a in (table.y, table.weight, table.amount, table.day))
    alert = score >= threshold
    return {
        "average precision": average_precision_score(y, score, sample_weight=weight),
        "ROC-AUC": roc_auc_score(y, score, sample_weight=weight),
        "card precision": card_precision(k, y, score, day, table.card[table.test]),
        "log-loss": log_loss(y, score, sample_weight=weight),
        "Brier": brier_score_loss(y, score, sample_weight=weight),
        "saved": saved(y, alert, amount=amount, fee=fee, sample_weight=weight) / np.sum(weight * amount * y),
        "alerts": float(np.sum(weight * alert)) / len(np.unique(day)),
    }
