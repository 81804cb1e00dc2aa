"""Student-t experts; ``shape`` holds the log of the scale, 1/dof, the log of the constant of the density, and
digamma((dof + 1)/2) - digamma(dof/2) - 1/dof."""

from __future__ import annotations

import numpy as np

from .compiled import elementary, kernel
from .elementary import log

#: From here on 1 + u is u.
_NOTHING_LOST = 1e17


@elementary
def _log1p(u: float) -> float:
    """``log(1 + u)`` to all digits: the logarithm of what 1 + u was rounded to, corrected by what was rounded off."""
    whole = 1.0 + u
    lost = u - (whole - 1.0) if u < _NOTHING_LOST else 0.0
    return log(whole) + lost / whole


@kernel
def log_density(y: np.ndarray, location: np.ndarray, shape: np.ndarray, out: np.ndarray) -> None:
    """See `skmoe.kernels.families.log_density`."""
    n_experts, n_outputs, n_rows = location.shape
    for k in range(n_experts):
        total = out[k]
        for q in range(n_outputs):
            at, seen = location[k, q], y[q]
            inverse, inverse_dof, constant = np.exp(-shape[k, q, 0]), shape[k, q, 1], shape[k, q, 2]
            power = 0.5 * (1 / inverse_dof + 1)
            for i in range(n_rows):
                z = (seen[i] - at[i]) * inverse
                total[i] += constant - power * _log1p(z * z * inverse_dof)


@kernel
def weighted_score(y: np.ndarray, location: np.ndarray, shape: np.ndarray, mass: np.ndarray, total: np.ndarray) -> None:
    """See `skmoe.kernels.families.weighted_score`."""
    n_experts, n_outputs, n_rows = location.shape
    for k in range(n_experts):
        held = mass[k]
        for q in range(n_outputs):
            at, seen = location[k, q], y[q]
            inverse, inverse_dof, gap = np.exp(-shape[k, q, 0]), shape[k, q, 1], shape[k, q, 3]
            dof = 1 / inverse_dof
            scale, tail = 0.0, 0.0
            for i in range(n_rows):
                z = (seen[i] - at[i]) * inverse
                square = z * z
                weight = (dof + 1) / (dof + square)
                pull = weight * square
                at[i] = held[i] * weight * z * inverse
                scale += held[i] * (pull - 1)
                tail += held[i] * (gap - _log1p(square * inverse_dof) + pull * inverse_dof)
            total[k, q, 0] += scale
            total[k, q, 1] -= 0.5 * dof * dof * tail


@kernel
def weighted_curvature(
    y: np.ndarray, location: np.ndarray, shape: np.ndarray, mass: np.ndarray, out: np.ndarray
) -> None:
    """See `skmoe.kernels.families.weighted_curvature`."""
    n_experts, n_outputs, n_rows = location.shape
    for k in range(n_experts):
        held = mass[k]
        for q in range(n_outputs):
            at, seen, curve = location[k, q], y[q], out[k, q]
            inverse, dof = np.exp(-shape[k, q, 0]), 1 / shape[k, q, 1]
            for i in range(n_rows):
                z = (seen[i] - at[i]) * inverse
                curve[i] = held[i] * inverse * inverse * (dof + 1) / (dof + z * z)
