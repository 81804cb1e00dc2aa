"""Families of experts by their numbers.

Every family has the same three functions of y (n_outputs, n_rows), linear predictors eta (n_experts, n_outputs, n_rows)
and its other parameters, ``shape`` (n_experts, n_outputs, n_constants), in a file of its own. Densities come first and
scores last; what one leaves in the place of eta the next find there.
"""

from __future__ import annotations

import numpy as np

from . import bernoulli, gaussian, poisson, student_t
from .codes import BERNOULLI, GAUSSIAN, POISSON
from .compiled import kernel


@kernel
def log_density(family: int, y: np.ndarray, eta: np.ndarray, shape: np.ndarray, out: np.ndarray) -> None:
    """Add log densities of all outputs together, less what depends on y alone, to out (n_experts, n_rows)."""
    if family == GAUSSIAN:
        gaussian.log_density(y, eta, shape, out)
    elif family == BERNOULLI:
        bernoulli.log_density(y, eta, shape, out)
    elif family == POISSON:
        poisson.log_density(y, eta, shape, out)
    else:
        student_t.log_density(y, eta, shape, out)


@kernel
def weighted_score(
    family: int, y: np.ndarray, eta: np.ndarray, shape: np.ndarray, mass: np.ndarray, total: np.ndarray
) -> None:
    """Turn eta into derivatives by it, times mass (n_experts, n_rows); derivatives by the other parameters are added to
    their total over the rows, (n_experts, n_outputs, n_shape)."""
    if family == GAUSSIAN:
        gaussian.weighted_score(y, eta, shape, mass, total)
    elif family == BERNOULLI:
        bernoulli.weighted_score(y, eta, shape, mass, total)
    elif family == POISSON:
        poisson.weighted_score(y, eta, shape, mass, total)
    else:
        student_t.weighted_score(y, eta, shape, mass, total)


@kernel
def weighted_curvature(
    family: int, y: np.ndarray, eta: np.ndarray, shape: np.ndarray, mass: np.ndarray, out: np.ndarray
) -> None:
    """Curvature by eta times mass, out (n_experts, n_outputs, n_rows), or (n_experts, 1, n_rows) where outputs share
    it."""
    if family == GAUSSIAN:
        gaussian.weighted_curvature(y, eta, shape, mass, out)
    elif family == BERNOULLI:
        bernoulli.weighted_curvature(y, eta, shape, mass, out)
    elif family == POISSON:
        poisson.weighted_curvature(y, eta, shape, mass, out)
    else:
        student_t.weighted_curvature(y, eta, shape, mass, out)
