"""What a mixture says of rows without leaving compiled code, a tile of rows after another.

Numbers go straight to where users find them, (n_rows, ...): no other array is as long as the rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .codes import BERNOULLI, GAUSSIAN, POISSON, STUDENT_T
from .compiled import elementary, kernel
from .elementary import exp, exp_of_negative
from .quantile import gaussian_quantile
from .routes import Routes, walk_down
from .softmax import exponentials, relative

#: Rates beyond e^700 are e^700, as in `skmoe.families.Poisson`.
_LARGEST = 700.0
#: Where at most one expert in so many counts, only those that count are evaluated. A number costs this much more where
#: every row has experts of its own than in a product of matrices.
_WORTH_CHOOSING = 12


class Tiles(NamedTuple):
    """Designs of gates and of experts, (n_tiles, n_coef, tile)."""

    gate: np.ndarray
    expert: np.ndarray


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


class Outputs(NamedTuple):
    """What else there is to know of outputs: the family of the experts, its other parameters (n_experts, n_outputs,
    n_constants), and the units, ``y = center + unit * z``, each (n_outputs,)."""

    family: int
    shape: np.ndarray
    center: np.ndarray
    unit: np.ndarray


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
def priors(gate: np.ndarray, mixed: Mixed, out: np.ndarray) -> None:
    """Prior probabilities of all experts; ``gate`` is (n_tiles, n_coef, tile), ``out`` (n_rows, n_experts)."""
    room = _room(mixed, gate.shape[2])
    for t in range(len(gate)):
        np.dot(mixed.gate, gate[t], room.logits)
        _prior(mixed.routes, room)
        _put(room.share, out[t * gate.shape[2] :])


@kernel
def moments(tiles: Tiles, mixed: Mixed, outputs: Outputs, mean: np.ndarray, variance: np.ndarray) -> None:
    """Means and variances of the mixture.

    Parameters
    ----------
    mean : ndarray of shape (n_rows, n_outputs)
    variance : ndarray of shape (n_rows, n_outputs) or (0, n_outputs)
        Without rows none are wanted.
    """
    n, n_outputs = tiles.expert.shape[2], mixed.coef.shape[1]
    room = _room(mixed, n)
    first, second, own = np.empty((n_outputs, n)), np.empty((n_outputs, n)), np.empty(n)
    constant = _constant_variances(outputs)
    for t in range(len(tiles.expert)):
        _look(tiles.gate[t], tiles.expert[t], mixed, room)
        first[:] = 0.0
        for j in range(mixed.top_k):
            for q in range(n_outputs):
                _to_means(outputs.family, room.eta[j, q])
                _add(room.share[j], room.eta[j, q], first[q])
        _put_in_units(first, outputs.center, outputs.unit, mean[t * n :])
        if len(variance):
            second[:] = 0.0
            for j in range(mixed.top_k):
                for q in range(n_outputs):
                    _variances(outputs.family, constant[:, q], room.holder[j], room.eta[j, q], own)
                    _add_spread(room.share[j], room.eta[j, q], own, first[q], second[q])
            _put_in_units(second, np.zeros(n_outputs), outputs.unit * outputs.unit, variance[t * n :])


@kernel
def classes(tiles: Tiles, mixed: Mixed, out: np.ndarray) -> None:
    """Probabilities of the classes, ``out`` (n_rows, n_classes)."""
    n, n_classes = tiles.expert.shape[2], out.shape[1]
    room = _room(mixed, n)
    prob, total = np.empty((n_classes, n)), np.empty((n_classes, n))
    for t in range(len(tiles.expert)):
        _look(tiles.gate[t], tiles.expert[t], mixed, room)
        total[:] = 0.0
        for j in range(mixed.top_k):
            if n_classes == 2:
                _add_either(room.share[j], room.eta[j, 0], total)
            else:
                relative(room.eta[j], prob, room.top, room.total)
                for i in range(n):
                    room.total[i] = room.share[j, i] / room.total[i]
                for c in range(n_classes):
                    _add(room.total, prob[c], total[c])
        _to_one(total)
        _put(total, out[t * n :])


@kernel
def quantiles(
    tiles: Tiles, mixed: Mixed, outputs: Outputs, level: np.ndarray, standard: np.ndarray, out: np.ndarray
) -> None:
    """Quantiles of mixtures of Gaussian experts.

    Parameters
    ----------
    level, standard : ndarray of shape (n_levels,)
        Levels, and the quantiles of the standard normal there.
    out : ndarray of shape (n_rows, n_levels, n_outputs)
    """
    n, n_outputs, top_k = tiles.expert.shape[2], mixed.coef.shape[1], mixed.top_k
    room = _room(mixed, n)
    mean, scale, found = np.empty((top_k, n)), np.empty((top_k, n)), np.empty((1, n))
    at, bound = np.empty(n), np.empty(n)
    scales = np.exp(outputs.shape[:, :, 0])
    for t in range(len(tiles.expert)):
        _look(tiles.gate[t], tiles.expert[t], mixed, room)
        for q in range(n_outputs):
            one = slice(q, q + 1)
            for j in range(top_k):
                mean[j] = room.eta[j, q]
                for i in range(n):
                    scale[j, i] = scales[room.holder[j, i], q]
            for m in range(len(level)):
                at[:] = level[m]
                bound[:] = standard[m]
                gaussian_quantile(room.share, mean, scale, at, bound, found[0])
                _put_in_units(found, outputs.center[one], outputs.unit[one], out[t * n :, m, one])


# -- gates and linear predictors ---------------------------------------------------------------------------------------


@kernel
def _room(mixed: Mixed, n: int) -> Room:
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
def _look(gate: np.ndarray, expert: np.ndarray, mixed: Mixed, room: Room) -> None:
    """Which experts count in the rows of one tile, how much, and their linear predictors."""
    n_experts, n_predictors, n_coef = mixed.coef.shape
    np.dot(mixed.gate, gate, room.logits)
    if mixed.top_k == n_experts:
        _prior(mixed.routes, room)
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
def _prior(routes: Routes, room: Room) -> None:
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


# -- means, variances, classes -----------------------------------------------------------------------------------------


@kernel
def _to_means(family: int, eta: np.ndarray) -> None:
    """Turn linear predictors into means."""
    if family == POISSON:
        for i in range(len(eta)):
            eta[i] = exp(min(eta[i], _LARGEST))
    elif family == BERNOULLI:
        for i in range(len(eta)):
            small = exp_of_negative(-abs(eta[i]))
            larger = 1 / (1 + small)
            eta[i] = larger if eta[i] > 0 else small * larger


@kernel
def _constant_variances(outputs: Outputs) -> np.ndarray:
    """Variances that are the same at every row, (n_experts, n_outputs); zero where they are not."""
    n_experts, n_outputs, _ = outputs.shape.shape
    out = np.zeros((n_experts, n_outputs))
    for k in range(n_experts):
        for q in range(n_outputs):
            if outputs.family == GAUSSIAN:
                out[k, q] = np.exp(2 * outputs.shape[k, q, 0])
            elif outputs.family == STUDENT_T:
                out[k, q] = np.exp(2 * outputs.shape[k, q, 0]) / (1 - 2 * min(outputs.shape[k, q, 1], 0.5))
    return out


@kernel
def _variances(family: int, constant: np.ndarray, expert: np.ndarray, mean: np.ndarray, out: np.ndarray) -> None:
    """Variances of one output of experts of which the means are known."""
    if family == POISSON:
        out[:] = mean
    elif family == BERNOULLI:
        for i in range(len(mean)):
            out[i] = mean[i] * (1 - mean[i])
    else:
        for i in range(len(mean)):
            out[i] = constant[expert[i]]


@elementary
def _part(share: float, value: float) -> float:
    """The part of one expert; what it says counts for nothing where it has no share, infinite or not."""
    return share * value if share > 0 else 0.0


@kernel
def _add(share: np.ndarray, values: np.ndarray, total: np.ndarray) -> None:
    for i in range(len(share)):
        total[i] += _part(share[i], values[i])


@kernel
def _add_spread(share: np.ndarray, mean: np.ndarray, own: np.ndarray, center: np.ndarray, total: np.ndarray) -> None:
    """Add an expert's own variance and the square of how far its mean is from the centre."""
    for i in range(len(share)):
        total[i] += _part(share[i], own[i] + (mean[i] - center[i]) * (mean[i] - center[i]))


@kernel
def _add_either(share: np.ndarray, logit: np.ndarray, total: np.ndarray) -> None:
    """Add the share of one expert in the probabilities of both classes, each to all its digits."""
    none, one = total[0], total[1]
    for i in range(len(share)):
        small = exp_of_negative(-abs(logit[i]))
        larger = 1 / (1 + small)
        none[i] += _part(share[i], small * larger if logit[i] > 0 else larger)
        one[i] += _part(share[i], larger if logit[i] > 0 else small * larger)


@kernel
def _to_one(prob: np.ndarray) -> None:
    """Make probabilities (n_classes, n_rows) sum to one."""
    total = prob[0].copy()
    for c in range(1, len(prob)):
        for i in range(len(total)):
            total[i] += prob[c, i]
    for c in range(len(prob)):
        for i in range(len(total)):
            prob[c, i] /= total[i]


@kernel
def _put(values: np.ndarray, out: np.ndarray) -> None:
    """Values (n_values, tile) of as many rows as out (n_rows, n_values) has room for."""
    n_rows = min(values.shape[1], len(out))
    for k in range(len(values)):
        value = values[k]
        for i in range(n_rows):
            out[i, k] = value[i]


@kernel
def _put_in_units(values: np.ndarray, center: np.ndarray, unit: np.ndarray, out: np.ndarray) -> None:
    """The same in the units of the user."""
    n_rows = min(values.shape[1], len(out))
    for k in range(len(values)):
        value = values[k]
        for i in range(n_rows):
            out[i, k] = center[k] + unit[k] * value[i]
