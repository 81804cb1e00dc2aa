"""Solving with an information matrix, whatever the data did to it."""

from __future__ import annotations

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs

#: Smallest ratio of Cholesky pivots that is trusted; below it the factor has lost half of its digits.
_SMALLEST_PIVOT = 1e-7
#: Eigenvalues below this fraction of the largest are taken for zero.
_SMALLEST_EIGENVALUE = 1e-13


def solve_information(information: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """``information^-1 vector`` for a symmetric positive semi-definite matrix; minimum norm where it is singular.

    Cholesky where it can be trusted, else the eigenvalue decomposition; never raises `LinAlgError`.

    Parameters
    ----------
    information : ndarray of shape (n, n)
    vector : ndarray of shape (n,)
    """
    if not vector.size:
        return vector
    factor, failed = dpotrf(information, lower=0, clean=0)
    if not failed:
        pivots = factor.diagonal()
        if pivots.min() > _SMALLEST_PIVOT * pivots.max():
            return dpotrs(factor, vector, lower=0)[0]
    return _minimum_norm(information, vector)


def _minimum_norm(information: np.ndarray, vector: np.ndarray) -> np.ndarray:
    if not np.isfinite(information).all():
        return np.full_like(vector, np.nan)  # the line search turns away from it
    # In units where the diagonal is one, so that a coordinate is not dropped for its units.
    diagonal = np.sqrt(np.maximum(information.diagonal(), 0.0))
    unit = np.where(diagonal > 0, diagonal, 1.0)
    try:
        values, vectors = np.linalg.eigh(information / np.outer(unit, unit))
    except np.linalg.LinAlgError:
        return np.full_like(vector, np.nan)
    keep = values > _SMALLEST_EIGENVALUE * max(values[-1], np.finfo(float).tiny)
    basis = vectors[:, keep]
    return basis @ ((basis.T @ (vector / unit)) / values[keep]) / unit
