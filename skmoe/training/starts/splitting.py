"""Recursive binary splitting: the heaviest part is divided by a fit of two experts, until there are K parts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...mixture import Mixture, Params
from ...rows.source import Rows
from ...tree import Tree
from ..loop import Run, Settings
from .division import rounded, trained_on, trained_to
from .hyperplanes import hyperplanes

#: Passes of each fit of two experts.
_PASSES = 12


def splitting(mixture: Mixture, rows: Rows, rng: np.random.Generator) -> Params:
    """Fits of two experts to the heaviest part, one after another, divide the rows among all leaves."""
    pair = Mixture.of(Tree.parse(2), mixture.gates[0], mixture.experts[0].expert)
    parts = [np.ones((1, len(chunk.weight))) for chunk in rows]
    while len(parts[0]) < mixture.tree.n_leaves:
        parts = _split(pair, rows, parts, _heaviest(rows, parts), rng)
    return trained_on(mixture, rows, parts)


def nested(
    small: Mixture, params: Params, first: int, mixture: Mixture, rows: Rows, rng: np.random.Generator
) -> Params:
    """From a fit of fewer experts: one of them is split first, then the heaviest, until there are K."""
    pair = Mixture.of(Tree.parse(2), mixture.gates[0], mixture.experts[0].expert)
    parts = [small.posterior(params, chunk) for chunk in rows]
    while len(parts[0]) < mixture.tree.n_leaves:
        which = first if len(parts[0]) == small.tree.n_leaves else _heaviest(rows, parts)
        parts = _split(pair, rows, parts, which, rng)
    return trained_to(mixture, rows, parts)


def _heaviest(rows: Rows, parts: list[np.ndarray]) -> int:
    return int(rounded(sum(part @ chunk.weight for part, chunk in zip(parts, rows, strict=True))).argmax())


def _split(
    pair: Mixture, rows: Rows, parts: list[np.ndarray], which: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """The parts with one of them divided by a fit of two experts to it; the halves stand last."""
    share = np.concatenate([part[which] for part in parts])
    local = replace(rows, blocks=rows.blocks[:1], weight=rows.weight * share)
    run = Run(pair, hyperplanes(pair, local, rng), local, Settings()).advance(_PASSES)
    halves = [pair.posterior(run.params, chunk) for chunk in local]
    return [
        np.vstack([np.delete(part, which, axis=0), part[which] * half])
        for part, half in zip(parts, halves, strict=True)
    ]
