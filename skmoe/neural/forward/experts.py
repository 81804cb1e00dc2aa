"""Experts in NumPy: perceptrons, each for the rows that were sent to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import expit, ndtr

#: Weight (n_experts, d_in, d_out) and bias (n_experts, d_out) of a linear map of every expert.
Map = tuple[np.ndarray, np.ndarray]


def answered(x: np.ndarray, index: np.ndarray, maps: Sequence[Map], activation: str) -> np.ndarray:
    """What the experts of each row answer.

    Parameters
    ----------
    x : ndarray of shape (n_rows, d_in)
    index : ndarray of shape (n_rows, k)
        Experts of the rows.
    maps : sequence of (weight, bias)
        Linear maps of the experts, first to last.
    activation : str
        Between them.

    Returns
    -------
    ndarray of shape (n_rows, k, d_out)
    """
    between = ACTIVATIONS[activation]
    k, n_experts = index.shape[1], len(maps[0][0])
    places = index.reshape(-1)
    order = np.argsort(places, kind="stable")  # rows of the same expert lie together
    ends = np.cumsum(np.bincount(places, minlength=n_experts))
    answers = np.empty((places.size, maps[-1][0].shape[2]), dtype=x.dtype)
    for expert, at in enumerate(np.split(order, ends[:-1])):
        if at.size:
            y = x[at // k]
            for weight, bias in maps[:-1]:
                y = between(y @ weight[expert] + bias[expert])
            weight, bias = maps[-1]
            answers[at] = y @ weight[expert] + bias[expert]
    return answers.reshape(*index.shape, -1)


def relu(x: np.ndarray) -> np.ndarray:
    """The positive part."""
    return np.maximum(x, x.dtype.type(0))


def _gelu(x: np.ndarray) -> np.ndarray:
    return x * ndtr(x)


def _swiglu(x: np.ndarray) -> np.ndarray:
    gate, value = np.split(x, 2, axis=1)
    return gate * expit(gate) * value


#: By the names of `skmoe.neural.experts.activations`.
ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"relu": relu, "gelu": _gelu, "swiglu": _swiglu}
