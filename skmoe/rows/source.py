"""Row sources: chunks of rows, again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .chunk import CHUNK_ROWS, Chunk
from .columns import Columns

if TYPE_CHECKING:
    from ..mixture import Mixture


def array_rows(
    mixture: Mixture,
    gate: Columns,
    expert: Columns,
    X: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    chunk_rows: int = CHUNK_ROWS,
) -> tuple[Chunk, ...]:
    """Chunks of arrays in memory.

    Parameters
    ----------
    gate, expert : Columns
        What the gates and the experts see; where they are one object the chunks hold one design.
    X : ndarray of shape (n_rows, n_features)
    y : ndarray of shape (n_rows, n_outputs)
    weight : ndarray of shape (n_rows,)
    """
    chunks = []
    for first in range(0, len(weight), chunk_rows):
        rows = slice(first, first + chunk_rows)
        expert_design = expert.design(X[rows])
        gate_design = expert_design if gate is expert else gate.design(X[rows])
        responses = tuple(block.expert.observe(y[rows]) for block in mixture.experts)
        chunks.append(Chunk(gate_design, expert_design, responses, weight[rows]))
    return tuple(chunks)
