"""Starts: first parameters, made in feature space.

A start never draws rows: its random numbers are directions in the space of the columns, and what it learns of the rows
it learns through weighted sums. So integer weights and repeated rows start alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..gates.softmax import log_softmax
from ..mixture import Mixture, Params
from ..rows.chunk import Chunk
from .records import ravel, unravel

#: Length of the slopes of a random hyperplane on standardised columns, and spread of its intercept.
_STEEPNESS, _OFFSET = 2.0, 0.3
#: Spread of the perturbation of the one-expert fit, in unconstrained coordinates.
_TILT = 0.05


def hyperplanes(mixture: Mixture, chunks: Sequence[Chunk], rng: np.random.Generator) -> Params:
    """Random steep hyperplanes divide the space of x; every block takes one M-step on that division."""
    n_coef = chunks[0].gate.n_coef
    normal = rng.standard_normal((mixture.tree.n_leaves, n_coef))
    normal[:, 0] *= _OFFSET
    normal[:, 1:] *= _STEEPNESS / np.sqrt(max(n_coef - 1, 1))
    even = mixture.start(n_coef, chunks[0].expert.n_coef)
    sums = mixture.sums(even, chunks, responsibilities=lambda chunk: log_softmax(chunk.gate.predict(normal)).prob)
    return mixture.m_step(even, sums)


def tilt(mixture: Mixture, chunks: Sequence[Chunk], rng: np.random.Generator) -> Params:
    """The one-expert fit, with a small random tilt of every gate and expert."""
    params = even = mixture.start(chunks[0].gate.n_coef, chunks[0].expert.n_coef)
    share = np.full((mixture.tree.n_leaves, 1), 1.0 / mixture.tree.n_leaves)
    for _ in range(3):
        sums = mixture.sums(params, chunks, responsibilities=lambda chunk: share)
        params = mixture.m_step(params, sums)
    vector = ravel(params._replace(gates=even.gates))
    return unravel(params, vector + _TILT * rng.standard_normal(vector.size))


#: Starts by name, in the order in which the restarts of a fit take turns.
STARTS: dict[str, Callable[[Mixture, Sequence[Chunk], np.random.Generator], Params]] = {
    "hyperplanes": hyperplanes,
    "tilt": tilt,
}
