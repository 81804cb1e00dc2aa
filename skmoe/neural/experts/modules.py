"""Experts of one's own: any torch modules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Generator, Tensor, nn

from ..dispatch.layout import Answer, Sorted


class ModuleExperts(nn.Module):
    """Modules as experts, each called with its rows: ``expert(x[rows])``.

    Where the layer is called with more than rows, ``layer(x, edges)``, experts see the whole table and are told which
    rows to answer: ``expert(x, rows, edges)``. An expert without rows is not called.
    """

    #: Implementations that can compute these experts.
    implementations = ("loop",)
    d_hidden = None

    def __init__(self, experts: Sequence[nn.Module], d_out: int) -> None:
        super().__init__()
        self.experts, self.d_out = nn.ModuleList(experts), d_out
        self.n_experts = len(self.experts)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Ask every part that can draw its parameters anew to do so, from torch's own generator."""
        for module in self.experts.modules():
            draw = getattr(module, "reset_parameters", None)
            if draw is not None:
                draw()

    def bound(self, table: Tensor, context: tuple) -> Callable[[Tensor, Sorted], Answer]:
        """These experts, over a table of rows and with what else the layer was called with."""
        return partial(self, table=table, context=context)

    def forward(self, x: Tensor, layout: Sorted, table: Tensor, context: tuple) -> Answer:
        counts = layout.counts.tolist()
        parts = zip(self.experts, x.split(counts), layout.origin.split(counts), strict=True)
        answers = [
            self._checked(number, expert(table, rows, *context) if context else expert(part), len(rows))
            for number, (expert, part, rows) in enumerate(parts)
            if len(rows)
        ]
        return Answer(torch.cat(answers) if answers else x.new_zeros(0, self.d_out), None)

    def _checked(self, number: int, answer: Tensor, n_rows: int) -> Tensor:
        if answer.shape != (n_rows, self.d_out):
            raise ValueError(
                f"Expert {number} answered {n_rows} rows with a tensor of shape {tuple(answer.shape)}: expected "
                f"({n_rows}, {self.d_out}). Give the layer the d_out of its experts."
            )
        return answer
