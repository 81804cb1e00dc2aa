"""The two-level router: a row goes to groups of experts, and within each to experts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Generator, Tensor, nn

from ..checks import check_whole
from ..collectives import all_sum
from ..routing import Routing, assembled, stacked
from .protocol import Router, RouterModule, check_part, check_router
from .topk import TopK


@dataclass(frozen=True)
class Hierarchical(Router):
    """A router chooses groups of experts, and a router in every group its experts (Shazeer et al. 2017, appendix B).

    .. math:: y = \\sum_i G_i(x) \\sum_j G_{ij}(x) f_{ij}(x)

    Expert ``(i, j)`` has number ``i * n_experts / n_groups + j``. Use it where experts form families that are to be
    seen, or balanced, as such; one `TopK` is faster, whatever the number of experts. Soft on both levels it is the
    mixture of Jordan and Jacobs (1994), of which `Soft` knows all trees.

    Parameters
    ----------
    n_groups : int, default=2
        Groups of equal size, at least 1.
    outer : Router, default=TopK(k=2)
        Chooses groups.
    inner : Router, default=TopK(k=2)
        Chooses experts in a group; every group has one of its own.

    Notes
    -----
    The router of a group sees the rows that are sent there, and no others. What the losses see is the product:
    importance is the sum of :math:`G_i G_{ij}`, and the load of an expert that of its group times its share in the load
    within the group over the rows that are sent there. The experts of a row depend on the batch where those of the two
    routers do.

    References
    ----------
    N. Shazeer et al. (2017). Outrageously large neural networks: the sparsely-gated mixture-of-experts layer. ICLR.
    https://arxiv.org/abs/1701.06538

    Examples
    --------
    >>> import torch
    >>> from skmoe.neural import Hierarchical, MoELayer, TopK
    >>> layer = MoELayer(3, 1, n_experts=16, router=Hierarchical(n_groups=4, inner=TopK(k=1, renormalize=False)))
    >>> y = layer(torch.randn(8, 3))
    >>> layer.routing.index.shape
    torch.Size([8, 2])
    """

    computes: ClassVar[str] = "k of k groups"
    batch_independent: ClassVar[str] = "as its two routers"
    gradient: ClassVar[str] = "as its two routers"
    balanced_by: ClassVar[str] = "as its two routers"

    n_groups: int = 2
    outer: Router = field(default_factory=TopK)
    inner: Router = field(default_factory=TopK)

    def __post_init__(self) -> None:
        check_whole(n_groups=self.n_groups)
        check_router("outer of Hierarchical", self.outer)
        check_router("inner of Hierarchical", self.inner)

    def module(
        self, d_in: int, n_experts: int, *, d_hidden: int | None = None, generator: Generator | None = None
    ) -> HierarchicalRouter:
        if n_experts % self.n_groups:
            raise ValueError(f"n_experts={n_experts} is no multiple of n_groups={self.n_groups}: groups are equal.")
        size = n_experts // self.n_groups
        outer = self.outer.module(d_in, self.n_groups, d_hidden=d_hidden, generator=generator)
        inner = [self.inner.module(d_in, size, d_hidden=d_hidden, generator=generator) for _ in range(self.n_groups)]
        check_part("Hierarchical", self.outer, outer)
        check_part("Hierarchical", self.inner, inner[0])
        return HierarchicalRouter(outer, inner)


class HierarchicalRouter(RouterModule):
    """The module of `Hierarchical`: ``outer``, and one of ``inner`` a group."""

    def __init__(self, outer: RouterModule, inner: list[RouterModule]) -> None:
        super().__init__()
        self.outer, self.inner = outer, nn.ModuleList(inner)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        for module in (self.outer, *self.inner):
            module.reset_parameters(generator)

    def update(self) -> None:
        for module in (self.outer, *self.inner):
            module.update()

    def forward(self, x: Tensor, *, task: Tensor | None = None, hidden: Tensor | None = None) -> Routing:
        outer = self.outer(x)
        sent = outer.chosen()
        rows = [torch.nonzero(to_group)[:, 0] for to_group in sent.unbind(1)]
        inner = [assembled([module(x[mine])], [mine], len(x)) for module, mine in zip(self.inner, rows, strict=True)]
        every = stacked(inner)

        def taken(values: Tensor) -> Tensor:  # (n_rows, k, slots), of the groups that a row goes to
            return values.gather(1, outer.index[..., None].expand(-1, -1, every.k))

        carried = taken(every.carried_out()) & outer.carried_out()[..., None]
        made = taken(every.wanted()) & outer.wanted()[..., None]
        probs = self._probs(outer, every, sent)
        rooms = [part.capacity for part in inner if part.capacity is not None]
        return Routing(
            (taken(every.index) + inner[0].n_experts * outer.index[..., None]).flatten(1),
            (outer.weight[..., None] * taken(every.weight)).flatten(1),
            probs,
            probs.clamp_min(torch.finfo(probs.dtype).tiny).log(),
            dropped=(made & ~carried).flatten(1),
            empty=(~made).flatten(1),
            capacity=max(rooms) if len(rooms) == len(inner) else None,
            chance=self._chance(outer, every, sent),
        )

    @staticmethod
    def _probs(outer: Routing, every: Routing, sent: Tensor) -> Tensor:
        """Products of probabilities of the groups that a row goes to, divided by their sum, and of their experts."""
        open_ = outer.probs * sent
        total = open_.sum(-1, keepdim=True)
        groups = torch.where(total > 0, open_ / total.clamp_min(torch.finfo(total.dtype).tiny), outer.probs)
        return (groups[..., None] * every.probs).flatten(1)

    def _chance(self, outer: Routing, every: Routing, sent: Tensor) -> Tensor | None:
        """Load of a group times the share within it of its experts over the rows that are sent there, row by row."""
        if outer.chance is None and every.chance is None:
            return None
        within = every.chosen() if every.chance is None else every.chance
        if outer.chance is None:
            return (sent[..., None] * within).flatten(1)
        load, n_sent = all_sum(outer.chance.sum(0), self.group), all_sum(sent.sum(0), self.group)
        return ((load / n_sent.clamp_min(1.0))[:, None] * sent[..., None] * within).flatten(1)
