"""Layouts: how rows lie when they meet their experts, and how a linear map is computed there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import grouped_mm, pad

from .ragged import ragged_mm

#: What `torch.nn.functional.grouped_mm` multiplies; its rows must be whole multiples of this many bytes.
_GROUPED_TYPES, _GROUPED_BYTES = (torch.float32, torch.bfloat16, torch.float16), 16


class Layout(ABC):
    """How rows lie, and how stacked parameters, experts first, meet them."""

    @abstractmethod
    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Rows times the matrix (n_experts, d_in, d_out) of their expert, plus its bias (n_experts, d_out)."""

    @abstractmethod
    def rows(self, vectors: Tensor) -> Tensor:
        """Vectors (n_experts, d) as something that meets the rows elementwise."""


@dataclass(frozen=True)
class Sorted(Layout):
    """Rows one expert after the other, (n_rows, d).

    Attributes
    ----------
    counts : Tensor of shape (n_experts,)
        Rows of each expert.
    expert : Tensor of shape (n_rows,)
        Expert of each row, in rising order.
    origin : Tensor of shape (n_rows,)
        Number of each row in the table it was taken from.
    """

    counts: Tensor
    expert: Tensor
    origin: Tensor

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        x, weight, bias = cast(x, weight, bias)
        return ragged_mm(x, weight, bias, self.counts)

    def rows(self, vectors: Tensor) -> Tensor:
        return vectors.index_select(0, self.expert)


class Grouped(Sorted):
    """As `Sorted`, multiplied by ``torch.nn.functional.grouped_mm`` where that knows the type of numbers.

    It wants rows of 16 bytes or multiples, so widths are filled up with zeros; it does not know float64.
    """

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        x, weight, bias = cast(x, weight, bias)
        if x.dtype not in _GROUPED_TYPES:
            return ragged_mm(x, weight, bias, self.counts)
        d_out, unit = weight.shape[2], _GROUPED_BYTES // x.element_size()
        short_in, short_out = -weight.shape[1] % unit, -d_out % unit
        if short_in or short_out:
            x, weight = pad(x, (0, short_in)), pad(weight, (0, short_out, 0, short_in))
        ends = self.counts.cumsum(0).to(torch.int32)
        out = grouped_mm(x, weight, offs=ends)[:, :d_out]
        return out if bias is None else out.add_(self.rows(bias))


class Batched(Layout):
    """As many rows for every expert, (n_experts, n_rows, d)."""

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return torch.bmm(x, weight) if bias is None else torch.baddbmm(bias[:, None], x, weight)

    def rows(self, vectors: Tensor) -> Tensor:
        return vectors[:, None]


def cast(x: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
    """In the type of autocast, where it is on: it does not know these products."""
    if not torch.is_autocast_enabled(x.device.type):
        return x, weight, bias
    dtype = torch.get_autocast_dtype(x.device.type)
    return x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
