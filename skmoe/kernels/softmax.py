"""Softmax over branches or classes, and the shares of experts in a row's density."""

from __future__ import annotations

from math import inf

import numpy as np

from .compiled import kernel
from .elementary import exp_of_negative, log


@kernel
def exponentials(logits: np.ndarray, out: np.ndarray, log_total: np.ndarray, inverse: np.ndarray) -> None:
    """Exponentials of logits (n_branches, n_rows) less the largest of their row, and how to make them probabilities.

    Where all logits of a row are minus infinity its probabilities are even.

    Parameters
    ----------
    out : ndarray like ``logits``
        Not the same: compilers make vector instructions of loops over arrays that are apart.
    log_total : ndarray of shape (n_rows,)
        Log of the sum of exponentials of the logits: what they are more than log probabilities.
    inverse : ndarray of shape (n_rows,)
        One over the sum of ``out``: what makes it probabilities.
    """
    relative(logits, out, log_total, inverse)
    for i in range(len(inverse)):
        log_total[i] += log(inverse[i])
        inverse[i] = 1 / inverse[i]


@kernel
def relative(logits: np.ndarray, out: np.ndarray, top: np.ndarray, total: np.ndarray) -> None:
    """Exponentials of logits (n_branches, n_rows) less the largest of their row, that largest, and their sum."""
    n_branches, n_rows = logits.shape
    shift = np.empty(n_rows)
    _largest(logits, top)
    for i in range(n_rows):
        shift[i] = 0.0 if top[i] == -inf else top[i]
    total[:] = 0.0
    for b in range(n_branches):
        z, e = logits[b], out[b]
        for i in range(n_rows):
            e[i] = exp_of_negative(z[i] - shift[i])
            total[i] += e[i]


@kernel
def softmax(logits: np.ndarray, prob: np.ndarray) -> None:
    """Probabilities of branches.

    Parameters
    ----------
    logits : ndarray of shape (n_groups, n_branches, n_rows)
        Overwritten by log probabilities.
    prob : ndarray like ``logits``
        Where probabilities go.
    """
    n_groups, n_branches, n_rows = logits.shape
    log_total, inverse = np.empty(n_rows), np.empty(n_rows)
    for g in range(n_groups):
        exponentials(logits[g], prob[g], log_total, inverse)
        for b in range(n_branches):
            z, p = logits[g, b], prob[g, b]
            for i in range(n_rows):
                p[i] *= inverse[i]
                z[i] -= log_total[i]


@kernel
def shares(joint: np.ndarray, share: np.ndarray, log_norm: np.ndarray) -> None:
    """Shares of the experts in the density of each row; even where a row is impossible under every expert.

    Parameters
    ----------
    joint : ndarray of shape (n_experts, n_rows)
        Log densities.
    share : ndarray like ``joint``
        Where shares go.
    log_norm : ndarray of shape (n_rows,)
        Where the log of the sum of densities goes.
    """
    n_experts, n_rows = joint.shape
    inverse = np.empty(n_rows)
    exponentials(joint, share, log_norm, inverse)
    for k in range(n_experts):
        part = share[k]
        for i in range(n_rows):
            part[i] *= inverse[i]


@kernel
def _largest(values: np.ndarray, top: np.ndarray) -> None:
    """The largest value of each row, values (n_values, n_rows)."""
    n_values, n_rows = values.shape
    top[:] = values[0]
    for k in range(1, n_values):
        value = values[k]
        for i in range(n_rows):
            top[i] = max(value[i], top[i])


@kernel
def excess(mass: np.ndarray, prob: np.ndarray, out: np.ndarray) -> None:
    """Mass seen less mass expected, ``mass - sum(mass) * prob``, each (n_groups, n_branches, n_rows)."""
    n_groups, n_branches, n_rows = mass.shape
    total = np.empty(n_rows)
    for g in range(n_groups):
        total[:] = 0.0
        for b in range(n_branches):
            seen = mass[g, b]
            for i in range(n_rows):
                total[i] += seen[i]
        for b in range(n_branches):
            seen, expected, rest = mass[g, b], prob[g, b], out[g, b]
            for i in range(n_rows):
                rest[i] = seen[i] - total[i] * expected[i]
