"""How a gate chooses, in NumPy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import expit, log_expit, log_softmax, softmax

from .rule import Rule


class Chosen(NamedTuple):
    """The experts of rows.

    Attributes
    ----------
    index : ndarray of shape (n_rows, k)
    weight : ndarray of shape (n_rows, k)
        What their outputs are multiplied with.
    proba : ndarray of shape (n_rows, n_experts)
        Probabilities of all experts.
    raw : ndarray of shape (n_rows, k)
        Numbers whose softmax is `weight` divided by its sum.
    """

    index: np.ndarray  # type: ignore[assignment]  # in the place of tuple.index
    weight: np.ndarray
    proba: np.ndarray
    raw: np.ndarray

    def log_weight(self) -> np.ndarray:
        """Logarithms of the weights divided by their sum, (n_rows, k)."""
        log_weight: np.ndarray = log_softmax(self.raw, axis=1)
        return log_weight


def chosen(logits: np.ndarray, rule: Rule, balance_bias: np.ndarray | None = None) -> Chosen:
    """The experts of rows of some logits.

    Parameters
    ----------
    logits : ndarray of shape (n_rows, n_experts)
    rule : Rule
    balance_bias : ndarray of shape (n_experts,) or None
        Added to the scores for the choice alone.

    Examples
    --------
    >>> from skmoe.neural.forward.rule import Rule
    >>> chosen(np.log([[0.5, 0.2, 0.3]]), Rule(k=2)).index
    array([[0, 2]])
    """
    logits = logits / rule.temperature if rule.temperature != 1 else logits
    log_score = logits if rule.score == "softmax" else log_expit(logits)  # of a softmax but for a constant a row
    proba = softmax(log_score, axis=1)
    score = proba if rule.score == "softmax" else expit(logits)
    index = _largest(score if balance_bias is None else score + balance_bias, rule.k)
    raw = np.take_along_axis(log_score, index, axis=1)
    weight = softmax(raw, axis=1) if rule.renormalize else np.take_along_axis(score, index, axis=1)
    return Chosen(index, weight * rule.scale if rule.scale != 1 else weight, proba, raw)


def _largest(score: np.ndarray, k: int | None) -> np.ndarray:
    """Numbers of the k largest scores of each row, the largest first, of equal ones the first."""
    n_experts = score.shape[1]
    if k is None:
        return np.broadcast_to(np.arange(n_experts), score.shape)
    if k > 2:
        return np.argsort(-score, axis=1, kind="stable")[:, :k]
    first = score.argmax(axis=1)[:, None]
    if k == 1:
        return first
    rest = score.copy()
    np.put_along_axis(rest, first, -np.inf, axis=1)
    return np.concatenate([first, rest.argmax(axis=1)[:, None]], axis=1)
