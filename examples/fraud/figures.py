"""The figures, each a function that returns a matplotlib figure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from sklearn.metrics import precision_recall_curve

from skmoe.inspection import ExpertDisplay, ExplanationDisplay, GateDisplay
from skmoe.inspection.explanation import Explanation

from .calibration import reliability
from .study import Result
from .tables import Table

#: The mixture stands out; the others are told apart by colour and dashes.
STYLES = (("#8C8C8C", ":"), ("#E69F00", "--"), ("#009E73", "-."), ("#0072B2", "-"))

#: Smaller probabilities are drawn here: those of a forest go down to zero.
LOWEST = 1e-4


def precision_recall(results: Sequence[Result], table: Table) -> Figure:
    """Precision against the share of frauds found, and where each threshold stands."""
    figure = Figure(figsize=(7, 4.6), layout="constrained")
    ax = figure.subplots()
    y, weight = table.y[table.test], table.weight[table.test]
    for result, (color, dashes) in zip(results, STYLES, strict=True):
        precision, recall, thresholds = precision_recall_curve(y, result.score, sample_weight=weight)
        label = f"{result.name} ({result.figures['average precision']:.3f})"
        ax.step(recall, precision, where="post", color=color, ls=dashes, lw=1.8, label=label)
        at = np.searchsorted(thresholds, result.threshold)
        ax.plot(recall[at], precision[at], "o", color=color, ms=7, mec="white")
    ax.set(xlabel="recall: share of frauds found", ylabel="precision: share of alerts that are fraud")
    ax.set(xlim=(0, 1), ylim=(0, 1.02))
    ax.set_title(
        "Precision and recall of the test days; dots: thresholds chosen on the days before",
        fontsize="medium",
        loc="left",
    )
    ax.legend(title="average precision", frameon=False, alignment="left")
    ax.spines[["top", "right"]].set_visible(False)
    return figure


def calibration(results: Sequence[Result], table: Table) -> Figure:
    """Observed rate against predicted probability, both on log scales because fraud is rare."""
    figure = Figure(figsize=(5.6, 5.2), layout="constrained")
    ax = figure.subplots()
    y, weight = table.y[table.test], table.weight[table.test]
    lowest = 1.0
    for result, (color, dashes) in zip(results, STYLES, strict=True):
        bins = [b for b in reliability(y, result.score, weight) if b.observed > 0]
        predicted, observed = [max(b.predicted, LOWEST) for b in bins], [b.observed for b in bins]
        ax.plot(predicted, observed, color=color, ls=dashes, marker="o", ms=4, label=result.name)
        lowest = min(lowest, *predicted, *observed)
    ends = (lowest / 2, 1.2)
    ax.plot(ends, ends, color="black", lw=0.8)
    ax.set(xscale="log", yscale="log", xlim=ends, ylim=ends, aspect="equal")
    ax.set(xlabel="predicted probability of fraud", ylabel="observed rate of fraud")
    ax.set_title("Reliability: each bin holds half of the payments above", fontsize="medium", loc="left")
    ax.legend(frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
    return figure


def experts(result: Result, table: Table) -> Figure:
    """Shares, rates of fraud and coefficients of the best single fit."""
    rows, y = table.X.iloc[table.train], table.y[table.train]
    display = ExpertDisplay.from_estimator(result.model, rows, y, target=1)
    return display.figure_


def gate(result: Result, table: Table) -> Figure:
    """Who answers where over the two columns that the gate heeds most, with the frauds of the test days."""
    pair = heeded(result, table)
    figure = Figure(figsize=(6.4, 5.4), layout="constrained")
    ax = figure.subplots()
    rows = table.X.iloc[table.train]
    GateDisplay.from_estimator(result.model, rows, features=pair, percentiles=(0.005, 0.995), ax=ax)
    frauds = table.X.iloc[table.test[table.y[table.test] == 1]]
    x_end, y_end = ax.get_xlim(), ax.get_ylim()
    ax.plot(frauds[pair[0]], frauds[pair[1]], "x", color="#B00020", ms=5, mew=1.3, label="fraud")
    ax.set(xlim=x_end, ylim=y_end)
    ax.text(0.99, 0.99, "× fraud of the test days", color="#B00020", ha="right", va="top", transform=ax.transAxes)
    return figure


def heeded(result: Result, table: Table) -> list[str]:
    """The two numbers of the table that do most to send the frauds where they go, against an average payment."""
    model = result.model[-1].members_[0]
    columns = result.model[:-1].get_feature_names_out()
    X, y = result.model[:-1].transform(table.X.iloc[table.train]), table.y[table.train]
    frauds = X[y == 1]
    sent = model.responsibilities(frauds, y[y == 1]) @ model.gate_coef_ * (frauds - X.mean(axis=0))
    strength = np.abs(sent).mean(axis=0)
    numbers = [j for j in np.argsort(-strength) if columns[j] in table.X.columns]
    return [str(columns[j]) for j in numbers[:2]]


def why(explanation: Explanation) -> Figure:
    """Contributions to the log-odds of one payment."""
    return ExplanationDisplay(explanation).plot(event="fraud").figure_


def money(results: Sequence[Result], table: Table, fee: float) -> Figure:
    """Money saved against the number of alerts a day, and where each threshold stands."""
    figure = Figure(figsize=(7, 4.6), layout="constrained")
    ax = figure.subplots()
    y, weight, amount = (a[table.test] for a in (table.y, table.weight, table.amount))
    n_days = len(np.unique(table.day[table.test]))
    lost, most = np.sum(weight * amount * y), 0.0
    for result, (color, dashes) in zip(results, STYLES, strict=True):
        order = np.argsort(-result.score, kind="stable")
        alerts = np.cumsum(weight[order]) / n_days
        saved = np.cumsum((weight * (amount * y - fee))[order]) / lost
        most = max(most, *saved, 0.01)
        ax.plot(alerts, saved, color=color, ls=dashes, lw=1.8, label=result.name)
        ax.plot(result.figures["alerts"], result.figures["saved"], "o", color=color, ms=7, mec="white")
    ax.set(xlabel="alerts a day", ylabel="money saved, of all that fraud cost", ylim=(0, 1.1 * most))
    ax.set_xlim(0, 4 * max(result.figures["alerts"] for result in results))
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.set_title("Money saved; dots: thresholds chosen on the days before", fontsize="medium", loc="left")
    ax.legend(frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
    return figure
