"""Rows as a mixture sees them: chunks, made when they are asked for, again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from joblib import effective_n_jobs

from .chunk import CHUNK_ROWS, Chunk, Response
from .columns import Columns
from .design import crossed
from .tiles import Tiles, in_tiles, tile_rows

if TYPE_CHECKING:
    from ..mixture import Leaves, Mixture

Found = TypeVar("Found")

#: Chunks of a part: what one worker takes at a time.
PART_CHUNKS = 4
#: Chunks of at most this many numbers altogether are kept from one pass to the next.
_KEPT = 2**20


@dataclass(frozen=True)
class Rows:
    """Rows in memory as a mixture sees them.

    Parameters
    ----------
    blocks : tuple of Leaves
        Expert blocks, which say how they want to see the response.
    gate, expert : Columns
        What the gates and the experts see; where they are one object the chunks hold one design.
    X : ndarray or SparseRows of shape (n_all_rows, n_features)
    y : ndarray of shape (n_rows, n_outputs)
    weight : ndarray of shape (n_rows,)
    index : ndarray of shape (n_rows,), or None
        Where X holds these rows; None where it holds no others.
    chunk_rows : int
    n_jobs : int or None
        Threads that take parts of the rows.
    """

    blocks: tuple[Leaves, ...]
    gate: Columns
    expert: Columns
    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    index: np.ndarray | None = None
    chunk_rows: int = CHUNK_ROWS
    n_jobs: int | None = None

    @property
    def n_rows(self) -> int:
        return len(self.weight)

    @cached_property
    def total(self) -> float:
        """Sum of the weights."""
        return float(self.weight.sum())

    @property
    def n_gate_coef(self) -> int:
        return len(self.gate.index) + 1

    @property
    def n_expert_coef(self) -> int:
        return len(self.expert.index) + 1

    def __len__(self) -> int:
        return -(-self.n_rows // self.chunk_rows)

    def __iter__(self) -> Iterator[Chunk]:
        return map(self.chunk, range(len(self)))

    def chunk(self, number: int) -> Chunk:
        """One chunk, for blocks."""
        return self._chunks[number] if self._chunks else self._chunk(number)

    def tiles(self, number: int) -> Tiles:
        """The same rows, for compiled code."""
        return self._tiles[number] if self._tiles else self._tiled(number)

    @cached_property
    def _chunks(self) -> list[Chunk]:
        return list(map(self._chunk, range(len(self)))) if self._few else []

    @cached_property
    def _tiles(self) -> list[Tiles]:
        return list(map(self._tiled, range(len(self)))) if self._few else []

    @cached_property
    def _responses(self) -> tuple[Response, ...]:
        return tuple(block.expert.observe(self.y) for block in self.blocks)

    @property
    def fusable(self) -> bool:
        """Whether compiled code takes these rows in tiles: arrays, of so few columns that information is full."""
        return isinstance(self.X, np.ndarray) and crossed(max(self.n_gate_coef, self.n_expert_coef))

    @property
    def _few(self) -> bool:
        return self.n_rows * (self.n_gate_coef + self.n_expert_coef) <= _KEPT

    def place(self, number: int) -> slice:
        """Where the rows of a chunk are among all."""
        return slice(number * self.chunk_rows, min((number + 1) * self.chunk_rows, self.n_rows))

    def _seen(self, number: int) -> tuple[np.ndarray, tuple[Response, ...], np.ndarray]:
        rows = self.place(number)
        responses = tuple(response.rows(rows) for response in self._responses)
        return self.X[rows if self.index is None else self.index[rows]], responses, self.weight[rows]

    def _chunk(self, number: int) -> Chunk:
        X, responses, weight = self._seen(number)
        expert = self.expert.design(X)
        return Chunk(expert if self.gate is self.expert else self.gate.design(X), expert, responses, weight)

    def _tiled(self, number: int) -> Tiles:
        X, (response,), weight = self._seen(number)
        n_tile = min(tile_rows(max(self.n_gate_coef, self.n_expert_coef)), len(X))
        expert = self.expert.tiled(X, n_tile)
        gate = expert if self.gate is self.expert else self.gate.tiled(X, n_tile)
        measure = response.base_measure
        base_measure = float(measure @ weight if np.ndim(measure) else measure * weight.sum())
        return Tiles(gate, expert, in_tiles(response.y, n_tile), in_tiles(weight, n_tile), base_measure)

    def mapped(self, function: Callable[[Iterator[Any]], Found], take: Callable[[int], Any]) -> Iterator[Found]:
        """What a function says of every part of the rows, in the order of the parts, whoever worked on them.

        Parameters
        ----------
        take : callable
            What the function is given of the chunk of a number: `chunk` or `tiles`.
        """
        firsts = range(0, len(self), PART_CHUNKS)
        n_jobs = min(effective_n_jobs(self.n_jobs), len(firsts)) if len(firsts) > 1 else 1

        def part(first: int) -> Found:
            return function(map(take, range(first, min(first + PART_CHUNKS, len(self)))))

        if n_jobs == 1:
            yield from map(part, firsts)
            return
        with ThreadPoolExecutor(n_jobs) as pool:
            try:
                yield from pool.map(part, firsts)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def in_turn(self) -> Rows:
        """The same rows for one thread, because others are at work on other things."""
        return replace(self, n_jobs=None)

    def taken(self, rows: np.ndarray, weight: np.ndarray) -> Rows:
        """Some of the rows with new weights."""
        return replace(self, index=rows if self.index is None else self.index[rows], y=self.y[rows], weight=weight)

    def split(self, values: np.ndarray, axis: int = 0) -> list[np.ndarray]:
        """Values of all rows, chunk by chunk."""
        return np.split(values, range(self.chunk_rows, self.n_rows, self.chunk_rows), axis=axis)


def array_rows(
    mixture: Mixture,
    gate: Columns,
    expert: Columns,
    X: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    index: np.ndarray | None = None,
    chunk_rows: int = CHUNK_ROWS,
    n_jobs: int | None = None,
) -> Rows:
    """Rows of arrays in memory, for a mixture."""
    return Rows(mixture.experts, gate, expert, X, y, weight, index, chunk_rows, n_jobs)
