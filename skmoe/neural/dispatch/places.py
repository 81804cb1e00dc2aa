"""Places: where each choice of each row stands when experts are computed, and the way there and back."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from ..routing import tally


class Places(NamedTuple):
    """Where choices stand. Choice j of row t is number ``t * k + j``.

    Attributes
    ----------
    choice : Tensor of shape (n_places,)
        The choice that stands at a place; ``n_choices`` where a place is empty.
    place : Tensor of shape (n_choices,)
        The place of a choice; ``n_places`` where it was dropped.
    counts : Tensor of shape (n_experts,)
        Choices of each expert that have a place.
    row : Tensor of shape (n_places,)
        The row at a place; at an empty place the first one, whose answer there nobody asks for.
    full : bool
        Whether no place is empty and no choice dropped.
    """

    choice: Tensor
    place: Tensor
    counts: Tensor
    row: Tensor
    full: bool

    def expert(self) -> Tensor:
        """Expert at each place of sorted ones, (n_places,)."""
        experts = torch.arange(len(self.counts), device=self.counts.device)
        return experts.repeat_interleave(self.counts, output_size=len(self.choice))


def sorted_places(index: Tensor, n_experts: int, dropped: Tensor | None) -> Places:
    """Places one expert after the other, within an expert in the order of the rows.

    Parameters
    ----------
    index : Tensor of shape (n_rows, k)
    dropped : Tensor of shape (n_rows, k), bool, or None
        Choices that get no place.
    """
    ranked = _ranked(index, n_experts, dropped)
    n_places = len(ranked.order) if dropped is None else int(ranked.counts[:n_experts].sum())
    place, choice = _inverse(ranked.order), ranked.order[:n_places]
    place = place if dropped is None else place.clamp_max(n_places)
    row = torch.div(choice, index.shape[1], rounding_mode="floor")
    return Places(choice, place, ranked.counts[:n_experts], row, full=dropped is None)


def padded_places(index: Tensor, n_experts: int, dropped: Tensor | None, room: int) -> Places:
    """Places for ``room`` choices of every expert, of which some may be empty.

    Parameters
    ----------
    room : int
        At least as many as any expert has.
    """
    ranked, n_places = _ranked(index, n_experts, dropped), n_experts * room
    start = ranked.counts.cumsum(0) - ranked.counts
    place = ranked.expert * room + _inverse(ranked.order) - start[ranked.expert]
    place = place.clamp_max(n_places)  # the dropped, who stand as if they had an expert of their own
    choices = torch.arange(len(place), device=place.device)
    choice = torch.full((n_places + 1,), len(place), device=place.device).scatter_(0, place, choices)[:n_places]
    row = torch.div(choice, index.shape[1], rounding_mode="floor")
    row = torch.where(choice < len(place), row, 0)
    return Places(choice, place, ranked.counts[:n_experts], row, full=False)


class _Ranked(NamedTuple):
    """Choices by expert, ``n_experts`` for the dropped: their experts, their order, and counts (n_experts + 1,)."""

    expert: Tensor
    order: Tensor
    counts: Tensor


def _ranked(index: Tensor, n_experts: int, dropped: Tensor | None) -> _Ranked:
    expert = index.reshape(-1)
    if dropped is not None:
        expert = torch.where(dropped.reshape(-1), n_experts, expert)
    order = torch.argsort(expert.to(torch.int16), stable=True)  # numbers of few digits are sorted faster
    return _Ranked(expert, order, tally(expert, n_experts + 1))


def _inverse(order: Tensor) -> Tensor:
    return torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))


class _Take(torch.autograd.Function):
    """Rows to their places; the gradient of a row is the sum of those at its places."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, row: Tensor, place: Tensor, full: bool) -> Tensor:
        ctx.save_for_backward(place)
        ctx.shape, ctx.full = (len(x), len(place) // max(len(x), 1)), full
        return x.index_select(0, row)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple:
        (place,) = ctx.saved_tensors
        return _at(gradient, place, ctx.full).unflatten(0, ctx.shape).sum(1), None, None, None


class _Combine(torch.autograd.Function):
    """Weighted sums of the answers to a row, from their places."""

    @staticmethod
    def forward(
        ctx: Any, answer: Tensor, weight: Tensor, row: Tensor, choice: Tensor, place: Tensor, full: bool
    ) -> Tensor:
        ctx.save_for_backward(answer, weight, row, choice, place)
        ctx.full = full
        return torch.bmm(weight[:, None], _at(answer, place, full).unflatten(0, weight.shape))[:, 0]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple:
        answer, weight, row, choice, place = ctx.saved_tensors
        spread = gradient.index_select(0, row)
        to_weight = to_answer = None
        if ctx.needs_input_grad[1]:
            to_weight = _at(torch.linalg.vecdot(spread, answer), place, ctx.full).view_as(weight)
        if ctx.needs_input_grad[0]:
            to_answer = spread * _at(weight.reshape(-1), choice, ctx.full)[:, None]
        return to_answer, to_weight, None, None, None, None


def _at(values: Tensor, number: Tensor, full: bool) -> Tensor:
    """Values by number; 0 for the number after the last."""
    if full:
        return values.index_select(0, number)
    ends = (0, 0) * (values.dim() - 1)
    return pad(values, (*ends, 0, 1)).index_select(0, number)


def take(x: Tensor, places: Places) -> Tensor:
    """Rows (n_rows, d) at their places (n_places, d)."""
    return _Take.apply(x, places.row, places.place, places.full)


def combine(answer: Tensor, weight: Tensor, places: Places) -> Tensor:
    """Sums over the choices of a row of weight (n_rows, k) times answer (n_places, d), (n_rows, d)."""
    return _Combine.apply(answer, weight, places.row, places.choice, places.place, places.full)


def give_back(answer: Tensor, shape: torch.Size, places: Places) -> Tensor:
    """Answers (n_places, d) by row and choice, (n_rows, k, d) for a shape (n_rows, k); 0 where dropped."""
    return _at(answer, places.place, places.full).unflatten(0, shape)
