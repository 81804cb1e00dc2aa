"""Softmax over branches or classes, and the shares of experts in a row's density."""

from __future__ import annotations

from math import inf

import numpy as np

from .compiled import kernel
from .elementary import exp, log


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
    top, total = np.empty(n_rows), np.empty(n_rows)
    for g in range(n_groups):
        _largest(logits[g], top)
        total[:] = 0.0
        for b in range(n_branches):
            z, p = logits[g, b], prob[g, b]
            for i in range(n_rows):
                p[i] = exp(z[i] - top[i])
                total[i] += p[i]
        for i in range(n_rows):
            top[i] += log(total[i])
            total[i] = 1 / total[i]
        for b in range(n_branches):
            z, p = logits[g, b], prob[g, b]
            for i in range(n_rows):
                p[i] *= total[i]
                z[i] -= top[i]


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
    total = np.zeros(n_rows)
    _largest(joint, log_norm)
    for k in range(n_experts):
        value, part = joint[k], share[k]
        for i in range(n_rows):
            part[i] = exp(0.0 if log_norm[i] == -inf else value[i] - log_norm[i])
            total[i] += part[i]
    for i in range(n_rows):
        log_norm[i] += log(total[i])
        total[i] = 1 / total[i]
    for k in range(n_experts):
        part = share[k]
        for i in range(n_rows):
            part[i] *= total[i]


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
