"""Implementations: four ways to compute experts for the rows that were routed to them.

All give the same results up to rounding; `choose` says which is fast where.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ..routing import Routing
from .layout import Answer, Batched, Grouped, Layout, Sorted
from .places import Places, combine, give_back, padded_places, sorted_places, take

#: Experts as a function of rows and of how they lie.
Experts = Callable[[Tensor, Layout], Answer]


class Implementation(Protocol):
    """Computes experts of rows (n_rows, d_in), given their routing with index (n_rows, k)."""

    def combined(self, x: Tensor, routing: Routing, experts: Experts) -> Tensor:
        """Weighted sums of the answers to a row, (n_rows, d_out)."""

    def single(self, x: Tensor, routing: Routing, experts: Experts) -> Tensor:
        """Answers to a row, (n_rows, k, d_out); 0 where dropped."""


class Placed(ABC):
    """Implementations that give every choice a place, and compute experts there."""

    @abstractmethod
    def _answered(self, x: Tensor, routing: Routing, experts: Experts, n_gates: int) -> tuple[Tensor, Places]:
        """Answers (n_places, d_out), and where the choices stand; each row is there ``n_gates`` times, once a gate."""

    def combined(self, x: Tensor, routing: Routing, experts: Experts) -> Tensor:
        flat = routing.flattened()
        answer, places = self._answered(_per_gate(x, routing), flat, experts, routing.n_gates)
        total = combine(answer, flat.weight.to(answer.dtype), places)
        return total.unflatten(0, routing.index.shape[:-1])

    def single(self, x: Tensor, routing: Routing, experts: Experts) -> Tensor:
        flat = routing.flattened()
        answer, places = self._answered(_per_gate(x, routing), flat, experts, routing.n_gates)
        return give_back(answer, places).unflatten(0, routing.index.shape[:-1])


def _per_gate(x: Tensor, routing: Routing) -> Tensor:
    """Rows, repeated where each has several gates."""
    return x if routing.n_gates == 1 else x.repeat_interleave(routing.n_gates, dim=0)


@dataclass(frozen=True)
class SortedRows(Placed):
    """Rows sorted by expert: ``"loop"`` multiplies them expert by expert, ``"grouped"`` by ``grouped_mm``."""

    layout: Callable[[Tensor, Tensor], Layout] = Sorted

    def _answered(self, x: Tensor, routing: Routing, experts: Experts, n_gates: int) -> tuple[Tensor, Places]:
        places = sorted_places(routing.index, routing.n_experts, routing.idle())
        origin = places.row if n_gates == 1 else torch.div(places.row, n_gates, rounding_mode="floor")
        layout = self.layout(places.counts, origin)
        return experts(take(x, places), layout).output, places


@dataclass(frozen=True)
class PaddedRows(Placed):
    """As many places for every expert, ``"padded"``: matrix products of all experts are one batch.

    Shapes are static where the router has a capacity.
    """

    def _answered(self, x: Tensor, routing: Routing, experts: Experts, n_gates: int) -> tuple[Tensor, Places]:
        room = int(routing.counts(carried_out=True).max()) if routing.capacity is None else routing.capacity
        places = padded_places(routing.index, routing.n_experts, routing.idle(), room)
        taken = take(x, places).unflatten(0, (routing.n_experts, room))
        return experts(taken, Batched()).output.flatten(0, 1), places


@dataclass(frozen=True)
class AllRows:
    """All experts for all rows, ``"dense"``: whatever was chosen, answers are weighted afterwards."""

    def combined(self, x: Tensor, routing: Routing, experts: Experts) -> Tensor:
        return self.weighted(self.every(x, routing.n_experts, experts), routing)

    def single(self, x: Tensor, routing: Routing, experts: Experts) -> Tensor:
        answer = self.every(x, routing.n_experts, experts).output
        rows = torch.arange(len(x), device=x.device).view(-1, *[1] * (routing.index.dim() - 1))
        chosen = answer[routing.index, rows]
        idle = routing.idle()
        return chosen if idle is None else chosen.masked_fill(idle[..., None], 0.0)

    @staticmethod
    def every(x: Tensor, n_experts: int, experts: Experts) -> Answer:
        """Answers of all experts to all rows, experts first."""
        return experts(x.expand(n_experts, *x.shape), Batched())

    @staticmethod
    def weighted(answer: Answer, routing: Routing) -> Tensor:
        """Weighted sums of answers of all experts to all rows."""
        return torch.einsum("t...e,etd->t...d", routing.combine_weights().to(answer.output.dtype), answer.output)


ALL_ROWS = AllRows()

IMPLEMENTATIONS: dict[str, Implementation] = {
    "loop": SortedRows(Sorted),
    "grouped": SortedRows(Grouped),
    "padded": PaddedRows(),
    "dense": ALL_ROWS,
}
