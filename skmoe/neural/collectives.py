"""Sums over the processes that share a batch, and what their gradients are."""

from __future__ import annotations

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


def all_mean(values: Tensor, group: ProcessGroup | None) -> Tensor:
    """Mean over the processes of a group, with gradients."""
    return values if group is None else all_sum(values, group) / dist.get_world_size(group)


def all_max(value: Tensor, group: ProcessGroup | None) -> Tensor:
    """Largest value of the processes of a group, without gradients."""
    if group is None:
        return value
    value = value.detach().clone()
    dist.all_reduce(value, dist.ReduceOp.MAX, group=group)
    return value
