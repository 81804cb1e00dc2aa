"""Gaussian experts: log densities, and what rows say of means and scales."""

from __future__ import annotations

import numpy as np

from .compiled import kernel


@kernel
def log_density(y: np.ndarray, mean: np.ndarray, log_scale: np.ndarray, out: np.ndarray) -> None:
    """Log densities less the constant, all outputs together.

    Parameters
    ----------
    y : ndarray of shape (n_outputs, n_rows)
    mean : ndarray of shape (n_experts, n_outputs, n_rows)
    log_scale : ndarray of shape (n_experts, n_outputs, 1)
    out : ndarray of shape (n_experts, n_rows)
    """
    n_experts, n_outputs, n_rows = mean.shape
    for k in range(n_experts):
        total = out[k]
        total[:] = -log_scale[k, :, 0].sum()
        for q in range(n_outputs):
            inverse, at, seen = np.exp(-log_scale[k, q, 0]), mean[k, q], y[q]
            for i in range(n_rows):
                z = (seen[i] - at[i]) * inverse
                total[i] -= 0.5 * z * z


@kernel
def weighted_score(
    y: np.ndarray, mean: np.ndarray, log_scale: np.ndarray, mass: np.ndarray, out: np.ndarray, total: np.ndarray
) -> None:
    """Derivatives by the mean, times mass, and the sums of those by the log of the scale.

    Parameters
    ----------
    mass : ndarray of shape (n_experts, n_rows)
    out : ndarray like ``mean``
    total : ndarray of shape (n_experts, n_outputs, 1)
    """
    n_experts, n_outputs, n_rows = mean.shape
    for k in range(n_experts):
        held = mass[k]
        for q in range(n_outputs):
            inverse, at, seen, score = np.exp(-log_scale[k, q, 0]), mean[k, q], y[q], out[k, q]
            squares = 0.0
            for i in range(n_rows):
                z = (seen[i] - at[i]) * inverse
                weighted = held[i] * z
                score[i] = weighted * inverse
                squares += weighted * z - held[i]
            total[k, q, 0] = squares
