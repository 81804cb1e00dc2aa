"""Poisson experts; there is no ``shape``."""

from __future__ import annotations

import numpy as np

from .compiled import kernel
from .elementary import exp

#: Rates beyond e^700 are e^700, as in `skmoe.families.Poisson`.
_LARGEST = 700.0


@kernel
def log_density(y: np.ndarray, log_rate: np.ndarray, shape: np.ndarray, out: np.ndarray) -> None:
    """See `skmoe.kernels.families.log_density`."""
    n_experts, n_outputs, n_rows = log_rate.shape
    for k in range(n_experts):
        total = out[k]
        for q in range(n_outputs):
            eta, seen = log_rate[k, q], y[q]
            for i in range(n_rows):
                total[i] += seen[i] * eta[i] - exp(min(eta[i], _LARGEST))


@kernel
def weighted_score(y: np.ndarray, log_rate: np.ndarray, shape: np.ndarray, mass: np.ndarray, total: np.ndarray) -> None:
    """See `skmoe.kernels.families.weighted_score`."""
    n_experts, n_outputs, n_rows = log_rate.shape
    for k in range(n_experts):
        held = mass[k]
        for q in range(n_outputs):
            eta, seen = log_rate[k, q], y[q]
            for i in range(n_rows):
                eta[i] = held[i] * (seen[i] - exp(min(eta[i], _LARGEST)))


@kernel
def weighted_curvature(
    y: np.ndarray, log_rate: np.ndarray, shape: np.ndarray, mass: np.ndarray, out: np.ndarray
) -> None:
    """See `skmoe.kernels.families.weighted_curvature`."""
    n_experts, n_outputs, n_rows = log_rate.shape
    for k in range(n_experts):
        held = mass[k]
        for q in range(n_outputs):
            eta, curve = log_rate[k, q], out[k, q]
            for i in range(n_rows):
                curve[i] = held[i] * exp(min(eta[i], _LARGEST))
