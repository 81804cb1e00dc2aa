"""The record that a router leaves: which experts each row goes to, with what weight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.distributed import ProcessGroup
from torch.nn.functional import pad


def tally(index: Tensor, n: int) -> Tensor:
    """How often each of the numbers 0 to n - 1 occurs, (n,); unlike ``bincount`` it compiles to static shapes."""
    flat = index.reshape(-1)
    return torch.zeros(n, dtype=torch.int64, device=index.device).scatter_add_(0, flat, torch.ones_like(flat))


class Routing(NamedTuple):
    """Which experts each row goes to, and with what weight.

    Shapes begin with the rows: ``...`` is ``n_rows``, or ``n_rows, n_tasks`` where every row has a gate per task.

    Attributes
    ----------
    index : Tensor of shape (..., k), int64
        Experts of a row, most preferred first where the router prefers.
    weight : Tensor of shape (..., k)
        What their outputs are multiplied with; 0 where `dropped`.
    probs : Tensor of shape (..., n_experts)
        Probabilities of all experts before any were chosen; rows sum to one. Scores that are not probabilities
        (sigmoid) are divided by their sum.
    logits : Tensor of shape (..., n_experts)
        What the probabilities are made of. Routers that have no logits leave logarithms of probabilities.
    dropped : Tensor of shape (..., k), bool, or None
        Choices that are not carried out: over the capacity of an expert, or left to chance. None: all are carried out.
    empty : Tensor of shape (..., k), bool, or None
        Slots that hold no choice, where rows go to different numbers of experts. None: all hold one.
    capacity : int or None
        Choices that an expert takes at most; None where nothing is dropped for want of room.
    chance : Tensor of shape (..., n_experts), or None
        Probability of each expert to be chosen if its noise were drawn again, a smooth function of the logits. Left by
        noisy routers in training; summed over rows it is the load.
    softmax : bool
        Whether weights are the softmax of the logits of the chosen experts, so that their logarithms can be had
        without rounding.
    task : Tensor of shape (n_rows,), int64, or None
        The task of each row, where rows belong to tasks.
    row_weight : Tensor of shape (...), or None
        What rows count in losses, for those who train with weights: ``routing._replace(row_weight=...)``. None: all
        count alike.
    group : ProcessGroup or None
        The processes that hold the other rows of the batch; losses sum over them.
    """

    index: Tensor  # type: ignore[assignment]  # in the place of tuple.index
    weight: Tensor
    probs: Tensor
    logits: Tensor
    dropped: Tensor | None = None
    empty: Tensor | None = None
    capacity: int | None = None
    chance: Tensor | None = None
    softmax: bool = False
    task: Tensor | None = None
    row_weight: Tensor | None = None
    group: ProcessGroup | None = None

    @property
    def n_experts(self) -> int:
        """Number of experts to choose from."""
        return self.probs.shape[-1]

    @property
    def n_gates(self) -> int:
        """Gates of a row: 1, or as many as tasks."""
        return 1 if self.index.dim() == 2 else self.index.shape[1]

    @property
    def k(self) -> int:
        """Choices a row, the dropped ones included."""
        return self.index.shape[-1]

    def combine_weights(self) -> Tensor:
        """Weights by expert, (..., n_experts): 0 for experts that a row does not go to."""
        zeros = torch.zeros_like(self.probs, dtype=self.weight.dtype)
        return zeros.scatter_add(-1, self.index, self.weight)

    def idle(self) -> Tensor | None:
        """Slots for which nothing is computed, (..., k), bool: dropped choices and empty ones; None where none is."""
        if self.dropped is None or self.empty is None:
            return self.empty if self.dropped is None else self.dropped
        return self.dropped | self.empty

    def carried_out(self) -> Tensor:
        """Slots whose choice is carried out, (..., k), bool."""
        idle = self.idle()
        return torch.ones_like(self.index, dtype=torch.bool) if idle is None else ~idle

    def counts(self, *, carried_out: bool = False) -> Tensor:
        """Choices of each expert in these rows, (n_experts,): of all that were made, or of those carried out."""
        unseen = self.idle() if carried_out else self.empty
        if unseen is None:
            return tally(self.index, self.n_experts)
        return tally(torch.where(unseen, self.n_experts, self.index), self.n_experts + 1)[: self.n_experts]

    def log_weights(self) -> Tensor:
        """Logarithms of the weights divided by their sum, (..., k): minus infinity for idle slots."""
        raw = self.logits.gather(-1, self.index) if self.softmax else self.weight.log()
        idle = self.idle()
        raw = raw if idle is None else raw.masked_fill(idle, -torch.inf)
        return raw.log_softmax(-1)

    def wanted(self) -> Tensor:
        """Slots that hold a choice, (..., k), bool, whether it is carried out or not."""
        return torch.ones_like(self.index, dtype=torch.bool) if self.empty is None else ~self.empty

    def chosen(self) -> Tensor:
        """1 for the experts that a row goes to, else 0, (..., n_experts)."""
        return torch.zeros_like(self.probs).scatter_add(-1, self.index, self.carried_out().to(self.probs.dtype))

    def flattened(self) -> Routing:
        """The same with every gate of a row as a row of its own."""
        return self if self.index.dim() == 2 else self._each(lambda values: values.flatten(0, 1))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Routing:
        found = {name: getattr(self, name) for name in _BY_ROW}
        new: dict[str, Any] = {name: None if values is None else change(values) for name, values in found.items()}
        return self._replace(**new)

    def _saying(self, name: str) -> Routing:
        """The same with ``dropped`` or ``empty`` that says no where it says nothing."""
        said = getattr(self, name)
        new: dict[str, Any] = {name: torch.zeros_like(self.index, dtype=torch.bool) if said is None else said}
        return self._replace(**new)

    def widened(self, k: int) -> Routing:
        """The same with k slots a row, of which the new ones are empty."""
        if k == self.k:
            return self
        more = (0, k - self.k)
        empty = ~self.wanted()
        return self._replace(
            index=pad(self.index, more),
            weight=pad(self.weight, more),
            dropped=None if self.dropped is None else pad(self.dropped, more),
            empty=pad(empty, more, value=True),
        )

    def drop_rate(self) -> float:
        """Share of the choices that are not carried out."""
        if self.dropped is None:
            return 0.0
        made = self.dropped.numel() if self.empty is None else int((~self.empty).sum())
        return float(self.dropped.sum()) / max(made, 1)


#: What has an entry for every row, and where there are several gates a row, for every gate.
_BY_ROW = ("index", "weight", "probs", "logits", "dropped", "empty", "chance")


def _alike(routings: Sequence[Routing]) -> list[Routing]:
    """Routings with as many slots each, and with drops and empty slots said by all or by none."""
    parts = [routing.widened(max(r.k for r in routings)) for routing in routings]
    for name in ("dropped", "empty"):
        if any(getattr(part, name) is not None for part in parts):
            parts = [part._saying(name) for part in parts]
    return parts


def _together(parts: Sequence[Routing], join: Callable[[list[Tensor]], Tensor]) -> dict[str, Any]:
    """Fields of one routing from those of several; an expert has room for what all of them may send it."""
    columns = {name: [getattr(part, name) for part in parts] for name in _BY_ROW}
    joined = {name: None if any(v is None for v in values) else join(values) for name, values in columns.items()}
    rooms = [part.capacity for part in parts if part.capacity is not None]
    room = sum(rooms) if len(rooms) == len(parts) else None
    return {**joined, "capacity": room, "softmax": all(part.softmax for part in parts)}


def stacked(routings: Sequence[Routing]) -> Routing:
    """Routings of the same rows as one, with an axis after the rows that counts them."""
    return Routing(**_together(_alike(routings), lambda values: torch.stack(values, 1)))


def assembled(routings: Sequence[Routing], rows: Sequence[Tensor], n_rows: int) -> Routing:
    """One routing of a table from those of parts of it, whose rows have numbers ``rows``.

    Rows that are in no part have empty slots, and probabilities that are all alike.
    """
    parts, places = _alike(routings), torch.cat(list(rows))
    if len(places) < n_rows and parts[0].empty is None:
        parts = [part._saying("empty") for part in parts]
    joined = _together(parts, torch.cat)
    filling = dict.fromkeys(_BY_ROW, 0.0) | {"probs": 1 / parts[0].n_experts, "empty": True}
    for name in _BY_ROW:
        values = joined[name]
        if values is not None:
            whole = values.new_full((n_rows, *values.shape[1:]), filling[name])
            joined[name] = whole.index_copy(0, places, values)
    return Routing(**joined)
