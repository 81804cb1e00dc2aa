"""Who was sent where: pure functions of gate probabilities, classical and neural alike.

Throughout, ``proba`` has shape (n_rows, n_experts) and rows that sum to one; ``sample_weight`` has shape (n_rows,).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from .exceptions import CollapseWarning

#: Part of an even share below which an expert that is nobody's first choice is said to be dead.
_DEAD = 0.1
#: Part of log n_experts below which rows are said to tell nothing about their expert.
_UNTOLD = 0.01


def _share(n_rows: int, sample_weight: np.ndarray | None) -> np.ndarray:
    weight = np.ones(n_rows) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    return weight / weight.sum()


def row_entropy(proba: np.ndarray) -> np.ndarray:
    """Entropy of each row in nats, (n_rows,): 0 where a row is sent to one expert, log n_experts where to all alike.

    Examples
    --------
    >>> row_entropy(np.array([[1.0, 0.0], [0.5, 0.5]])).round(3)
    array([0.   , 0.693])
    """
    positive = np.where(proba > 0, proba, 1.0)
    entropy: np.ndarray = 0.0 - (positive * np.log(positive)).sum(axis=-1)  # zero, not minus zero
    return entropy


def expert_usage(proba: np.ndarray, sample_weight: np.ndarray | None = None) -> np.ndarray:
    """Mean probability of each expert, (n_experts,).

    Examples
    --------
    >>> expert_usage(np.array([[1.0, 0.0], [0.5, 0.5]]))
    array([0.75, 0.25])
    """
    return _share(len(proba), sample_weight) @ np.asarray(proba, dtype=np.float64)


def gate_entropy(proba: np.ndarray, sample_weight: np.ndarray | None = None) -> float:
    """Mean entropy of the rows in nats: 0 where every row is sent to one expert, log n_experts where to all alike.

    .. math:: H(k \\mid x) = -\\frac1n \\sum_i \\sum_k g_k(x_i) \\log g_k(x_i)
    """
    return float(_share(len(proba), sample_weight) @ row_entropy(np.asarray(proba, dtype=np.float64)))


def effective_experts(proba: np.ndarray, sample_weight: np.ndarray | None = None) -> float:
    """Exponential of the entropy of the usage: how many equally used experts would be as diverse.

    .. math:: \\exp\\left(-\\sum_k \\bar g_k \\log \\bar g_k\\right)
    """
    return float(np.exp(row_entropy(expert_usage(proba, sample_weight))))


def mutual_information(proba: np.ndarray, sample_weight: np.ndarray | None = None) -> float:
    """How much a row tells about its expert, in nats: entropy of the usage less the mean entropy of the rows.

    .. math:: I(k; x) = H(\\bar g) - H(k \\mid x)
    """
    usage = row_entropy(expert_usage(proba, sample_weight))
    return max(0.0, float(usage) - gate_entropy(proba, sample_weight))


def load_cv(proba: np.ndarray, sample_weight: np.ndarray | None = None) -> float:
    """Coefficient of variation of the usage: 0 where all experts are used alike."""
    usage = expert_usage(proba, sample_weight)
    return float(usage.std() / usage.mean())


def max_violation(proba: np.ndarray, sample_weight: np.ndarray | None = None) -> float:
    """Largest usage over the mean usage, less one: 0 where all experts are used alike."""
    usage = expert_usage(proba, sample_weight)
    return float(usage.max() / usage.mean() - 1.0)


@dataclass(frozen=True)
class RoutingReport:
    """Usage and entropies of a gate; ``print`` shows a table.

    Attributes
    ----------
    usage : ndarray of shape (n_experts,)
        Mean probability of each expert.
    chosen : ndarray of shape (n_experts,)
        Share of the rows whose most probable expert it is.
    entropy, mutual_information : float
        In nats.
    effective_experts, load_cv, max_violation : float
    dead : ndarray of int
        Experts that are used less than a tenth of an even share and are the first choice of no row.
    """

    usage: np.ndarray
    chosen: np.ndarray
    entropy: float
    mutual_information: float
    effective_experts: float
    load_cv: float
    max_violation: float
    dead: np.ndarray

    def __str__(self) -> str:
        lines = ["expert   usage  chosen"]
        lines += [f"{k:6d}  {u:6.3f}  {c:6.3f}" for k, (u, c) in enumerate(zip(self.usage, self.chosen, strict=True))]
        lines.append(f"effective experts   {self.effective_experts:.2f} of {len(self.usage)}")
        lines.append(f"entropy of a row    {self.entropy:.3f} nats (0: one expert a row)")
        lines.append(f"mutual information  {self.mutual_information:.3f} nats")
        if self.dead.size:
            lines.append(f"hardly used         {', '.join(map(str, self.dead))}")
        return "\n".join(lines)


def routing_report(proba: np.ndarray, sample_weight: np.ndarray | None = None) -> RoutingReport:
    """Usage, entropies and balance of gate probabilities, with a warning where they have collapsed.

    Parameters
    ----------
    proba : ndarray of shape (n_rows, n_experts)
        Rows sum to one.
    sample_weight : ndarray of shape (n_rows,), default=None

    Returns
    -------
    RoutingReport

    Raises
    ------
    ValueError
        Where there are no rows.

    Warns
    -----
    skmoe.exceptions.CollapseWarning
        Where experts are hardly used (`RoutingReport.dead`), or where a gate that sees the rows divides all of them
        nearly alike: rows tell less than a hundredth of log n_experts about their expert. A gate that is the same for
        all rows by design has not collapsed, and fewer rows than experts say nothing.

    Examples
    --------
    >>> report = routing_report(np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]]))
    >>> report.usage
    array([0.6, 0.4])
    >>> round(report.effective_experts, 3)
    1.96
    """
    proba = np.asarray(proba, dtype=np.float64)
    if not len(proba):
        raise ValueError(f"routing_report needs rows, got proba of shape {proba.shape}: there is nothing to report.")
    hard = np.zeros_like(proba)
    hard[np.arange(len(proba)), proba.argmax(axis=1)] = 1.0
    usage, chosen = expert_usage(proba, sample_weight), expert_usage(hard, sample_weight)
    report = RoutingReport(
        usage=usage,
        chosen=chosen,
        entropy=gate_entropy(proba, sample_weight),
        mutual_information=mutual_information(proba, sample_weight),
        effective_experts=effective_experts(proba, sample_weight),
        load_cv=load_cv(proba, sample_weight),
        max_violation=max_violation(proba, sample_weight),
        dead=np.flatnonzero((usage < _DEAD / len(usage)) & (chosen == 0)),
    )
    sentence = _collapse(report, alike=bool((proba == proba[:1]).all()))
    if sentence and len(proba) >= len(usage):  # fewer rows leave experts out whatever the gate does
        warnings.warn(sentence, CollapseWarning, stacklevel=2)
    return report


def _collapse(report: RoutingReport, alike: bool) -> str:
    """What is wrong with a routing, empty where nothing is; ``alike``: all rows are the same to the last bit."""
    n_experts = len(report.usage)
    if report.dead.size:
        return (
            f"{report.dead.size} of {n_experts} experts are hardly used ({', '.join(map(str, report.dead))}): each has "
            "less than a tenth of an even share, and is the first choice of no row. Use fewer experts, or train with a "
            "loss or a start that spreads rows."
        )
    if not alike and report.mutual_information < _UNTOLD * np.log(n_experts):
        return (
            f"Rows are divided nearly alike: a row tells {report.mutual_information:.2g} nats about its expert, of "
            f"{np.log(n_experts):.2g} that are possible. The experts are an average, and the gate does nothing. Use "
            "fewer experts, or train with a loss or a start that tells rows apart."
        )
    return ""
