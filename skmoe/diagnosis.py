"""What went wrong in a fit, in words: each with what to do."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .exceptions import CollapseWarning, UnseenColumnWarning
from .model import FittedMixture
from .routing import row_entropy
from .rows.columns import Columns
from .rows.source import Rows
from .training.loop import Run

#: Rows' worth of mass below which an expert is said to have none.
_NO_MASS = 0.5
#: Mean entropy of a gate (nats) and largest slope on standardised columns beyond which it is said to separate.
_CERTAIN, _STEEP = 1e-3, 20.0

#: Category and sentence of a warning.
Trouble = tuple[type[Warning], str]


def troubles(
    runs: Sequence[Run],
    fitted: FittedMixture,
    mass: np.ndarray,
    rows: Rows,
    n_distinct: int,
    max_iter: int,
) -> list[Trouble]:
    """What there is to warn of after a fit.

    Parameters
    ----------
    runs : sequence of Run
        The runs that were kept, one, or all of an average.
    mass : ndarray of shape (n_experts,)
        Rows' worth of mass of each expert, within the single fit that it is part of.
    n_distinct : int
        Distinct rows.
    """
    found: list[Trouble] = []
    sentence = not_converged(runs, max_iter)
    if sentence:
        found.append((ConvergenceWarning, sentence))
    if n_distinct < fitted.n_experts and len(runs) == 1:
        sentence = f"Only {n_distinct} distinct rows for {fitted.n_experts} experts. Use fewer experts."
        found.append((CollapseWarning, sentence))
    return found + [(CollapseWarning, text) for text in collapsed(fitted, mass, rows, len(runs))]


def troubles_of_part(
    run: Run, fitted: FittedMixture, mass: np.ndarray, moved: np.ndarray, max_iter: int
) -> list[Trouble]:
    """What there is to warn of after some experts, ``moved``, were trained and the others were not."""
    found: list[Trouble] = []
    sentence = not_converged([run], max_iter)
    if sentence:
        found.append((ConvergenceWarning, sentence))
    empty = moved[mass[moved] < _NO_MASS]
    floored = np.intersect1d(_floored(fitted), moved)
    sentences = [_without_mass(empty, fitted)] * bool(empty.size) + [_at_floor(floored, fitted)] * bool(floored.size)
    return found + [(CollapseWarning, sentence) for sentence in sentences]


def unseen(old: FittedMixture, X: np.ndarray, names: Sequence[str]) -> list[Trouble]:
    """What there is to warn of where rows X vary in columns that did not vary when the mixture was fitted."""
    constant = [columns.index[np.isinf(columns.units.scale)] for columns in (old.gate, old.expert)]
    now = Columns.of(X, np.ones(len(X)), np.unique(np.concatenate(constant)))
    varying = [names[j] for j in now.index[np.isfinite(now.units.scale)]]
    if not varying:
        return []
    sentence = (
        f"{', '.join(map(repr, varying))} did not vary when the mixture was fitted, so it does not see what varies "
        "there now: columns stay in the units of the first fit. To use it, fit anew on rows old and new."
    )
    return [(UnseenColumnWarning, sentence)]


def warn(found: Sequence[Trouble]) -> None:
    """Warn the caller of the method that calls this."""
    for category, sentence in found:
        warnings.warn(sentence, category, stacklevel=3)


def not_converged(runs: Sequence[Run], max_iter: int) -> str | None:
    """A sentence about runs that stopped before they converged; None where all did or were told to."""
    stopped = [run for run in runs if not (run.converged or run.interrupted)]
    if not stopped:
        return None
    promise = max(run.decrement for run in stopped)
    return (
        f"{len(stopped)} of {len(runs)} runs stopped before convergence (at most {max_iter} passes; "
        f"the next step still promised {promise:.2g} nats). "
        "Raise max_iter or tol, or use fewer experts or a larger alpha."
    )


def collapsed(fitted: FittedMixture, mass: np.ndarray, rows: Rows, n_members: int) -> list[str]:
    """Sentences about experts without mass, scales at their floor and gates that separate.

    Parameters
    ----------
    mass : ndarray of shape (n_experts,)
        Rows' worth of mass of each expert, within the single fit that it is part of.
    n_members : int
        Fits that are averaged; an empty expert here and there in an average is nothing to act on.
    """
    sentences = []
    empty = np.flatnonzero(mass < _NO_MASS)
    weight = rows.total
    if weight < fitted.n_experts:
        sentences.append(
            f"The weights sum to {weight:.3g}, and weights count rows: that is fewer rows than experts. "
            "For importance weights pass w / w.mean()."
        )
    elif empty.size and (n_members == 1 or 2 * empty.size > fitted.n_experts):
        sentences.append(_without_mass(empty, fitted))
    floored = _floored(fitted)
    if floored.size:
        sentences.append(_at_floor(floored, fitted))
    return sentences + _separating(fitted, rows)


def _without_mass(empty: np.ndarray, fitted: FittedMixture) -> str:
    return (
        f"{_experts(empty, fitted)} no mass (less than half a row). Nothing was removed: they answer nowhere. "
        "Use fewer experts, or a smaller gate_alpha."
    )


def _at_floor(floored: np.ndarray, fitted: FittedMixture) -> str:
    return (
        f"{_experts(floored, fitted)} a scale at its floor: such experts reproduce a few rows exactly. "
        "Raise scale_floor or alpha, or use fewer experts."
    )


def _floored(fitted: FittedMixture) -> np.ndarray:
    """Numbers of the experts whose scale is at its floor."""
    blocks = zip(fitted.mixture.experts, fitted.params.experts, strict=True)
    floored = [leaves[at] for (expert, leaves), params in blocks for at in expert.at_floor(params)]
    return np.sort(np.array(floored, dtype=np.intp))


def _separating(fitted: FittedMixture, rows: Rows) -> list[str]:
    sentences = []
    for node, gate, params in zip(fitted.tree.nodes, fitted.mixture.gates, fitted.params.gates, strict=True):
        if len(node.branches) < 2:
            continue
        coef = gate.coef(params, rows.n_gate_coef)
        if coef is None or gate.moments(params) is not None:  # a gate that models x has a maximum all the same
            continue
        steepest = np.abs(coef[:, 1:]).max(initial=0.0)
        if steepest < _STEEP:
            continue
        entropies = (
            float(chunk.weight @ row_entropy(np.exp(gate.forward(params, chunk.gate).log_prob).T)) for chunk in rows
        )
        if sum(entropies) < _CERTAIN * rows.total:
            where = f"node {'.'.join(map(str, node.path))}" if node.path else "the root"
            sentences.append(
                f"The gate at {where} separates its branches perfectly (slopes of up to {steepest:.3g} on standardised "
                "columns), so its likelihood has no maximum. Raise gate_alpha, or use fewer experts."
            )
    return sentences


def _experts(index: np.ndarray, fitted: FittedMixture) -> str:
    numbers = ", ".join(map(str, index))
    if len(index) == 1:
        return f"Expert {numbers} (of {fitted.n_experts}) has"
    return f"Experts {numbers} (of {fitted.n_experts}) have"
