"""One pass over the rows of a chunk without leaving compiled code: evaluate and gather, a tile of rows after another.

A tile and what is made of it stay in the cache of a core, and no array as long as the rows is made.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..rows.tiles import Raw, Tiles
from . import bernoulli, families
from .codes import BERNOULLI, BLOCKS, EVEN, PAIRS
from .columns import one_tile
from .compiled import elementary, kernel
from .cross_products import Room, add, close, room_for
from .elementary import log
from .routes import Routes, walk_down, walk_up
from .softmax import exponentials

#: Parts of a row below this count for nothing beside the others: it is the rounding error of the largest.
_NOTHING = 1e-18
#: Densities above it are as exact as any.
_TINY = 1e-280


class View(NamedTuple):
    """Parameters as rows meet them: coefficients of branches (n_branches, n_coef) and of experts (n_experts, n_outputs,
    n_coef), and what else the family has (n_experts, n_outputs, n_constants)."""

    gate: np.ndarray
    coef: np.ndarray
    shape: np.ndarray


class Totals(NamedTuple):
    """Sums over rows.

    Attributes
    ----------
    log_likelihood, weight : ndarray of shape (1,)
        Densities are less what depends on y alone.
    branch : ndarray of shape (n_branches,)
        Mass of every branch.
    mass : ndarray of shape (n_experts,)
        Mass of every expert.
    gate, coef : ndarray
        Scores, like those of `View`.
    shape : ndarray of shape (n_experts, n_outputs, n_shape)
        Scores of the other parameters.
    grams : ndarray of shape (n_experts * n_curves | n_experts * n_curves + n_gate_grams, n_coef, n_coef)
        Weighted cross-products of what experts see, those of one expert after those of another, and after them those
        of gates that see the same. Empty after a score-only pass.
    gate_grams : ndarray of shape (n_gate_grams | 0, n_coef, n_coef)
        Weighted cross-products of gates that see other columns, those of one node after those of another (see
        `skmoe.kernels.codes`).
    """

    log_likelihood: np.ndarray
    weight: np.ndarray
    branch: np.ndarray
    mass: np.ndarray
    gate: np.ndarray
    coef: np.ndarray
    shape: np.ndarray
    grams: np.ndarray
    gate_grams: np.ndarray


class Pass(NamedTuple):
    """What one pass does.

    Attributes
    ----------
    family : int
        Number of the family (see `skmoe.kernels.codes`).
    routes : Routes
        The tree.
    alike : bool
        Whether gates and experts see the same columns.
    n_curves : int
        Cross-products that every expert wants: none in a score-only pass, one for each output or one for all.
    wanted : ndarray of shape (n_nodes,)
        Which cross-products the gate of every node wants.
    """

    family: int
    routes: Routes
    alike: bool
    n_curves: int
    wanted: np.ndarray


class Work(NamedTuple):
    """Room for what is made of a tile, used again for the next."""

    predictors: np.ndarray
    logits: np.ndarray
    prob: np.ndarray
    log_total: np.ndarray
    inverse: np.ndarray
    held: np.ndarray
    eta: np.ndarray
    joint: np.ndarray
    mass: np.ndarray
    branch: np.ndarray
    gate_score: np.ndarray
    score: np.ndarray
    curves: np.ndarray
    room: Room
    gate_room: Room


@kernel
def gather(tiles: Tiles, task: Pass, view: View, totals: Totals) -> None:
    """Add what rows say to the totals."""
    work = _work(task, view, tiles.weight.shape[1], totals)
    for t in range(len(tiles.weight)):
        _gather_tile(tiles.gate[t], tiles.expert[t], tiles.y[t], tiles.weight[t], task, view, work, totals)
    _close(work, totals)


@kernel
def gather_raw(raw: Raw, n_tile: int, task: Pass, view: View, totals: Totals) -> None:
    """Add what rows say to the totals, ``n_tile`` at a time."""
    n_rows, n_outputs = len(raw.weight), len(raw.y)
    work = _work(task, view, n_tile, totals)
    expert = np.empty((view.coef.shape[2], n_tile))
    gate = expert if task.alike else np.empty((view.gate.shape[1], n_tile))
    y, weight = np.zeros((n_outputs, n_tile)), np.zeros(n_tile)
    for first in range(0, n_rows, n_tile):
        n = min(n_tile, n_rows - first)
        one_tile(raw.X, raw.expert, first, expert)
        if not task.alike:
            one_tile(raw.X, raw.gate, first, gate)
        y[:, :n] = raw.y[:, first : first + n]
        weight[:n] = raw.weight[first : first + n]
        y[:, n:] = 0.0
        weight[n:] = 0.0
        _gather_tile(gate, expert, y, weight, task, view, work, totals)
    _close(work, totals)


@kernel
def _close(work: Work, totals: Totals) -> None:
    """Add what is held back to the totals."""
    close(work.room, totals.grams)
    close(work.gate_room, totals.gate_grams)


@kernel
def _work(task: Pass, view: View, n: int, totals: Totals) -> Work:
    """Room for tiles of n rows."""
    n_branches, n_gate_coef = view.gate.shape
    n_experts, n_outputs, n_coef = view.coef.shape
    n_nodes = len(task.routes.node) - 1
    logits, mass = np.empty((n_branches, n)), np.empty((n_experts, n))
    return Work(
        view.coef.copy().reshape(n_experts * n_outputs, n_coef),
        logits,
        np.empty((n_branches, n)),
        np.empty((n_nodes, n)),
        np.empty((n_nodes, n)),
        np.empty((n_nodes, n)),
        np.empty((n_experts, n_outputs, n)),
        logits if n_nodes == 1 else np.empty((n_experts, n)),  # of a single node, in place
        mass,
        mass if n_nodes == 1 else np.empty((n_branches, n)),
        np.empty((n_branches, n_gate_coef)),
        np.empty((n_experts * n_outputs, n_coef)),
        np.empty((len(totals.grams) + len(totals.gate_grams), n)),
        room_for(n_coef, len(totals.grams), n),
        room_for(n_gate_coef, len(totals.gate_grams), n),
    )


@kernel
def _gather_tile(
    gate: np.ndarray,
    expert: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    task: Pass,
    view: View,
    work: Work,
    totals: Totals,
) -> None:
    """Add what the rows of one tile say: designs (n_coef, tile), y (n_outputs, tile) and weights (tile,)."""
    family, routes = task.family, task.routes
    logits, prob, log_total, inverse, eta = work.logits, work.prob, work.log_total, work.inverse, work.eta
    joint, mass, branch, held = work.joint, work.mass, work.branch, work.held
    n_experts, n_outputs, n = eta.shape
    n_nodes = len(routes.node) - 1
    flat = eta.reshape(n_experts * n_outputs, n)
    np.dot(view.gate, gate, logits)
    np.dot(work.predictors, expert, flat)
    for v in range(n_nodes):
        s, e = routes.node[v], routes.node[v + 1]
        exponentials(logits[s:e], prob[s:e], log_total[v], inverse[v])
    shared = False
    if family == BERNOULLI and n_nodes == 1:
        bernoulli.density(y, eta, mass)
        shared = _share_densities(prob, inverse[0], mass, weight, totals)
        if not shared:
            np.dot(work.predictors, expert, flat)
    if not shared:
        if n_nodes > 1:
            walk_down(routes, logits, log_total, joint)
        families.log_density(family, y, eta, view.shape, joint)
        _share(joint, mass, weight, log_total[0], totals)
    if n_nodes > 1:
        walk_up(routes, mass, branch)
    held[0] = weight
    for v in range(1, n_nodes):
        s, e = routes.node[v], routes.node[v + 1]
        _sum(branch[s:e], held[v])
    if task.n_curves:
        _gather_grams(gate, expert, y, weight, task, view, work, totals)
    for v in range(n_nodes):
        s, e = routes.node[v], routes.node[v + 1]
        _excess(branch[s:e], held[v], inverse[v], prob[s:e], totals.branch[s:e])
    families.weighted_score(family, y, eta, view.shape, mass, totals.shape)
    np.dot(prob, gate.T, work.gate_score)
    np.dot(flat, expert.T, work.score)
    totals.gate[:] += work.gate_score
    totals.coef[:] += work.score.reshape(totals.coef.shape)


@kernel
def _share(joint: np.ndarray, mass: np.ndarray, weight: np.ndarray, log_total: np.ndarray, totals: Totals) -> None:
    """Mass of experts, their shares in densities times weight; shares that are nothing become zero, so that rows can be
    skipped. Log densities (n_experts, n_rows) are too large by the total of the root."""
    n_experts, n_rows = joint.shape
    log_norm, factor = np.empty(n_rows), np.empty(n_rows)
    exponentials(joint, mass, log_norm, factor)
    found, total = 0.0, 0.0
    for i in range(n_rows):
        found += weight[i] * (log_norm[i] - log_total[i])
        total += weight[i]
        factor[i] *= weight[i]
    totals.log_likelihood[0] += found
    totals.weight[0] += total
    for k in range(n_experts):
        held = mass[k]
        found = 0.0
        for i in range(n_rows):
            held[i] = factor[i] * held[i] if held[i] > _NOTHING else 0.0
            found += held[i]
        totals.mass[k] += found


@kernel
def _share_densities(
    prob: np.ndarray, inverse: np.ndarray, mass: np.ndarray, weight: np.ndarray, totals: Totals
) -> bool:
    """The same of densities, which are in mass, and of prior probabilities that want the factor ``inverse``.

    Returns
    -------
    bool
        False where densities are so small, or not numbers, that it takes their logarithms; then nothing was added.
    """
    n_experts, n_rows = mass.shape
    joint = np.zeros(n_rows)
    for k in range(n_experts):
        held, prior = mass[k], prob[k]
        for i in range(n_rows):
            held[i] *= prior[i]
            joint[i] += held[i]
    smallest = joint.min()
    if not smallest > _TINY:
        return False
    found, total = 0.0, 0.0
    for i in range(n_rows):
        found += weight[i] * log(joint[i] * inverse[i])
        total += weight[i]
    totals.log_likelihood[0] += found
    totals.weight[0] += total
    for k in range(n_experts):
        held = mass[k]
        found = 0.0
        for i in range(n_rows):
            held[i] = weight[i] * (held[i] / joint[i]) if held[i] > _NOTHING * joint[i] else 0.0
            found += held[i]
        totals.mass[k] += found
    return True


@kernel
def _sum(mass: np.ndarray, total: np.ndarray) -> None:
    """Mass of a node, (n_rows,), from that of its branches."""
    total[:] = mass[0]
    for b in range(1, len(mass)):
        held = mass[b]
        for i in range(len(total)):
            total[i] += held[i]


@kernel
def _excess(mass: np.ndarray, held: np.ndarray, inverse: np.ndarray, prob: np.ndarray, total: np.ndarray) -> None:
    """Turn probabilities, which want the factor ``inverse``, into mass seen less mass expected; add up mass seen."""
    n_branches, n_rows = mass.shape
    factor = np.empty(n_rows)
    for i in range(n_rows):
        factor[i] = held[i] * inverse[i]
    for b in range(n_branches):
        seen, rest = mass[b], prob[b]
        found = 0.0
        for i in range(n_rows):
            rest[i] = seen[i] - factor[i] * rest[i]
            found += seen[i]
        total[b] += found


@kernel
def _gather_grams(
    gate: np.ndarray,
    expert: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    task: Pass,
    view: View,
    work: Work,
    totals: Totals,
) -> None:
    """Add cross-products: weights of all first, and then those of one design together."""
    n_experts, _, n = work.eta.shape
    routes, curves, g = task.routes, work.curves, n_experts * task.n_curves
    of_experts = curves[:g].reshape(n_experts, task.n_curves, n)
    families.weighted_curvature(task.family, y, work.eta, view.shape, work.mass, of_experts)
    for v in range(len(task.wanted)):
        s, e = routes.node[v], routes.node[v + 1]
        g = _gate_weights(task.wanted[v], work.held[v], work.prob[s:e], work.inverse[v], weight, curves, g)
    n_grams = len(totals.grams)
    add(expert, curves[:n_grams], work.room, totals.grams)
    add(gate, curves[n_grams:], work.gate_room, totals.gate_grams)


@kernel
def _gate_weights(
    wanted: int,
    held: np.ndarray,
    prob: np.ndarray,
    inverse: np.ndarray,
    weight: np.ndarray,
    out: np.ndarray,
    g: int,
) -> int:
    """Weights of the cross-products of one gate, from place g on; returns the place behind them."""
    n_branches, n_rows = prob.shape
    if wanted & BLOCKS:
        for b in range(n_branches):
            product = out[g]
            for i in range(n_rows):
                p = prob[b, i] * inverse[i]
                product[i] = _kept(2 * held[i] * p * (1 - p), weight[i])
            g += 1
    if wanted & PAIRS:
        for b in range(n_branches):
            for d in range(b + 1, n_branches):
                product = out[g]
                for i in range(n_rows):
                    product[i] = _kept(held[i] * prob[b, i] * prob[d, i] * inverse[i] * inverse[i], weight[i])
                g += 1
    if wanted & EVEN:
        out[g] = held
        g += 1
    return g


@elementary
def _kept(value: float, weight: float) -> float:
    """A value, or zero where it is nothing beside the weight of its row."""
    return value if value > _NOTHING * weight else 0.0
