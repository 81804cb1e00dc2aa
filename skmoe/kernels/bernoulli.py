"""Logistic experts: log probabilities, and what rows say of logits."""

from __future__ import annotations

import numpy as np

from .compiled import kernel
from .elementary import exp, log1p


@kernel
def log_probability(y: np.ndarray, logit: np.ndarray, out: np.ndarray) -> None:
    """Log probabilities of outcomes y (n_outputs, n_rows), logits (n_experts, n_outputs, n_rows); out
    (n_experts, n_rows)."""
    n_experts, n_outputs, n_rows = logit.shape
    for k in range(n_experts):
        total = out[k]
        total[:] = 0.0
        for q in range(n_outputs):
            eta, seen = logit[k, q], y[q]
            for i in range(n_rows):
                margin = eta[i] if seen[i] == 1.0 else -eta[i]
                total[i] += min(margin, 0.0) - log1p(exp(-abs(margin)))


@kernel
def weighted_score(y: np.ndarray, logit: np.ndarray, mass: np.ndarray, out: np.ndarray) -> None:
    """Derivatives by the logit times mass (n_experts, n_rows); out is like ``logit``."""
    n_experts, n_outputs, n_rows = logit.shape
    for k in range(n_experts):
        held = mass[k]
        for q in range(n_outputs):
            eta, seen, score = logit[k, q], y[q], out[k, q]
            for i in range(n_rows):
                small = exp(-abs(eta[i]))
                larger = 1 / (1 + small)
                score[i] = held[i] * (seen[i] - (larger if eta[i] > 0 else small * larger))
