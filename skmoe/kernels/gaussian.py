"""Gaussian experts; ``shape`` holds the log of the scale."""

from __future__ import annotations

import numpy as np

from .compiled import kernel


@kernel
def log_density(y: np.ndarray, mean: np.ndarray, shape: np.ndarray, out: np.ndarray) -> None:
    """See `skmoe.kernels.families.log_density`."""
    n_experts, n_outputs, n_rows = mean.shape
    for k in range(n_experts):
        total = out[k]
        for q in range(n_outputs):
            log_scale, at, seen = shape[k, q, 0], mean[k, q], y[q]
            inverse = np.exp(-log_scale)
            for i in range(n_rows):
                z = (seen[i] - at[i]) * inverse
                total[i] -= 0.5 * z * z + log_scale


@kernel
def weighted_score(y: np.ndarray, mean: np.ndarray, shape: np.ndarray, mass: np.ndarray, total: np.ndarray) -> None:
    """See `skmoe.kernels.families.weighted_score`."""
    n_experts, n_outputs, n_rows = mean.shape
    for k in range(n_experts):
        held = mass[k]
        for q in range(n_outputs):
            inverse, at, seen = np.exp(-shape[k, q, 0]), mean[k, q], y[q]
            squares = 0.0
            for i in range(n_rows):
                z = (seen[i] - at[i]) * inverse
                weighted = held[i] * z
                at[i] = weighted * inverse
                squares += weighted * z - held[i]
            total[k, q, 0] += squares


@kernel
def weighted_curvature(y: np.ndarray, mean: np.ndarray, shape: np.ndarray, mass: np.ndarray, out: np.ndarray) -> None:
    """In units of the squared inverse scale, which is the same at every row: all outputs share one sum."""
    out[:, 0] = mass
