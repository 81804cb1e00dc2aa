"""Experts that are shared out to processes: rows travel to their experts, and answers back.

Process r of W holds the experts ``r * n_experts / W`` to ``(r + 1) * n_experts / W - 1`` and rows of its own; routers
are the same everywhere. A call goes

1. sort the choices of the rows by expert, so that those for one process stand together;
2. exchange how many choices there are for every expert, and then the rows (the first all-to-all);
3. compute the experts that are here for the rows that came, by any implementation;
4. exchange the answers (the second all-to-all), and weigh them.

Gradients follow the convention of DistributedDataParallel: every process has the mean loss :math:`L_r` of its own rows,
and what all together minimise is :math:`L = \\frac1W \\sum_r L_r`. Gradients of replicated parameters are averaged over
processes. An expert receives the gradients of all processes at once, which is their sum; so the gradients of answers
are divided by W on their way to the experts, and those of rows multiplied by W on their way back. Then the gradients of
experts are those of L as they stand, and those of the input those of :math:`L_r`. Where several such groups hold copies
of the same experts, average the gradients of each expert over its copies.

All processes of a group call the layer together, and so ``answers`` and ``routing_report``; for one that stays away, or
raises an error, the others wait as long as the group has patience. A row travels once for each of its choices. When a
layer is made every process draws all experts for a moment, so that parameters do not depend on how many processes there
are.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Generator, Tensor, nn
from torch.distributed import ProcessGroup

from .collectives import exchange
from .dispatch.implementations import Experts, Implementation, Placed
from .dispatch.places import Places, sorted_places, take
from .experts.mlp import MLPExperts
from .routing import Routing


@dataclass(frozen=True)
class ExpertParallel(Placed):
    """Sends rows to the processes that hold their experts.

    Attributes
    ----------
    group : ProcessGroup
        All its processes have to call this at the same time, those without rows too.
    local : callable
        The implementation for rows that came to the experts of this process, and their routing.
    """

    group: ProcessGroup
    local: Callable[[Tensor, Routing], Implementation]

    def _answered(self, x: Tensor, routing: Routing, experts: Experts, n_gates: int) -> tuple[Tensor, Places]:
        world = dist.get_world_size(self.group)
        places = sorted_places(routing.index, routing.n_experts, routing.idle())
        asked = places.counts.view(world, -1)  # (process, expert there): choices of the rows here
        came = torch.empty_like(asked)  # (process, expert here): choices of the rows there
        dist.all_to_all_single(came, asked, group=self.group)
        sent, received = torch.stack([asked.sum(1), came.sum(1)]).tolist()
        rows = exchange(take(x, places), sent, received, self.group, back=world)
        answer = self._answers_here(rows, came, experts)
        return exchange(answer, received, sent, self.group, back=1 / world), places

    def _answers_here(self, rows: Tensor, came: Tensor, experts: Experts) -> Tensor:
        """Answers to rows that stand by process, and of each process by expert."""
        world, n_local = came.shape
        expert = torch.arange(n_local, device=rows.device).repeat(world)
        index = expert.repeat_interleave(came.flatten(), output_size=len(rows))[:, None]
        even = rows.new_full((1, n_local), 1 / n_local).expand(len(rows), -1)
        here = Routing(index, rows.new_ones(index.shape), even, even)
        return self.local(rows, here).single(rows, here, experts)[:, 0]


def check_shared_out(n_experts: int, group: ProcessGroup, *, own: bool, rank: int | None) -> None:
    """Refuse layers whose experts cannot be shared out to the processes of a group."""
    world = dist.get_world_size(group)
    if n_experts % world:
        raise ValueError(
            f"n_experts={n_experts} is no multiple of the {world} processes of ep_group: every process holds as many "
            "experts. Choose another n_experts."
        )
    if own:
        raise ValueError("ep_group does not share out experts of your own (experts=[...]). Leave one of them out.")
    if rank is not None:
        raise ValueError(
            f"ep_group does not share out experts of low rank (rank={rank}): they have a map in common, whose "
            "gradients come from all processes. Leave one of them out; such experts are small."
        )


def keep_local(experts: MLPExperts, group: ProcessGroup) -> None:
    """Of a stack of all experts, leave those of this process."""
    _restack(experts, lambda whole: whole[_here(len(whole), group)].clone())
    experts.n_experts //= dist.get_world_size(group)


def draw_local(experts: MLPExperts, group: ProcessGroup, generator: Generator | None) -> None:
    """Draw the experts of this process anew, as those of one process that holds all are drawn."""
    whole = copy.deepcopy(experts)
    n_experts = experts.n_experts * dist.get_world_size(group)
    _restack(whole, lambda local: local.new_empty(n_experts, *local.shape[1:]))
    whole.reset_parameters(generator)
    with torch.no_grad():
        for here, drawn in zip(experts.parameters(), whole.parameters(), strict=True):
            here.copy_(drawn[_here(n_experts, group)])


def _here(n_experts: int, group: ProcessGroup) -> slice:
    """Numbers of the experts of this process."""
    n_local = n_experts // dist.get_world_size(group)
    first = n_local * dist.get_rank(group)
    return slice(first, first + n_local)


def _restack(experts: nn.Module, change: Callable[[Tensor], Tensor]) -> None:
    """Put others in the place of all parameters, which are stacks, experts first."""
    for module in experts.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            setattr(module, name, nn.Parameter(change(parameter.detach())))
