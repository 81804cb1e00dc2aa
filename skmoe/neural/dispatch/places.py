"""Places: where each choice of each row stands when experts are computed, and the way there and back."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding_bag, pad

from ..capturing import is_capturing
from ..routing import tally


class Places(NamedTuple):
    """Where choices stand. Choice j of row t is number ``t * k + j``.

    Attributes
    ----------
    choice : Tensor of shape (n_places,)
        The choice that stands at a place; ``n_choices`` where a place is empty.
    place : Tensor of shape (n_rows, k)
        The place of a choice; ``n_places`` where it was dropped.
    counts : Tensor of shape (n_experts,)
        Choices of each expert that have a place.
    row : Tensor of shape (n_places,)
        The row at a place; at an empty place the first one, whose answer there nobody asks for.
    filled, placed : bool
        Whether no place is empty, and whether no choice was dropped.
    """

    choice: Tensor
    place: Tensor
    counts: Tensor
    row: Tensor
    filled: bool
    placed: bool


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
    place, choice = _inverse(ranked.order).view_as(index), ranked.order[:n_places]
    place = place if dropped is None else place.clamp_max(n_places)
    row = torch.div(choice, index.shape[1], rounding_mode="floor")
    return Places(choice, place, ranked.counts[:n_experts], row, filled=True, placed=dropped is None)


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
    counts = ranked.counts[:n_experts]
    return Places(choice, place.view_as(index), counts, row, filled=False, placed=dropped is None)


class _Ranked(NamedTuple):
    """Choices by expert, ``n_experts`` for the dropped: their experts, their order, and counts (n_experts + 1,)."""

    expert: Tensor
    order: Tensor
    counts: Tensor


def _ranked(index: Tensor, n_experts: int, dropped: Tensor | None) -> _Ranked:
    expert = index.reshape(-1)
    if dropped is not None:
        expert = torch.where(dropped.reshape(-1), n_experts, expert)
    return _Ranked(expert, _order(expert, n_experts + 1), tally(expert, n_experts + 1))


def _order(expert: Tensor, n_numbers: int) -> Tensor:
    """Choices by expert, those of an expert as they come.

    On the processor numpy sorts, which counts digits of 16 bits: an eighth of the time of torch's.
    """
    short = n_numbers < 2**15
    if expert.device.type == "cpu" and not is_capturing():
        return torch.from_numpy(np.argsort(expert.numpy().astype(np.int16 if short else np.int64), kind="stable"))
    return torch.argsort(expert.to(torch.int16) if short else expert, stable=True)


def _inverse(order: Tensor) -> Tensor:
    return torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))


class _Take(torch.autograd.Function):
    """Rows to their places; the gradient of a row is the sum of those at its places."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, places: Places) -> Tensor:
        ctx.places = places
        return x.index_select(0, places.row)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple:
        return _summed(gradient, ctx.places, None), None


class _Combine(torch.autograd.Function):
    """Weighted sums of the answers to a row, from their places."""

    @staticmethod
    def forward(ctx: Any, answer: Tensor, weight: Tensor, places: Places) -> Tensor:
        ctx.save_for_backward(answer, weight)
        ctx.places = places
        return _summed(answer, places, weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple:
        (answer, weight), places = ctx.saved_tensors, ctx.places
        spread = gradient.index_select(0, places.row)
        to_weight = to_answer = None
        if ctx.needs_input_grad[1]:
            to_weight = give_back(torch.linalg.vecdot(spread, answer), places)
        if ctx.needs_input_grad[0]:
            factor = _at(weight.reshape(-1), places.choice, places.filled)[:, None]
            # Where no graph of gradients is kept nobody else needs what was spread.
            to_answer = spread * factor if torch.is_grad_enabled() else spread.mul_(factor)
        return to_answer, to_weight, None


def _at(values: Tensor, number: Tensor, all_there: bool) -> Tensor:
    """Values by number; unless all are there, 0 for the number after the last."""
    return (values if all_there else _ended(values)).index_select(0, number)


def _ended(values: Tensor) -> Tensor:
    """With a zero after the last."""
    return pad(values, (*(0, 0) * (values.dim() - 1), 0, 1))


def _summed(answer: Tensor, places: Places, weight: Tensor | None) -> Tensor:
    """Sums over the choices of a row, of weight times answer, (n_rows, d)."""
    if torch.is_grad_enabled():  # the derivative of a derivative, which `embedding_bag` does not know
        by_choice = give_back(answer, places)
        return (by_choice if weight is None else weight[..., None] * by_choice).sum(1)
    answer = answer if places.placed else _ended(answer)
    return embedding_bag(places.place, answer, mode="sum", per_sample_weights=weight)


def take(x: Tensor, places: Places) -> Tensor:
    """Rows (n_rows, d) at their places (n_places, d)."""
    return _Take.apply(x, places)


def combine(answer: Tensor, weight: Tensor, places: Places) -> Tensor:
    """Sums over the choices of a row of weight (n_rows, k) times answer (n_places, d), (n_rows, d)."""
    return _Combine.apply(answer, weight, places)


def give_back(answer: Tensor, places: Places) -> Tensor:
    """Answers (n_places, ...) by row and choice (n_rows, k, ...); 0 where dropped."""
    return _at(answer, places.place.reshape(-1), places.placed).unflatten(0, places.place.shape)
