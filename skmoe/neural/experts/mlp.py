"""Experts that are multilayer perceptrons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, Self

from torch import Generator, Tensor, nn

from ..dispatch.layout import Layout
from .activations import Activation
from .linear import AddedLinear, LinearMaps, ScaledLinear, StackedLinear


class Answer(NamedTuple):
    """What experts made of rows: their outputs, and the last hidden layer, None where there is none."""

    output: Tensor
    hidden: Tensor | None


#: How a map is low in rank, by name.
LOW_RANK: dict[str, Callable[..., LinearMaps]] = {"added": AddedLinear, "scaled": ScaledLinear}


class MLPExperts(nn.Module):
    """Multilayer perceptrons of the same widths, one an expert; without hidden layers, linear maps.

    ``maps`` are the linear maps, first to last, with stacked parameters.
    """

    #: Implementations that can compute these experts.
    implementations: tuple[str, ...] = ("loop", "grouped", "padded", "dense")

    def __init__(
        self,
        n_experts: int,
        d_in: int,
        hidden: Sequence[int],
        d_out: int,
        activation: Activation,
        *,
        bias: bool = True,
        rank: int | None = None,
        rank_form: str = "added",
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.n_experts, self.d_in, self.d_out, self.activation = n_experts, d_in, d_out, activation
        self.d_hidden = hidden[-1] if hidden else None
        widths = [d_in, *hidden, d_out]
        doubled = [width * (2 if activation.gated else 1) for width in hidden] + [d_out]
        make: Callable[..., LinearMaps] = StackedLinear
        if rank is not None:
            make = partial(LOW_RANK[rank_form], rank=rank)
        ends = zip(widths[:-1], doubled, strict=True)
        maps = [make(n_experts, before, after, bias=bias) for before, after in ends]
        self.maps: Any = nn.ModuleList(maps)
        # What computing a row touches: numbers that are moved, products, and weights of an expert.
        self.width = sum(widths[:-1]) + sum(doubled)
        self.products = sum(before * after for before, after in zip(widths[:-1], doubled, strict=True))
        self.weights = sum(linear.n_weights for linear in maps)
        self.reset_parameters(generator)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        for linear in self.maps:
            linear.reset_parameters(generator)

    def bound(self, table: Tensor, context: tuple) -> Self:
        """These experts: they see their rows alone."""
        if context:
            raise TypeError(
                f"The layer was called with {len(context)} more arguments than rows, which only experts of your own "
                "(experts=[...]) receive."
            )
        return self

    def forward(self, x: Tensor, layout: Layout) -> Answer:
        hidden = None
        for linear in self.maps[:-1]:
            x = hidden = self.activation(linear(x, layout))
        return Answer(self.maps[-1](x, layout), hidden)
