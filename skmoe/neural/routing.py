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
    capacity : int or None
        Choices that an expert takes at most; None where nothing is dropped for want of room.
    chance : Tensor of shape (..., n_experts), or None
        Probability of each expert to be chosen if its noise were drawn again, a smooth function of the logits. Left by
        noisy routers in training; summed over rows it is the load.
    task : Tensor of shape (n_rows,), int64, or None
        The task of each row, where rows belong to tasks.
    group : ProcessGroup or None
        The processes that hold the other rows of the batch; losses sum over them.
    """

    index: Tensor  # type: ignore[assignment]  # in the place of tuple.index
    weight: Tensor
    probs: Tensor
    logits: Tensor
    dropped: Tensor | None = None
    capacity: int | None = None
    chance: Tensor | None = None
    task: Tensor | None = None
    group: ProcessGroup | None = None

    @property
    def n_experts(self) -> int:
        """Number of experts to choose from."""
        return self.probs.shape[-1]

    @property
    def k(self) -> int:
        """Choices a row, the dropped ones included."""
        return self.index.shape[-1]

    def combine_weights(self) -> Tensor:
        """Weights by expert, (..., n_experts): 0 for experts that a row does not go to."""
        zeros = torch.zeros_like(self.probs, dtype=self.weight.dtype)
        return zeros.scatter_add(-1, self.index, self.weight)

    def counts(self) -> Tensor:
        """Choices of each expert in these rows, (n_experts,), dropped ones included."""
        return tally(self.index, self.n_experts)

    def carried_out(self) -> Tensor:
        """Choices that are not dropped, (..., k), bool."""
        return torch.ones_like(self.index, dtype=torch.bool) if self.dropped is None else ~self.dropped

    def wanted(self) -> Tensor:
        """Choices that were made, (..., k), bool: those too that were dropped for want of room, but no empty slots."""
        return self.carried_out() if self.capacity is None else torch.ones_like(self.index, dtype=torch.bool)

    def chosen(self) -> Tensor:
        """1 for the experts that a row goes to, else 0, (..., n_experts)."""
        return torch.zeros_like(self.probs).scatter_add(-1, self.index, self.carried_out().to(self.probs.dtype))

    def flattened(self) -> Routing:
        """The same with every gate of a row as a row of its own."""
        return self if self.index.dim() == 2 else self._each(lambda values: values.flatten(0, 1))

    def of_gate(self, gate: Tensor) -> Routing:
        """Where every row has several gates, one of them, by number (n_rows,)."""
        rows = torch.arange(len(gate), device=gate.device)
        return self._each(lambda values: values[rows, gate])

    def _each(self, change: Callable[[Tensor], Tensor]) -> Routing:
        found = {name: getattr(self, name) for name in _BY_ROW}
        new: dict[str, Any] = {name: None if values is None else change(values) for name, values in found.items()}
        return self._replace(**new)

    def widened(self, k: int) -> Routing:
        """The same with k choices a row, of which the new ones are dropped."""
        if k == self.k:
            return self
        more = (0, k - self.k)
        dropped = pad(~self.carried_out(), more, value=True)
        return self._replace(index=pad(self.index, more), weight=pad(self.weight, more), dropped=dropped)

    def drop_rate(self) -> float:
        """Share of the choices that are not carried out."""
        return 0.0 if self.dropped is None else float(self.dropped.double().mean())


#: What has an entry for every row, and where there are several gates a row, for every gate.
_BY_ROW = ("index", "weight", "probs", "logits", "dropped", "chance")


def stacked(routings: Sequence[Routing]) -> Routing:
    """Routings of the same rows as one, with an axis after the rows that counts them."""
    parts = [routing.widened(max(r.k for r in routings)) for routing in routings]
    if any(part.dropped is not None for part in parts):
        parts = [part._replace(dropped=~part.carried_out()) for part in parts]
    columns = {name: [getattr(part, name) for part in parts] for name in _BY_ROW}
    together: dict[str, Any] = {
        name: None if any(values is None for values in column) else torch.stack(column, 1)
        for name, column in columns.items()
    }
    rooms = [part.capacity for part in parts if part.capacity is not None]
    return Routing(**together, capacity=sum(rooms) if len(rooms) == len(parts) else None)
