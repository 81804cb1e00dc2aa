"""Thinning: a part of the rows that stands for all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .chunk import CHUNK_ROWS, Chunk, Response

#: Parts of the rows of which one judges what the others trained.
FOLDS = 5


def thinned(chunks: Sequence[Chunk], n_rows: int) -> Sequence[Chunk]:
    """Rows at equal steps of cumulative weight along an order of their contents, or all where they are not more.

    The order is that of the response, so that every part of it, and every class, is met as often as it should be; then
    that of the columns. So the rows met depend on what the rows hold, not on where they stand. Each stands for a step
    of weight: the weights add up to what they did, and an objective is that of all rows, roughly.
    """
    weight = np.concatenate([chunk.weight for chunk in chunks])
    if len(weight) <= n_rows:
        return chunks
    order = _order(chunks)
    cumulative = np.cumsum(weight[order])
    steps = (np.arange(n_rows) + 0.5) * (cumulative[-1] / n_rows)
    met, times = np.unique(order[np.searchsorted(cumulative, steps)], return_counts=True)
    return gathered(chunks, met, times * (cumulative[-1] / n_rows))


def gathered(chunks: Sequence[Chunk], rows: np.ndarray, weight: np.ndarray) -> tuple[Chunk, ...]:
    """Some rows with new weights; they are numbered through all chunks, and given in rising order."""
    firsts = range(0, len(rows), CHUNK_ROWS)
    return tuple(_one(chunks, rows[i : i + CHUNK_ROWS], weight[i : i + CHUNK_ROWS]) for i in firsts)


def held_out(chunks: Sequence[Chunk], fold: int = FOLDS - 1) -> tuple[tuple[Chunk, ...], tuple[Chunk, ...]]:
    """Rows that train, and a fifth of them that judge: every fifth unit of weight along the order of `thinned`.

    The five folds, counted from 0, make every row judge once.

    A row of weight 2 may be one that trains and one that judges, as two rows that are alike may be.
    """
    weight = np.concatenate([chunk.weight for chunk in chunks])
    order = _order(chunks)
    ends = np.concatenate([[0.0], np.cumsum(weight[order])])
    judging = np.empty_like(weight)
    ends += FOLDS - 1 - fold
    judging[order] = np.diff(np.floor(ends / FOLDS) + np.maximum(ends % FOLDS - (FOLDS - 1), 0))
    train, judge = np.flatnonzero(weight - judging > 0), np.flatnonzero(judging > 0)
    return gathered(chunks, train, (weight - judging)[train]), gathered(chunks, judge, judging[judge])


def _order(chunks: Sequence[Chunk]) -> np.ndarray:
    """Rows in the order of their responses, then of their columns, (n_rows,)."""
    y = np.concatenate([chunk.responses[0].y for chunk in chunks], axis=1)
    return np.lexsort([np.concatenate([_along(chunk) for chunk in chunks]), *y])


def _along(chunk: Chunk) -> np.ndarray:
    """One number a row that tells rows with different columns apart, (n_rows,)."""
    designs = [chunk.gate] if chunk.gate is chunk.expert else [chunk.gate, chunk.expert]
    columns = np.vstack([design.columns for design in designs])
    irrational = np.sqrt(np.arange(2, 2 + len(columns)))
    return np.round(irrational @ columns, 6)


def _one(chunks: Sequence[Chunk], rows: np.ndarray, weight: np.ndarray) -> Chunk:
    """One chunk of some of the rows."""
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
