"""The GShard router: two experts a row, of which the second is used by chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Generator, Tensor

from .. import noise
from .protocol import Router, check_choice
from .topk import TopK, TopKRouter


@dataclass(frozen=True)
class GShard(Router):
    """Every row goes to its best expert and, in training by chance, to its second best (Lepikhin et al. 2021).

    .. math::
        y = g_1 f_1(x) + B g_2 f_2(x), \\quad g_i = p_i / (p_1 + p_2), \\quad P(B = 1) = \\min(1, 2 g_2)

    A second expert that would count little is seldom computed, which saves places. At predict both are always used.
    Use it to compare with the paper; `TopK` is simpler and, without a capacity, no row loses an expert.

    Parameters
    ----------
    capacity_factor : float or None, default=1.0
        In training an expert takes this many times its even share of the choices, first choices of all rows before
        second ones; the rest are dropped. None drops none.
    capacity_policy : {"position", "probability"}, default="position"
        Which choices stay: as in the paper, or those with the largest weights.
    min_capacity : int, default=1
        Rows that an expert takes at least.

    Notes
    -----
    In training, rows compete for places, so outputs depend on the batch; at predict they do not, and nothing is random.

    References
    ----------
    D. Lepikhin et al. (2021). GShard: scaling giant models with conditional computation and automatic sharding. ICLR.
    https://arxiv.org/abs/2006.16668

    Examples
    --------
    >>> import torch
    >>> from skmoe.neural import GShard, MoELayer
    >>> layer = MoELayer(3, 1, n_experts=4, router=GShard()).eval()
    >>> x = torch.randn(8, 3)
    >>> bool((layer(x) == layer(x)).all())
    True
    """

    computes: ClassVar[str] = "1 or 2"
    batch_independent: ClassVar[str] = "at predict"
    gradient: ClassVar[str] = "chosen experts"
    balanced_by: ClassVar[str] = "`balance_loss`, capacity"

    capacity_factor: float | None = 1.0
    capacity_policy: Literal["position", "probability"] = "position"
    min_capacity: int = 1

    def __post_init__(self) -> None:
        self._top_2()

    def _top_2(self) -> TopK:
        return TopK(
            k=2,
            capacity_factor=self.capacity_factor,
            capacity_policy=self.capacity_policy,
            min_capacity=self.min_capacity,
        )

    def module(
        self, d_in: int, n_experts: int, *, d_hidden: int | None = None, generator: Generator | None = None
    ) -> GShardRouter:
        check_choice("GShard", 2, n_experts)
        return GShardRouter(self._top_2(), d_in, n_experts, generator)


class GShardRouter(TopKRouter):
    """`TopKRouter` that leaves the second choice to chance in training."""

    @property
    def capturable(self) -> bool:
        return False

    def choose(self, k: int) -> None:
        """Two are chosen, whatever is asked for."""

    def _dropped(self, index: Tensor, weight: Tensor, room: int | None, skip: Tensor | None = None) -> Tensor | None:
        second = weight[:, 1].detach()
        unused = 2 * second <= noise.uniform(second, self.generator)
        return super()._dropped(index, weight, room, torch.stack([torch.zeros_like(unused), unused], dim=1))
