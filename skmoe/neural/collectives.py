"""What processes that share a batch tell each other, and what its gradients are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import ProcessGroup


class _AllSum(torch.autograd.Function):
    """The sum over processes; every process's part moves the sum that all of them see, so gradients are summed too."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, group: ProcessGroup) -> Tensor:
        ctx.group = group
        total = values.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _AllSum.apply(gradient, ctx.group), None


def all_sum(values: Tensor, group: ProcessGroup | None) -> Tensor:
    """Sum over the processes of a group, with gradients; the values themselves where there is no group.

    A loss that is a function of such sums has the same value in every process. Averaging its parameter gradients over
    processes, as DistributedDataParallel does, gives those of one process that holds all rows.
    """
    return values if group is None else _AllSum.apply(values, group)


def all_max(value: Tensor, group: ProcessGroup | None) -> Tensor:
    """Largest value of the processes of a group, without gradients."""
    if group is None:
        return value
    value = value.detach().clone()
    dist.all_reduce(value, dist.ReduceOp.MAX, group=group)
    return value


class _Exchange(torch.autograd.Function):
    """Rows to the processes they are for; gradients go back the same way, times a constant."""

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, sent: Sequence[int], received: Sequence[int], group: ProcessGroup, back: float
    ) -> Tensor:
        ctx.sent, ctx.received, ctx.group, ctx.back = sent, received, group, back
        arrived = rows.new_empty(sum(received), *rows.shape[1:])
        dist.all_to_all_single(arrived, rows.contiguous(), list(received), list(sent), group=group)
        return arrived

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple:
        returned = _Exchange.apply(gradient, ctx.received, ctx.sent, ctx.group, 1.0)
        return returned if ctx.back == 1 else ctx.back * returned, None, None, None, None


def exchange(
    rows: Tensor, sent: Sequence[int], received: Sequence[int], group: ProcessGroup, *, back: float = 1.0
) -> Tensor:
    """Send rows to every process of a group, and receive theirs, with gradients.

    Parameters
    ----------
    rows : Tensor of shape (sum(sent), ...)
        Those for the first process, then those for the second, and so on.
    sent, received : sequence of int
        Rows to, and from, each process.
    back : float, default=1.0
        What gradients are multiplied with on their way back.

    Returns
    -------
    Tensor of shape (sum(received), ...)
        Those of the first process, then those of the second, and so on.
    """
    return _Exchange.apply(rows, sent, received, group, back)
