"""Experts that every row goes to."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from ..dispatch.layout import Batched
from .activations import Activation
from .mlp import MLPExperts


class SharedExperts(nn.Module):
    """Sum of experts that every row goes to, times a sigmoid of the row where there is a ``gate`` (Dai et al. 2024).

    .. math:: y = \\sigma(w^\\top x) \\sum_s f_s(x)

    References
    ----------
    D. Dai et al. (2024). DeepSeekMoE: towards ultimate expert specialization in mixture-of-experts language models.
    ACL. https://arxiv.org/abs/2401.06066
    """

    def __init__(
        self,
        n_experts: int,
        d_in: int,
        hidden: Sequence[int],
        d_out: int,
        activation: Activation,
        *,
        bias: bool,
        gate: bool,
        generator: Generator | None,
    ) -> None:
        super().__init__()
        self.experts = MLPExperts(n_experts, d_in, hidden, d_out, activation, bias=bias, generator=generator)
        self.gate = nn.utils.skip_init(nn.Linear, d_in, 1, bias=False) if gate else None
        self.reset_parameters(generator)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        self.experts.reset_parameters(generator)
        if self.gate is not None:
            nn.init.zeros_(self.gate.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Rows (n_rows, d_in) to (n_rows, d_out)."""
        answer: Tensor = self.experts(x.expand(self.experts.n_experts, *x.shape), Batched()).output.sum(0)
        return answer if self.gate is None else torch.sigmoid(self.gate(x)) * answer
