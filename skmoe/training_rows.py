"""What the rows of a fit say of it: one pass, nothing of which is as long as the rows."""

from __future__ import annotations

from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from .mixture import normalized
from .model import FittedMixture
from .records import add
from .responses import Summary
from .rows.chunk import Chunk
from .rows.source import Rows


class Said(NamedTuple):
    """Sums over the rows of a fit.

    Attributes
    ----------
    log_likelihood : float
        Counts sample weights.
    trained : ndarray of shape (n_leaves,)
        Mass of every leaf, as it counts in training.
    mass : ndarray of shape (n_leaves,)
        Mass of every leaf by sample weights.
    responses : ndarray of shape (n_leaves, n_outputs) or (n_leaves, n_classes)
        Sums of responses, or mass of classes, by sample weights.
    likeliest : ndarray of shape (n_nodes,)
        Mass that comes to every node times the probability of its likeliest branch.
    """

    log_likelihood: float
    trained: np.ndarray
    mass: np.ndarray
    responses: np.ndarray
    likeliest: np.ndarray


def counted(weight: np.ndarray, *given: np.ndarray) -> tuple[Any, ...]:
    """Where rows of positive weight are, their weights, and what else is given of them: no other rows are there.

    Where all rows are such nothing is copied, and where they are is None.
    """
    if weight.all():
        return None, weight, *given
    seen = np.flatnonzero(weight)
    return seen, *(values[seen] for values in (weight, *given))


class TrainingRows(NamedTuple):
    """The rows of a fit.

    Attributes
    ----------
    rows : Rows
        As gates and experts see them, with the weights that they have in training.
    y : ndarray of shape (n_rows, n_outputs)
        Responses in the user's units, or coded classes.
    weight : ndarray of shape (n_rows,)
        Sample weights. Class weights are no part of them: what rows are like is counted without.
    """

    rows: Rows
    y: np.ndarray
    weight: np.ndarray

    def say(self, fitted: FittedMixture, summary: Summary) -> Said:
        """What the rows say of a fitted mixture."""

        def take(number: int) -> tuple[Chunk, np.ndarray, np.ndarray]:
            at = self.rows.place(number)
            return self.rows.chunk(number), self.y[at], self.weight[at]

        def part(numbers: range) -> Said:
            found: Said = reduce(add, (_of_chunk(fitted, summary, *take(number)) for number in numbers))
            return found

        said: Said = reduce(add, self.rows.mapped(part))
        return said


def _of_chunk(fitted: FittedMixture, summary: Summary, chunk: Chunk, y: np.ndarray, weight: np.ndarray) -> Said:
    mixture, params = fitted.mixture, fitted.params
    log_prob, h = normalized(mixture.forward(params, chunk).joint)
    trained = h * chunk.weight
    likeliest = []
    for node, gate, p in zip(mixture.tree.nodes, mixture.gates, params.gates, strict=True):
        come = trained[node.branches[0].leaves.start : node.branches[-1].leaves.stop].sum(axis=0)
        most = np.exp(gate.forward(p, chunk.gate).log_prob.max(axis=0))
        likeliest.append(float(come @ np.broadcast_to(most, come.shape)))
    responses = summary.sums(y, weight, h.T)
    return Said(float(log_prob @ weight), trained.sum(axis=1), h @ weight, responses, np.array(likeliest))
