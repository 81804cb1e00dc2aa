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


@lru_cache(maxsize=64)
def contrast_pairs(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Products of contrast columns: (n, n_pairs), with the two indices of each pair (first <= second)."""
    basis = contrasts(n)
    first, second = np.triu_indices(n - 1)
    return basis[:, first] * basis[:, second], first, second


def one_more(contrasts: np.ndarray, value: float, axis: int) -> np.ndarray:
    """Contrasts of one branch more, appended with a value: those among the old branches stay what they are."""
    shape = list(contrasts.shape)
    shape[axis] = 1
    return np.concatenate([contrasts, np.full(shape, value, dtype=contrasts.dtype)], axis=axis)
