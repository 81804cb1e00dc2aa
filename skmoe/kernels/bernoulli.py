"""Logistic experts; there is no ``shape``."""

from __future__ import annotations

import numpy as np

from .compiled import kernel
from .elementary import exp_of_negative, log1p


@kernel
def log_density(y: np.ndarray, logit: np.ndarray, shape: np.ndarray, out: np.ndarray) -> None:
    """See `skmoe.kernels.families.log_density`."""
    n_experts, n_outputs, n_rows = logit.shape
    for k in range(n_experts):
        total = out[k]
        for q in range(n_outputs):
            eta, seen = logit[k, q], y[q]
            for i in range(n_rows):
                margin = eta[i] if seen[i] == 1.0 else -eta[i]
                total[i] += min(margin, 0.0) - log1p(exp_of_negative(-abs(margin)))


@kernel
def weighted_score(y: np.ndarray, logit: np.ndarray, shape: np.ndarray, mass: np.ndarray, total: np.ndarray) -> None:
    """See `skmoe.kernels.families.weighted_score`."""
    n_experts, n_outputs, n_rows = logit.shape
    for k in range(n_experts):
        held = mass[k]
        for q in range(n_outputs):
            eta, seen = logit[k, q], y[q]
            for i in range(n_rows):
                small = exp_of_negative(-abs(eta[i]))
                larger = 1 / (1 + small)
                eta[i] = held[i] * (seen[i] - (larger if eta[i] > 0 else small * larger))


@kernel
def weighted_curvature(y: np.ndarray, logit: np.ndarray, shape: np.ndarray, mass: np.ndarray, out: np.ndarray) -> None:
    """See `skmoe.kernels.families.weighted_curvature`."""
    n_experts, n_outputs, n_rows = logit.shape
    for k in range(n_experts):
        held = mass[k]
        for q in range(n_outputs):
            eta, curve = logit[k, q], out[k, q]
            for i in range(n_rows):
                small = exp_of_negative(-abs(eta[i]))
                curve[i] = held[i] * small / ((1 + small) * (1 + small))
