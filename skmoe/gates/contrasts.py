"""Contrasts: coordinates of vectors that sum to zero."""

from __future__ import annotations

from functools import lru_cache

import numpy as np


@lru_cache(maxsize=64)
def contrasts(n: int) -> np.ndarray:
    """Orthonormal basis (n, n - 1) of the vectors of length n that sum to zero (Helmert).

    A softmax over n branches has n - 1 free logits. In these coordinates a ridge is symmetric in the branches,
    nothing is redundant, and a branch appended last leaves the old coordinates as they were.
    """
    basis = np.zeros((n, n - 1))
    for j in range(n - 1):
        basis[: j + 1, j] = 1.0
        basis[j + 1, j] = -(j + 1.0)
        basis[:, j] /= np.sqrt((j + 1.0) * (j + 2.0))
    basis.flags.writeable = False
    return basis


def from_pairs(pairs: np.ndarray, n: int) -> np.ndarray:
    """Information of a softmax in contrasts, of that of every two branches.

    The information of branches b and d is ``-sum p_b p_d x x'``, and rows of it sum to zero.

    Parameters
    ----------
    pairs : ndarray of shape (n_groups, n (n - 1) / 2, n_coef, n_coef)
        Cross-products weighted by ``p_b p_d``, b < d, in the order of ``np.triu_indices``.
    n : int
        Number of branches.

    Returns
    -------
    ndarray of shape (n_groups, n - 1, n_coef, n - 1, n_coef)
    """
    m, (n_groups, n_pairs, n_coef, _) = n - 1, pairs.shape
    blocks = _pair_products(n) @ pairs.reshape(n_groups, n_pairs, n_coef * n_coef)
    apart = blocks.reshape(n_groups, m, m, n_coef, n_coef)
    return np.ascontiguousarray(apart.swapaxes(2, 3))


@lru_cache(maxsize=64)
def _pair_products(n: int) -> np.ndarray:
    """What the two coordinates of a contrast (rows, (n - 1)^2) take of every two branches (columns): the matrix whose
    entries b, d are ``-p_b p_d`` is the sum over pairs of ``p_b p_d (e_b - e_d)(e_b - e_d)'``."""
    basis, (first, second) = contrasts(n), np.triu_indices(n, 1)
    apart = basis[first] - basis[second]
    return np.ascontiguousarray((apart[:, :, None] * apart[:, None, :]).reshape(len(apart), (n - 1) ** 2).T)


def one_more(contrasts: np.ndarray, value: float, axis: int) -> np.ndarray:
    """Contrasts of one branch more, appended with a value: those among the old branches stay what they are."""
    shape = list(contrasts.shape)
    shape[axis] = 1
    return np.concatenate([contrasts, np.full(shape, value, dtype=contrasts.dtype)], axis=axis)
