"""Products of rows sorted by expert with the matrix of their expert, as operators that torch.compile and autograd know.

``counts`` (n_experts,) says how many rows each expert has; they stand one expert after the other. Gradients of these
products are products of the same three kinds, so gradients of any order exist. Results are written in place: against a
loop over experts in autograd's sight, nothing is concatenated in the forward pass or stacked in the backward one.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag


@torch.library.custom_op("skmoe::ragged_mm", mutates_args=())
def ragged_mm(x: Tensor, weight: Tensor, bias: Tensor | None, counts: Tensor) -> Tensor:
    """Rows (n_rows, d_in) times the matrix of their expert (n_experts, d_in, d_out), plus its bias."""
    n_rows = counts.tolist()
    if bias is None:
        out = x.new_empty(x.shape[0], weight.shape[2])
    else:  # all biases at once, to which products are added: a copy for every expert would take longer
        out = bias.repeat_interleave(counts, dim=0, output_size=x.shape[0])
    for rows, matrix, product in zip(x.split(n_rows), weight.unbind(0), out.split(n_rows), strict=True):
        if not len(rows):
            continue
        if bias is None:
            torch.mm(rows, matrix, out=product)
        else:
            product.addmm_(rows, matrix)
    return out


@torch.library.custom_op("skmoe::ragged_outer", mutates_args=())
def ragged_outer(x: Tensor, y: Tensor, counts: Tensor) -> Tensor:
    """Sums over the rows of every expert of the products of x (n_rows, a) and y (n_rows, b), (n_experts, a, b)."""
    n_rows = counts.tolist()
    out = x.new_empty(len(n_rows), x.shape[1], y.shape[1])
    for left, right, product in zip(x.split(n_rows), y.split(n_rows), out.unbind(0), strict=True):
        if len(left):
            torch.mm(left.t(), right, out=product)
        else:
            product.zero_()
    return out


@torch.library.custom_op("skmoe::ragged_sum", mutates_args=())
def ragged_sum(x: Tensor, counts: Tensor) -> Tensor:
    """Sums over the rows of every expert of x (n_rows, a), (n_experts, a)."""
    numbers = torch.arange(len(x), device=x.device)
    return embedding_bag(numbers, x, counts.cumsum(0) - counts, mode="sum")


@ragged_mm.register_fake
def _(x: Tensor, weight: Tensor, bias: Tensor | None, counts: Tensor) -> Tensor:
    return x.new_empty(x.shape[0], weight.shape[2])


@ragged_outer.register_fake
def _(x: Tensor, y: Tensor, counts: Tensor) -> Tensor:
    return x.new_empty(counts.shape[0], x.shape[1], y.shape[1])


@ragged_sum.register_fake
def _(x: Tensor, counts: Tensor) -> Tensor:
    return x.new_empty(counts.shape[0], x.shape[1])


def _keep(ctx: Any, inputs: tuple, output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _back_mm(ctx: Any, gradient: Tensor) -> tuple:
    x, weight, bias, counts = ctx.saved_tensors
    to_x, to_weight, to_bias, _ = ctx.needs_input_grad
    gradient = gradient.contiguous()
    return (
        ragged_mm(gradient, weight.transpose(1, 2), None, counts) if to_x else None,
        ragged_outer(x, gradient, counts) if to_weight else None,
        ragged_sum(gradient, counts) if bias is not None and to_bias else None,
        None,
    )


def _back_outer(ctx: Any, gradient: Tensor) -> tuple:
    x, y, counts = ctx.saved_tensors
    return ragged_mm(y, gradient.transpose(1, 2), None, counts), ragged_mm(x, gradient, None, counts), None


def _back_sum(ctx: Any, gradient: Tensor) -> tuple:
    x, counts = ctx.saved_tensors
    return gradient.repeat_interleave(counts, dim=0, output_size=len(x)), None


ragged_mm.register_autograd(_back_mm, setup_context=_keep)
ragged_outer.register_autograd(_back_outer, setup_context=_keep)
ragged_sum.register_autograd(_back_sum, setup_context=_keep)
