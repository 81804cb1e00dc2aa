"""Solving with an information matrix, whatever the data did to it."""

from __future__ import annotations

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs

from . import kernels

#: Smallest ratio of Cholesky pivots that is trusted; below it the factor has lost half of its digits.
_SMALLEST_PIVOT = 1e-7
#: Eigenvalues below this fraction of the largest are taken for zero.
_SMALLEST_EIGENVALUE = 1e-13
#: Entries of a diagonal up to this are zero: the column does not vary, and nothing pulls at its coefficient.
_NO_DIAGONAL = 1e-300
#: Up to this size one call of compiled code for many systems is faster than LAPACK for each.
_SMALL = 48


def solve_information(information: np.ndarray, vector: np.ndarray, ridge: np.ndarray | float = 0.0) -> np.ndarray:
    """``(information + ridge)^-1 vector`` for a symmetric positive semi-definite matrix, or for its diagonal; minimum
    norm where it is singular.

    Cholesky where it can be trusted, else the eigenvalue decomposition; never raises `LinAlgError`.

    Parameters
    ----------
    information : ndarray of shape (..., n, n), or (..., n)
        A diagonal has as many axes as the vector.
    vector : ndarray of shape (..., n)
    ridge : ndarray that goes with vector, or float
        What is added to the diagonal.
    """
    n = vector.shape[-1]
    if not vector.size:
        return vector
    if information.ndim == vector.ndim:
        diagonal = np.broadcast_to(information + ridge, vector.shape)
        return np.divide(vector, diagonal, out=np.zeros(vector.shape), where=diagonal > _NO_DIAGONAL)
    whole = np.empty((*vector.shape, n))
    whole[:] = information
    np.einsum("...ii->...i", whole)[:] += ridge
    matrices = whole.reshape(-1, n, n)
    vectors = np.ascontiguousarray(vector.reshape(-1, n))
    solutions, pivots = np.empty_like(vectors), np.empty(len(vectors))
    if n <= _SMALL:
        kernels.cholesky.solve(matrices.copy(), vectors, solutions, pivots)
    else:
        for s, matrix in enumerate(matrices):
            solutions[s], pivots[s] = _by_lapack(matrix, vectors[s])
    for s in np.flatnonzero(~(pivots > _SMALLEST_PIVOT)).tolist():
        solutions[s] = _minimum_norm(matrices[s], vectors[s])
    return solutions.reshape(vector.shape)


def times(information: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """``information @ vector`` for a matrix, or for its diagonal, which has as many axes as the vector."""
    if information.ndim == vector.ndim:
        return np.asarray(information * vector)
    return np.asarray(np.einsum("...ij,...j->...i", information, vector))


def _by_lapack(matrix: np.ndarray, vector: np.ndarray) -> tuple[np.ndarray, float]:
    """Solution, and the ratio of the smallest pivot to the largest; zero where there is no Cholesky factor."""
    factor, failed = dpotrf(matrix, lower=0, clean=0)
    if failed:
        return vector, 0.0
    pivots = factor.diagonal()
    return dpotrs(factor, vector, lower=0)[0], pivots.min() / pivots.max()


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
