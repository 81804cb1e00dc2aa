"""Reseating: an expert is taken from its rows and set down on a part of another's, again and again.

Starts from nothing find the best of many optima rarely: where six experts have found their places, a seventh may still
sit where it is of little use, and no small step leads away from there. A move takes one expert away, leaves its rows to
the others, gives it one side of a hyperplane through the rows of another, and trains on. From a mediocre optimum a
third to a half of such moves lead upwards, where one start in a hundred does.

The walk goes on from what a move reaches also where that is a little worse: the best optima lie behind such steps.

References
----------
Ueda, Nakano, Ghahramani & Hinton (2000), SMEM algorithm for mixture models, move in this way by criteria instead of by
chance. https://doi.org/10.1162/089976600300015088
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from ..mixture import Mixture, Params, normalized
from ..rows.source import Rows
from .loop import Run, Settings
from .starts.division import trained_on
from .watch import Watch

#: Nats a row by which a move may be worse than where the walk stands. In thirty walks each the best of two hundred
#: starts was reached or passed, at 0, .01, .02, .03, .05: airfoil K=4 .37 .37 .67 .80 .77.
_TOLERATED = 0.03
#: Steepness of the dividing hyperplane, and spread of its distance from the mean of the rows it divides, both in their
#: standard deviations along its normal.
_STEEPNESS, _OFFSET = 3.0, 1.5
#: Passes after which a move is first judged, and the factor of its latest gain that it is thought able to gain yet.
_FIRST_LOOK, _OPTIMISM = 25, 4.0
#: Moves that come back to the best optimum, to so many nats a row, before there is thought to be no better. On sets
#: with one optimum this halves the cost, on others it comes into play after the best was found.
_RETURNS, _SAME = 8, 1e-4


def reseated(mixture: Mixture, params: Params, rows: Rows, rng: np.random.Generator) -> Params:
    """Parameters after one expert, at random, was set down on one side of the rows of another."""
    taken, host = rng.choice(mixture.tree.n_leaves, 2, replace=False)
    parts = []
    for chunk in rows:
        joint = mixture.forward(params, chunk).joint
        joint[taken] = -np.inf
        parts.append(normalized(joint)[1])
    halves = sides(rows, [part[host] for part in parts], rng)
    for part, side in zip(parts, halves, strict=True):
        part[taken] = part[host] * side
        part[host] *= 1 - side
    return trained_on(mixture, rows, parts, params.experts)


def sides(rows: Rows, shares: list[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    """How far rows lie to one side of a random hyperplane through a part of the rows, between 0 and 1."""
    normal, offset = rng.standard_normal(rows.n_gate_coef - 1), rng.standard_normal()
    along = [chunk.gate.project(normal) for chunk in rows]
    mass = [chunk.weight * share for chunk, share in zip(rows, shares, strict=True)]
    total = max(sum(m.sum() for m in mass), np.finfo(float).tiny)
    mean = sum(a @ m for a, m in zip(along, mass, strict=True)) / total
    spread = np.sqrt(sum(np.square(a - mean) @ m for a, m in zip(along, mass, strict=True)) / total)
    scale = _STEEPNESS / spread if spread > 0 else 0.0
    edge = mean + _OFFSET * spread * offset
    return [1 / (1 + np.exp(-np.clip(scale * (a - edge), -30, 30))) for a in along]


def walk(ended: Sequence[Run], budget: float, rng: np.random.Generator, settings: Settings, watch: Watch) -> list[Run]:
    """Moves from where the first of some runs has ended, each trained until it ends or is plainly of no use.

    Parameters
    ----------
    ended : sequence of Run
        Runs that went to their end.
    budget : float
        Passes of all moves together, in multiples of the mean of those runs, of starts and moves, that went to their
        end. Starts alone would not do: where clusters are good starts they are near their end from the first.

    Returns
    -------
    list of Run
        Every move, in order.
    """
    run, passes = ended[0], [run.n_passes for run in ended]
    mixture, rows = run.mixture, run.rows
    weight = rows.total
    best, returns = run.objective, 0
    moves: list[Run] = []
    while returns < _RETURNS and sum(move.n_passes for move in moves) < budget * np.mean(passes):
        i = len(moves)
        watch.began(i)
        start = reseated(mixture, run.params, rows, rng)
        bar = run.objective - _TOLERATED * weight
        move = _trained(Run(mixture, start, rows, settings), bar, partial(watch.passed, i))
        watch.ended(i, move)
        moves.append(move)
        if move.interrupted:
            break
        if move.finished:
            passes.append(move.n_passes)
            run = move if move.objective > bar else run
        if abs(move.objective - best) <= _SAME * weight:
            returns += 1
        elif move.objective > best:
            best, returns = move.objective, 0
    return moves


def _trained(move: Run, bar: float, passed: Callable[[Run], bool]) -> Run:
    """Train to the end, or until what the move gained of late says that it will not come over the bar."""
    passes, most = _FIRST_LOOK, move.settings.max_passes
    while True:
        move.advance(min(passes, most), passed)
        if move.finished or passes >= most or move.objective + _OPTIMISM * _late_gain(move) < bar:
            return move
        passes *= 2


def _late_gain(move: Run) -> float:
    """What the last third of the passes gained."""
    early = [entry["objective"] for entry in move.history if 3 * entry["pass"] <= 2 * move.n_passes]
    return move.objective - early[-1] if early else np.inf
