"""Thinning: a part of the rows that stands for all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .chunk import CHUNK_ROWS, Chunk, Response


def thinned(chunks: Sequence[Chunk], n_rows: int) -> Sequence[Chunk]:
    """Rows at equal steps of cumulative weight along an order of their contents, or all where they are not more.

    The order is that of the response, so that every part of it, and every class, is met as often as it should be; then
    that of the columns. So the rows met depend on what the rows hold, not on where they stand. Each stands for a step
    of weight: the weights add up to what they did, and an objective is that of all rows, roughly.
    """
    weight = np.concatenate([chunk.weight for chunk in chunks])
    if len(weight) <= n_rows:
        return chunks
    y = np.concatenate([chunk.responses[0].y for chunk in chunks], axis=1)
    along = np.concatenate([_along(chunk) for chunk in chunks])
    order = np.lexsort([along, *y])
    cumulative = np.cumsum(weight[order])
    steps = (np.arange(n_rows) + 0.5) * (cumulative[-1] / n_rows)
    met, times = np.unique(order[np.searchsorted(cumulative, steps)], return_counts=True)
    new_weight = times * (cumulative[-1] / n_rows)
    return tuple(
        _gathered(chunks, met[first : first + CHUNK_ROWS], new_weight[first : first + CHUNK_ROWS])
        for first in range(0, len(met), CHUNK_ROWS)
    )


def _along(chunk: Chunk) -> np.ndarray:
    """One number a row that tells rows with different columns apart, (n_rows,)."""
    designs = [chunk.gate] if chunk.gate is chunk.expert else [chunk.gate, chunk.expert]
    columns = np.vstack([design.columns for design in designs])
    irrational = np.sqrt(np.arange(2, 2 + len(columns)))
    return np.round(irrational @ columns, 6)


def _gathered(chunks: Sequence[Chunk], rows: np.ndarray, weight: np.ndarray) -> Chunk:
    """One chunk of some of the rows, which are numbered through all chunks in rising order."""
    ends = np.cumsum([len(chunk.weight) for chunk in chunks])
    owner = np.searchsorted(ends, rows, side="right")
    starts = ends - [len(chunk.weight) for chunk in chunks]
    parts = [_taken(chunks[c], rows[owner == c] - starts[c]) for c in np.unique(owner)]
    expert = parts[0].expert.joined([part.expert for part in parts])
    gate = expert if parts[0].gate is parts[0].expert else parts[0].gate.joined([part.gate for part in parts])
    responses = tuple(
        Response(
            np.concatenate([r.y for r in block], axis=1),
            np.concatenate([np.broadcast_to(r.base_measure, r.y.shape[1:]) for r in block]),
        )
        for block in zip(*(part.responses for part in parts), strict=True)
    )
    return Chunk(gate, expert, responses, weight)


def _taken(chunk: Chunk, rows: np.ndarray) -> Chunk:
    expert = chunk.expert.rows(rows)
    gate = expert if chunk.gate is chunk.expert else chunk.gate.rows(rows)
    responses = tuple(
        Response(r.y[:, rows], r.base_measure[rows] if np.ndim(r.base_measure) else r.base_measure)
        for r in chunk.responses
    )
    return Chunk(gate, expert, responses, chunk.weight[rows])
