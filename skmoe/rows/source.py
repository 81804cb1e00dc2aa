"""Rows as a mixture sees them: chunks, made when they are asked for, again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .chunk import CHUNK_ROWS, Chunk, Response
from .columns import Columns, standardizer
from .design import Design, crossed
from .sparse import SparseRows
from .tiles import Raw, Tiles, in_tiles, tile_rows, unwritable
from .workers import mapped

if TYPE_CHECKING:
    from ..mixture import Leaves, Mixture

Found = TypeVar("Found")

#: Chunks of a part: what one worker takes at a time.
PART_CHUNKS = 4
#: Chunks of at most this many numbers altogether are kept from one pass to the next.
_KEPT = 2**20


@dataclass(frozen=True)
class Rows:
    """Rows as a mixture sees them.

    Parameters
    ----------
    blocks : tuple of Leaves
        Expert blocks, which say how they want to see the response.
    gate, expert : Columns
        What the gates and the experts see; where they are one object the chunks hold one design.
    X : ndarray, SparseRows or RowSource of shape (n_all_rows, n_features)
        Asked for some rows at a time.
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
    X: Any
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

    @cached_property
    def _chunks(self) -> list[Chunk]:
        return list(map(self._chunk, range(len(self)))) if self.kept else []

    @cached_property
    def _responses(self) -> tuple[Response, ...]:
        return tuple(block.expert.observe(self.y) for block in self.blocks)

    @property
    def fusable(self) -> bool:
        """Whether compiled code takes these rows in tiles: no sparse ones, nor columns so many that information is not
        full."""
        return crossed(max(self.n_gate_coef, self.n_expert_coef)) and not isinstance(self.X, SparseRows)

    @property
    def kept(self) -> bool:
        """Whether chunks are kept from one pass to the next, because they are few."""
        n_coef = self.n_expert_coef + (0 if self.gate is self.expert else self.n_gate_coef)
        return self.n_rows * n_coef <= _KEPT

    def place(self, number: int) -> slice:
        """Where the rows of a chunk are among all."""
        return slice(number * self.chunk_rows, min((number + 1) * self.chunk_rows, self.n_rows))

    def _table(self, place: slice) -> Any:
        """Some rows of X."""
        return self.X[place if self.index is None else self.index[place]]

    def _chunk(self, number: int) -> Chunk:
        place = self.place(number)
        responses = tuple(response.rows(place) for response in self._responses)
        return Chunk(*self._designs(place), responses, self.weight[place])

    def _designs(self, place: slice) -> tuple[Design, Design]:
        X = self._table(place)
        expert = self.expert.design(X)
        return expert if self.gate is self.expert else self.gate.design(X), expert

    def designs(self) -> Iterator[tuple[Design, Design]]:
        """What the gates and what the experts see of every chunk."""
        return map(self._designs, map(self.place, range(len(self))))

    def vary(self, columns: np.ndarray) -> np.ndarray:
        """Whether columns of X hold more than one number in these rows, (n_columns,)."""
        return np.isfinite(standardizer(self.X, self.weight, columns, self.index).scale)

    # -- for compiled code -----------------------------------------------------------------------------------

    @property
    def n_tile(self) -> int:
        """Rows of a tile."""
        return min(tile_rows(max(self.n_gate_coef, self.n_expert_coef)), self.n_rows)

    def tiles(self, number: int) -> Tiles:
        """A chunk in tiles, where rows are `kept`."""
        return self._tiles[number]

    @cached_property
    def _tiles(self) -> list[Tiles]:
        return list(map(self._tiled, range(len(self))))

    def _tiled(self, number: int) -> Tiles:
        X, _, _, y, weight = self.raw(self.place(number))
        n_tile = min(self.n_tile, len(X))
        expert_tiles = self.expert.tiled(X, n_tile)
        gate_tiles = expert_tiles if self.gate is self.expert else self.gate.tiled(X, n_tile)
        return Tiles(gate_tiles, expert_tiles, in_tiles(y, n_tile), in_tiles(weight.copy(), n_tile))

    def raw(self, place: slice) -> Raw:
        """Some rows as they are held."""
        y, weight = self._responses[0].y[:, place], self.weight[place]
        return Raw(unwritable(self._table(place)), self.gate.seen, self.expert.seen, y, unwritable(weight))

    @cached_property
    def base_measure(self) -> float:
        """Sum of weight times what is added to the log density of a row whatever the parameters."""
        (response,) = self._responses
        measure = response.base_measure
        return float(measure @ self.weight if np.ndim(measure) else measure * self.total)

    # -- for workers -----------------------------------------------------------------------------------------

    def mapped(self, function: Callable[[range], Found]) -> Iterator[Found]:
        """What a function says of every part of the rows, in the order of the parts, whoever worked on them.

        Parameters
        ----------
        function : callable
            Takes the numbers of the chunks of a part.
        """
        parts = [range(first, min(first + PART_CHUNKS, len(self))) for first in range(0, len(self), PART_CHUNKS)]
        return mapped(function, parts, self.n_jobs)

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
    X: Any,
    y: np.ndarray,
    weight: np.ndarray,
    index: np.ndarray | None = None,
    chunk_rows: int = CHUNK_ROWS,
    n_jobs: int | None = None,
) -> Rows:
    """Rows for a mixture, of an array in memory or mapped, of `SparseRows` or of a `RowSource`."""
    return Rows(mixture.experts, gate, expert, X, y, weight, index, chunk_rows, n_jobs)
