"""Many small systems of equations."""

from __future__ import annotations

from math import sqrt

import numpy as np

from .compiled import kernel


@kernel
def solve(matrices: np.ndarray, vectors: np.ndarray, out: np.ndarray, pivots: np.ndarray) -> None:
    """Solutions by Cholesky factors, as far as matrices have one.

    Parameters
    ----------
    matrices : ndarray of shape (n_systems, n, n)
        Symmetric; overwritten.
    vectors, out : ndarray of shape (n_systems, n)
    pivots : ndarray of shape (n_systems,)
        Where the ratio of the smallest pivot to the largest goes; zero where a matrix is not positive definite, and
        what is in ``out`` then has no meaning.
    """
    for s in range(len(matrices)):
        a, x = matrices[s], out[s]
        n = len(x)
        smallest, largest = np.inf, 0.0
        for j in range(n):
            row = a[j]
            for i in range(j):
                above = a[i]
                value = row[i]
                for k in range(i):
                    value -= row[k] * above[k]
                row[i] = value / above[i]
            square = row[j]
            for k in range(j):
                square -= row[k] * row[k]
            if not square > 0.0:  # NaN too
                smallest = 0.0
                break
            row[j] = sqrt(square)
            smallest, largest = min(smallest, row[j]), max(largest, row[j])
        pivots[s] = smallest / largest if smallest > 0.0 else 0.0
        if not smallest > 0.0:
            continue
        for j in range(n):
            value = vectors[s, j]
            for k in range(j):
                value -= a[j, k] * x[k]
            x[j] = value / a[j, j]
        for j in range(n - 1, -1, -1):
            value = x[j]
            for k in range(j + 1, n):
                value -= a[k, j] * x[k]
            x[j] = value / a[j, j]
