"""Row sources: chunks of rows, again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .chunk import CHUNK_ROWS, Chunk
from .design import Design, Standardizer

if TYPE_CHECKING:
    from ..mixture import Mixture


def array_rows(
    mixture: Mixture,
    gate_X: np.ndarray,
    expert_X: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    gate_units: Standardizer,
    expert_units: Standardizer,
    chunk_rows: int = CHUNK_ROWS,
) -> tuple[Chunk, ...]:
    """Chunks of arrays in memory; where gate and experts see the same columns they share one design.

    Parameters
    ----------
    gate_X, expert_X : ndarray of shape (n_rows, n_columns)
    y : ndarray of shape (n_rows, n_outputs)
    weight : ndarray of shape (n_rows,)
    """
    chunks = []
    for first in range(0, len(weight), chunk_rows):
        rows = slice(first, first + chunk_rows)
        expert = Design.of(expert_X[rows], expert_units)
        gate = expert if gate_X is expert_X else Design.of(gate_X[rows], gate_units)
        responses = tuple(leaves.expert.observe(y[rows]) for leaves in mixture.experts)
        chunks.append(Chunk(gate, expert, responses, weight[rows]))
    return tuple(chunks)
