"""Expert choice: experts choose rows in training, and rows pass their thresholds at predict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from ..checks import check_positive, check_real
from ..collectives import all_sum
from ..routing import Routing
from .capacity import capacity
from .protocol import LinearGate, Router, RouterModule

#: Part by which thresholds are lowered: more than rounding in single precision, less than what tells rows apart.
_HAIR = 1e-4


@dataclass(frozen=True)
class ExpertChoice(Router):
    """Every expert takes the rows that it scores highest; load is even by construction (Zhou et al. 2022).

    .. math::
        y_t = \\sum_e p_{te} [t \\in \\mathrm{top}_C(p_{\\cdot e})] f_e(x_t), \\quad
        p = \\mathrm{softmax}(W x), \\quad C = \\lceil c T / E \\rceil

    Choosing among the rows of a batch cannot be repeated for a row alone. So every expert keeps a moving mean of the
    middle between its C-th largest probability and the next, and at predict takes the rows above this threshold. Use it
    where even load matters most; a row may get no expert at all, then the layer gives 0, so place it beside a skip
    connection.

    Parameters
    ----------
    capacity_factor : float, default=2.0
        Experts of a row on average, above 0; experts take ``capacity_factor * n_rows / n_experts`` rows, rounded up.
    momentum : float, default=0.99
        Part of a threshold that stays at an update, in [0, 1). The first batch sets it.

    Notes
    -----
    In training, experts choose among the rows of the batch, of each process apart; at predict the experts of a row do
    not depend on other rows. Before anything was learned thresholds are ``1 / n_experts``.

    References
    ----------
    Y. Zhou et al. (2022). Mixture-of-experts with expert choice routing. NeurIPS. https://arxiv.org/abs/2202.09368

    Examples
    --------
    >>> import torch
    >>> from skmoe.neural import ExpertChoice, MoELayer
    >>> layer = MoELayer(3, 1, n_experts=4, router=ExpertChoice(capacity_factor=2))
    >>> y = layer(torch.randn(8, 3))
    >>> (layer.routing.combine_weights() > 0).sum(0)
    tensor([4, 4, 4, 4])
    """

    computes: ClassVar[str] = "as many as choose it"
    batch_independent: ClassVar[str] = "at predict"
    gradient: ClassVar[str] = "chosen experts"
    balanced_by: ClassVar[str] = "construction"

    capacity_factor: float = 2.0
    momentum: float = 0.99

    def __post_init__(self) -> None:
        check_positive(capacity_factor=self.capacity_factor)
        check_real(momentum=self.momentum)
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum must be in [0, 1), got {self.momentum!r}.")

    def module(
        self, d_in: int, n_experts: int, *, d_hidden: int | None = None, generator: Generator | None = None
    ) -> ExpertChoiceRouter:
        return ExpertChoiceRouter(self, d_in, n_experts)


class ExpertChoiceRouter(RouterModule):
    """The module of `ExpertChoice`; ``threshold`` (n_experts,) is what a probability must reach at predict."""

    precise: ClassVar[tuple[str, ...]] = ("threshold", "n_batches")
    threshold: Tensor
    n_batches: Tensor

    def __init__(self, record: ExpertChoice, d_in: int, n_experts: int) -> None:
        super().__init__()
        self.record = record
        self.gate = LinearGate(d_in, n_experts)
        self.register_buffer("threshold", torch.full((n_experts,), 1 / n_experts))
        self.register_buffer("n_batches", torch.zeros(()))

    def reset_parameters(self, generator: Generator | None = None) -> None:
        self.gate.reset_parameters(generator)
        self.threshold.fill_(1 / len(self.threshold))
        self.n_batches.zero_()

    def forward(self, x: Tensor, *, task: Tensor | None = None, hidden: Tensor | None = None) -> Routing:
        logits = self.gate(x)
        proba = logits.softmax(-1)
        chosen = self._taken(proba.detach()) if self.training else proba >= self.threshold.to(proba.dtype)
        # As many slots as the most wanted row has experts; rows that are wanted less leave slots empty.
        n_slots = max(1, int(chosen.sum(-1).max())) if len(x) else 1
        index = torch.where(chosen, proba.detach(), -1.0).topk(n_slots).indices
        empty = ~chosen.gather(-1, index)
        weight = proba.gather(-1, index).masked_fill(empty, 0.0)
        return Routing(index, weight, proba, logits, empty=empty)

    def _taken(self, proba: Tensor) -> Tensor:
        """Rows of each expert (n_rows, n_experts), bool; thresholds follow."""
        n_rows, n_experts = proba.shape
        n_taken = capacity(self.record.capacity_factor, 1, n_rows, n_experts)
        best = proba.topk(min(n_taken + 1, n_rows), dim=0)
        last = best.values[n_taken - 1 : n_taken]
        # Between the last that is taken and the first that is not, where no row of this batch lies; 0 where all are
        # taken. A hair less, so that rows which are all alike pass whatever rounding does to them.
        first_out = best.values[n_taken:] if len(best.values) > n_taken else torch.zeros_like(last)
        self._follow((1 - _HAIR) * (last + first_out) / 2)
        return torch.zeros_like(proba, dtype=torch.bool).scatter_(0, best.indices[:n_taken], True)

    def _follow(self, last: Tensor) -> None:
        """Move thresholds towards those of a batch, (1, n_experts), in the mean over processes with rows."""
        n_processes = all_sum(last.new_tensor(len(last)), self.group)
        last = all_sum(last.sum(0), self.group) / n_processes
        stays = torch.where(self.n_batches > 0, self.record.momentum, 0.0).to(self.threshold)
        moved = stays * self.threshold + (1 - stays) * last
        self.threshold.copy_(torch.where(n_processes > 0, moved, self.threshold))
        self.n_batches += n_processes > 0
