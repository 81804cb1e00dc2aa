"""Which experts count in the rows of a tile, how much, and their linear predictors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .compiled import kernel
from .routes import Routes, walk_down
from .softmax import exponentials, relative

#: Where at most one expert in so many counts, only those that count are evaluated. A number costs this much more where
#: every row has experts of its own than in a product of matrices.
_WORTH_CHOOSING = 12


class Mixed(NamedTuple):
    """A mixture as rows to be predicted meet it.

    Attributes
    ----------
    routes : Routes
    gate : ndarray of shape (n_branches, n_coef)
    coef : ndarray of shape (n_experts, n_predictors, n_coef)
        Of the outputs, or of the classes; of two classes the log-odds of the second.
    top_k : int
        Experts that count in each row, those of the largest prior, renormalised.
    """

    routes: Routes
    gate: np.ndarray
    coef: np.ndarray
    top_k: int


class Room(NamedTuple):
    """Room for what is made of a tile. A row has ``top_k`` places, for the experts that count in it.

    Attributes
    ----------
    logits, prob : ndarray of shape (n_branches, tile)
        Logits of branches, and their exponentials.
    log_total, inverse : ndarray of shape (n_nodes, tile)
        See `skmoe.kernels.softmax.exponentials`.
    top, total : ndarray of shape (tile,)
    holder : ndarray of shape (top_k, tile)
        Which expert has a place.
    share : ndarray of shape (top_k, tile)
        How much it counts; the places of a row sum to one.
    eta : ndarray of shape (top_k, n_predictors, tile)
        Its linear predictors.
    every : ndarray of shape (n_experts, n_predictors, tile)
        Those of all experts; where every expert has its place the same as ``eta``.
    """

    logits: np.ndarray
    prob: np.ndarray
    log_total: np.ndarray
    inverse: np.ndarray
    top: np.ndarray
    total: np.ndarray
    holder: np.ndarray
    share: np.ndarray
    eta: np.ndarray
    every: np.ndarray


@kernel
def room_for(mixed: Mixed, n: int) -> Room:
    """Room for tiles of n rows."""
    n_branches, n_nodes, top_k = len(mixed.gate), len(mixed.routes.node) - 1, mixed.top_k
    n_experts, n_predictors, _ = mixed.coef.shape
    holder = np.empty((top_k, n), np.int64)
    for j in range(top_k):
        holder[j] = j
    every = np.empty((n_experts, n_predictors, n))
    return Room(
        np.empty((n_branches, n)),
        np.empty((n_branches, n)),
        np.empty((n_nodes, n)),
        np.empty((n_nodes, n)),
        np.empty(n),
        np.empty(n),
        holder,
        np.empty((top_k, n)),
        every if top_k == n_experts else np.empty((top_k, n_predictors, n)),
        every,
    )


@kernel
def look(gate: np.ndarray, expert: np.ndarray, mixed: Mixed, room: Room) -> None:
    """Which experts count in the rows of one tile, how much, and their linear predictors."""
    n_experts, n_predictors, n_coef = mixed.coef.shape
    np.dot(mixed.gate, gate, room.logits)
    if mixed.top_k == n_experts:
        prior(mixed.routes, room)
    else:
        _choose(mixed.routes, room)
    if _WORTH_CHOOSING * mixed.top_k <= n_experts:
        _predict_chosen(mixed.coef, expert, room)
    else:
        flat = room.every.reshape(n_experts * n_predictors, expert.shape[1])
        np.dot(mixed.coef.reshape(n_experts * n_predictors, n_coef), expert, flat)
        if mixed.top_k < n_experts:
            _take_chosen(room)


@kernel
def prior(routes: Routes, room: Room) -> None:
    """Prior probabilities of the leaves: products of those of the branches above them."""
    logits, prob, share, inverse = room.logits, room.prob, room.share, room.total
    n_rows = share.shape[1]
    for v in range(len(routes.node) - 1):
        s, e = routes.node[v], routes.node[v + 1]
        relative(logits[s:e], prob[s:e], room.top, inverse)
        for i in range(n_rows):
            inverse[i] = 1 / inverse[i]
        for c in range(s, e):
            branch = prob[c]
            for i in range(n_rows):
                branch[i] *= inverse[i]
            for k in range(routes.first[c], routes.last[c]):
                leaf = share[k]
                if v == 0:
                    leaf[:] = branch
                else:
                    for i in range(n_rows):
                        leaf[i] *= branch[i]


@kernel
def _choose(routes: Routes, room: Room) -> None:
    """The most probable leaves, of equals the first, and their shares."""
    n_nodes, n = len(routes.node) - 1, len(room.top)
    n_experts, top_k = len(room.every), len(room.share)
    log_prior = room.logits
    if n_nodes > 1:
        for v in range(n_nodes):
            s, e = routes.node[v], routes.node[v + 1]
            exponentials(room.logits[s:e], room.prob[s:e], room.log_total[v], room.inverse[v])
        log_prior = np.empty((n_experts, n))
        walk_down(routes, room.logits, room.log_total, log_prior)
    best, value, expert = np.empty((top_k, n)), np.empty(n), np.empty(n, np.int64)
    best[:] = -np.inf
    room.holder[:] = n_experts - 1
    for k in range(n_experts):
        value[:] = log_prior[k]
        expert[:] = k
        for j in range(min(k + 1, top_k)):
            _insert(value, expert, best[j], room.holder[j])
    relative(best, room.share, room.top, room.total)
    for j in range(top_k):
        share = room.share[j]
        for i in range(n):
            share[i] /= room.total[i]


@kernel
def _insert(value: np.ndarray, expert: np.ndarray, best: np.ndarray, place: np.ndarray) -> None:
    """Give the place of a smaller value to a larger one, of equals to the first expert; what has to leave goes on."""
    for i in range(len(value)):
        new, old, new_expert, old_expert = value[i], best[i], expert[i], place[i]
        larger = (new > old) | ((new == old) & (new_expert < old_expert))
        best[i] = new if larger else old
        value[i] = old if larger else new
        place[i] = new_expert if larger else old_expert
        expert[i] = old_expert if larger else new_expert


@kernel
def _predict_chosen(coef: np.ndarray, design: np.ndarray, room: Room) -> None:
    """Linear predictors of the experts that have a place."""
    _, n_predictors, n_coef = coef.shape
    for j in range(len(room.eta)):
        expert = room.holder[j]
        for q in range(n_predictors):
            eta = room.eta[j, q]
            eta[:] = 0.0
            for c in range(n_coef):
                slope, column = coef[:, q, c].copy(), design[c]
                for i in range(len(eta)):
                    eta[i] += slope[expert[i]] * column[i]


@kernel
def _take_chosen(room: Room) -> None:
    """Linear predictors of the experts that have a place, of those of all."""
    top_k, n_predictors, n = room.eta.shape
    for j in range(top_k):
        expert = room.holder[j]
        for q in range(n_predictors):
            eta, every = room.eta[j, q], room.every[:, q]
            for i in range(n):
                eta[i] = every[expert[i], i]
