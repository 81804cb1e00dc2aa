"""Recursive binary splitting: the heaviest part is divided by a fit of two experts, until there are K parts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...mixture import Mixture, Params
from ...rows.chunk import Chunk
from ...tree import Tree
from ..loop import Run, Settings
from .division import rounded, trained_on
from .hyperplanes import hyperplanes

#: Passes of each fit of two experts.
_PASSES = 12


def splitting(mixture: Mixture, chunks: Sequence[Chunk], rng: np.random.Generator) -> Params:
    """Fits of two experts to the heaviest part, one after another, divide the rows among all leaves."""
    pair = Mixture.of(Tree.parse(2), mixture.gates[0], mixture.experts[0].expert)
    parts = [np.ones((1, len(chunk.weight))) for chunk in chunks]
    for _ in range(mixture.tree.n_leaves - 1):
        share = rounded(sum(part @ chunk.weight for part, chunk in zip(parts, chunks, strict=True)))
        heaviest = int(share.argmax())
        local = [c._replace(weight=c.weight * part[heaviest]) for c, part in zip(chunks, parts, strict=True)]
        run = Run(pair, hyperplanes(pair, local, rng), local, Settings()).advance(_PASSES)
        halves = [pair.posterior(run.params, chunk) for chunk in local]
        parts = [
            np.vstack([np.delete(part, heaviest, axis=0), part[heaviest] * half])
            for part, half in zip(parts, halves, strict=True)
        ]
    return trained_on(mixture, chunks, parts)
