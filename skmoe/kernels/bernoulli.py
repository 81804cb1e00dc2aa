"""Logistic experts; there is no ``shape``.

Densities are probabilities, so shares of experts can be had of them as they are, without a logarithm and an exponential
for each. Whoever makes densities leaves residuals, y less the probability of one, in the place of the logits, for
scores and curvatures to use.
"""

from __future__ import annotations

import numpy as np

from .compiled import elementary, kernel
from .elementary import exp_of_negative, log1p


@kernel
def density(y: np.ndarray, logit: np.ndarray, out: np.ndarray) -> None:
    """Densities of all outputs together, out (n_experts, n_rows); logits become residuals."""
    n_experts, n_outputs, n_rows = logit.shape
    out[:] = 1.0
    for k in range(n_experts):
        total = out[k]
        for q in range(n_outputs):
            eta, seen = logit[k, q], y[q]
            for i in range(n_rows):
                margin = eta[i] if seen[i] == 1.0 else -eta[i]
                total[i] *= _probability(margin)
                eta[i] = _probability(-margin) if seen[i] == 1.0 else -_probability(-margin)


@kernel
def log_density(y: np.ndarray, logit: np.ndarray, shape: np.ndarray, out: np.ndarray) -> None:
    """See `skmoe.kernels.families.log_density`; logits become residuals."""
    n_experts, n_outputs, n_rows = logit.shape
    for k in range(n_experts):
        total = out[k]
        for q in range(n_outputs):
            eta, seen = logit[k, q], y[q]
            for i in range(n_rows):
                margin = eta[i] if seen[i] == 1.0 else -eta[i]
                total[i] += min(margin, 0.0) - log1p(exp_of_negative(-abs(margin)))
                eta[i] = _probability(-margin) if seen[i] == 1.0 else -_probability(-margin)


@kernel
def weighted_score(y: np.ndarray, residual: np.ndarray, shape: np.ndarray, mass: np.ndarray, total: np.ndarray) -> None:
    """See `skmoe.kernels.families.weighted_score`."""
    n_experts, n_outputs, n_rows = residual.shape
    for k in range(n_experts):
        held = mass[k]
        for q in range(n_outputs):
            rest = residual[k, q]
            for i in range(n_rows):
                rest[i] *= held[i]


@kernel
def weighted_curvature(
    y: np.ndarray, residual: np.ndarray, shape: np.ndarray, mass: np.ndarray, out: np.ndarray
) -> None:
    """See `skmoe.kernels.families.weighted_curvature`."""
    n_experts, n_outputs, n_rows = residual.shape
    for k in range(n_experts):
        held = mass[k]
        for q in range(n_outputs):
            rest, curve = residual[k, q], out[k, q]
            for i in range(n_rows):
                curve[i] = held[i] * abs(rest[i]) * (1 - abs(rest[i]))


@elementary
def _probability(logit: float) -> float:
    """``1 / (1 + e^-logit)``, to all digits where it is small."""
    small = exp_of_negative(-abs(logit))
    return (1.0 if logit > 0 else small) / (1 + small)
