"""The top-k router: a row goes to the k experts that score highest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Generator, Tensor

from .. import noise
from ..checks import check_positive, check_real, check_whole
from ..collectives import all_sum
from ..forward.rule import Rule
from ..routing import Routing, tally
from .capacity import capacity, check_capacity, over_capacity
from .protocol import LinearGate, Router, RouterModule, check_choice, largest


@dataclass(frozen=True)
class TopK(Router):
    """Every row goes to the k experts that score highest (Jiang et al. 2024; DeepSeek-AI 2024).

    .. math::
        y = \\sum_{e \\in S} g_e f_e(x), \\quad S = \\mathrm{top}_k(s + b), \\quad
        g_e = c \\, s_e / \\sum_{j \\in S} s_j, \\quad s = \\mathrm{softmax}(W x) \\text{ or } \\sigma(W x)

    As it stands it is the router of Mixtral; with ``score="sigmoid"``, ``bias_rate``, groups and shared experts of the
    layer it is that of DeepSeek-V3. The first choice when few of many experts are to be computed. With two to eight
    experts `Soft` costs little more and learns more easily.

    Parameters
    ----------
    k : int, default=2
        Experts of a row, at least 1. With 1 and ``renormalize`` every weight is 1 and the gate has no gradient: use
        ``renormalize=False`` (as `Switch` does).
    score : {"softmax", "sigmoid"}, default="softmax"
        What is made of the logits.
    renormalize : bool, default=True
        Whether the weights of a row sum to `scale`. Otherwise weights are ``scale`` times the scores.
    scale : float, default=1.0
        Factor of the weights, above 0 (2.5 in DeepSeek-V3).
    bias : bool, default=False
        Whether the gate has intercepts.
    bias_rate : float, default=0.0
        Step of balancing without a loss: once an optimiser step (`MoELayer.update`) the balance bias ``b`` of an expert
        that was chosen more often than the mean falls by this, that of one chosen less often rises. It decides who is
        chosen and is no part of the weights. DeepSeek-V3 used 0.001; 0 is none.
    n_groups : int, default=1
        Groups of experts of equal size, of which only the best are chosen from. A group is as good as its two best
        experts together.
    groups_kept : int or None, default=None
        Groups a row may choose from; None is all.
    capacity_factor : float or None, default=None
        In training an expert takes this many times its even share of the choices, and drops the rest (their weight is
        0). None drops none. At predict none is dropped.
    capacity_policy : {"position", "probability"}, default="position"
        Which choices stay: first choices and first rows, or largest weights.
    min_capacity : int, default=1
        Rows that an expert takes at least.
    jitter : float, default=0.0
        In training the router sees its rows times numbers drawn from ``[1 - jitter, 1 + jitter]``.

    Raises
    ------
    ValueError
        Where a setting makes no sense, and, when a layer is made, where k is larger than the number of experts.

    Notes
    -----
    At predict, and in training without a capacity, the experts of a row do not depend on the other rows of its batch.

    References
    ----------
    A. Q. Jiang et al. (2024). Mixtral of experts. https://arxiv.org/abs/2401.04088

    DeepSeek-AI (2024). DeepSeek-V3 technical report. https://arxiv.org/abs/2412.19437

    L. Wang, H. Gao, C. Zhao, X. Sun, D. Dai (2024). Auxiliary-loss-free load balancing strategy for mixture-of-experts.
    https://arxiv.org/abs/2408.15664

    Examples
    --------
    >>> import torch
    >>> from skmoe.neural import MoELayer, TopK
    >>> layer = MoELayer(3, 1, n_experts=8, router=TopK(k=2))
    >>> y = layer(torch.randn(5, 3))
    >>> layer.routing.index.shape
    torch.Size([5, 2])
    """

    computes: ClassVar[str] = "k"
    batch_independent: ClassVar[str] = "always; with a capacity, at predict"
    gradient: ClassVar[str] = "chosen experts"
    balanced_by: ClassVar[str] = "`balance_loss`, or the balance bias"

    k: int = 2
    score: Literal["softmax", "sigmoid"] = "softmax"
    renormalize: bool = True
    scale: float = 1.0
    bias: bool = False
    bias_rate: float = 0.0
    n_groups: int = 1
    groups_kept: int | None = None
    capacity_factor: float | None = None
    capacity_policy: Literal["position", "probability"] = "position"
    min_capacity: int = 1
    jitter: float = 0.0

    def __post_init__(self) -> None:
        check_whole(k=self.k, n_groups=self.n_groups)
        check_whole(none=True, groups_kept=self.groups_kept)
        check_positive(scale=self.scale)
        check_real(bias_rate=self.bias_rate, jitter=self.jitter)
        check_capacity(self.capacity_factor, self.capacity_policy, self.min_capacity)
        if self.score not in ("softmax", "sigmoid"):
            raise ValueError(f"score must be 'softmax' or 'sigmoid', got {self.score!r}.")
        if self.bias_rate < 0:
            raise ValueError(f"bias_rate must be at least 0, got {self.bias_rate!r}.")
        if not 0 <= self.jitter < 1:
            raise ValueError(f"jitter must be in [0, 1), got {self.jitter!r}.")
        if self.groups_kept is not None and self.groups_kept > self.n_groups:
            raise ValueError(f"groups_kept={self.groups_kept} is more than n_groups={self.n_groups}.")

    def module(
        self, d_in: int, n_experts: int, *, d_hidden: int | None = None, generator: Generator | None = None
    ) -> TopKRouter:
        kept = self.groups_kept or self.n_groups
        if n_experts % self.n_groups:
            raise ValueError(f"n_experts={n_experts} is no multiple of n_groups={self.n_groups}: groups are equal.")
        check_choice(f"TopK(k={self.k})", self.k, n_experts)
        if self.k > n_experts // self.n_groups * kept:
            raise ValueError(
                f"TopK(k={self.k}) chooses from groups_kept={kept} of {self.n_groups} groups, which hold "
                f"{n_experts // self.n_groups * kept} experts. Keep more groups or lower k."
            )
        return TopKRouter(self, d_in, n_experts, generator)


class TopKRouter(RouterModule):
    """The module of `TopK`, in steps that others change: logits, scores, choice, weights, what is dropped."""

    precise: ClassVar[tuple[str, ...]] = ("balance_bias",)
    balance_bias: Tensor
    #: Choices of each expert since the last update, whole numbers. No buffer: DistributedDataParallel would overwrite
    #: those of all processes but the first, and half precision cannot count.
    n_chosen: Tensor

    def __init__(self, record: TopK, d_in: int, n_experts: int, generator: Generator | None) -> None:
        super().__init__()
        self.record, self.generator = record, generator
        self.gate = LinearGate(d_in, n_experts, bias=record.bias)
        if record.bias_rate:
            self.register_buffer("balance_bias", torch.zeros(n_experts))
            self.n_chosen = torch.zeros(n_experts, dtype=torch.int64)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        self.gate.reset_parameters(generator)
        if self.record.bias_rate:
            self.balance_bias.zero_()
            self.n_chosen.zero_()

    def forward(self, x: Tensor, *, task: Tensor | None = None, hidden: Tensor | None = None) -> Routing:
        logits = self.gate(self._jittered(x.to(torch.promote_types(x.dtype, torch.float32))))
        score = logits.softmax(-1) if self.record.score == "softmax" else logits.sigmoid()
        index = self._choice(score)
        weight = self._weight(logits, score, index)
        room = self._room(len(x)) if self.training else None
        dropped = self._dropped(index, weight, room) if self.training else None
        if dropped is not None:
            weight = weight.masked_fill(dropped, 0.0)
        if self.training and self.record.bias_rate:
            self._counted(index.device).add_(tally(index, logits.shape[-1]))
        proba = score if self.record.score == "softmax" else score / score.sum(-1, keepdim=True)
        soft = self.record.score == "softmax" and self.record.renormalize
        return Routing(index, weight, proba, logits, dropped, capacity=room, softmax=soft)

    def _jittered(self, x: Tensor) -> Tensor:
        if not (self.training and self.record.jitter):
            return x
        return x * (1 + self.record.jitter * (2 * noise.uniform(x, self.generator) - 1))

    def _choice(self, score: Tensor) -> Tensor:
        """Experts of each row (n_rows, k), best first; no gradient passes."""
        record = self.record
        if record.bias_rate:
            score = score + self.balance_bias.to(score.dtype)
        if record.groups_kept is not None and record.groups_kept < record.n_groups:
            grouped = score.unflatten(-1, (record.n_groups, -1))
            best = grouped.topk(min(2, grouped.shape[-1]), dim=-1).values.sum(-1).topk(record.groups_kept).indices
            closed = torch.ones_like(grouped[..., 0], dtype=torch.bool).scatter_(-1, best, False)
            score = grouped.masked_fill(closed[..., None], -torch.inf).flatten(-2)
        return largest(score, record.k)

    def _weight(self, logits: Tensor, score: Tensor, index: Tensor) -> Tensor:
        if self.record.renormalize and self.record.score == "softmax":
            weight = logits.gather(-1, index).softmax(-1)  # the renormalised softmax, without its denominator
        else:
            weight = score.gather(-1, index)
            if self.record.renormalize:
                weight = weight / weight.sum(-1, keepdim=True).clamp_min(torch.finfo(weight.dtype).tiny)
        return weight * self.record.scale if self.record.scale != 1 else weight

    @property
    def capturable(self) -> bool:
        return not self.record.jitter

    def choose(self, k: int) -> None:
        self.record = replace(self.record, k=k)

    def rule(self) -> Rule | None:
        record = self.record
        if record.groups_kept is not None and record.groups_kept < record.n_groups:
            return None
        return Rule(record.k, record.score, record.renormalize, record.scale)

    def _room(self, n_rows: int) -> int | None:
        """Capacity of an expert in a batch, None where there is none."""
        record = self.record
        if record.capacity_factor is None:
            return None
        return capacity(record.capacity_factor, record.k, n_rows, self.gate.weight.shape[0], record.min_capacity)

    def _dropped(self, index: Tensor, weight: Tensor, room: int | None, skip: Tensor | None = None) -> Tensor | None:
        """Choices that are not carried out in training; those of ``skip`` need no room."""
        if room is None:
            return skip
        over = over_capacity(index, weight, self.gate.weight.shape[0], room, self.record.capacity_policy, skip)
        return over if skip is None else over | skip

    def update(self) -> None:
        """Move the balance bias by the choices since the last update, of all processes."""
        if self.record.bias_rate:
            counts = all_sum(self._counted(self.balance_bias.device), self.group)
            rises = torch.sign(counts.sum() - len(counts) * counts)
            self.balance_bias += self.record.bias_rate * rises.to(self.balance_bias.dtype)
            self.n_chosen.zero_()

    def _counted(self, device: torch.device) -> Tensor:
        """``n_chosen`` where it is needed."""
        if self.n_chosen.device != device:
            self.n_chosen = torch.zeros_like(self.n_chosen, device=device)
        return self.n_chosen
