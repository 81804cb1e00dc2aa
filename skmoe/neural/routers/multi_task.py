"""Gates of several tasks over the same experts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, nn

from ..capturing import is_capturing
from ..checks import check_whole
from ..routing import Routing, assembled, stacked
from .protocol import Router, RouterModule, check_part, check_router
from .soft import Soft


@dataclass(frozen=True)
class MultiTask(Router):
    """Every task has a gate of its own over shared experts (Ma et al. 2018; Chen et al. 2023).

    .. math:: y_m = \\sum_e G^{(m)}_e(x) f_e(x)

    ``layer(x)`` answers every row for every task, (n_rows, n_tasks, d_out): with soft gates this is the layer of MMoE,
    on which each task puts a tower of its own. ``layer(x, task=task)`` takes the gate of each row's own task, (n_rows,
    d_out), as Mod-Squad does: every gate routes its own rows; `mutual_information_loss` then makes tasks prefer
    different experts. On tables a task may also be a segment of the rows. Use it where tasks share some of what there
    is to learn; else train one model a task.

    Parameters
    ----------
    n_tasks : int, default=2
        At least 1.
    router : Router, default=Soft()
        The gate of a task.

    Notes
    -----
    The experts of a row depend on the batch where those of `router` do.

    References
    ----------
    J. Ma et al. (2018). Modeling task relationships in multi-task learning with multi-gate mixture-of-experts. KDD.
    https://doi.org/10.1145/3219819.3220007

    Z. Chen et al. (2023). Mod-Squad: designing mixtures of experts as modular multi-task learners. CVPR.
    https://arxiv.org/abs/2212.08066

    Examples
    --------
    >>> import torch
    >>> from skmoe.neural import MoELayer, MultiTask
    >>> layer = MoELayer(3, 1, n_experts=4, router=MultiTask(n_tasks=2))
    >>> x = torch.randn(8, 3)
    >>> layer(x).shape, layer(x, task=torch.arange(8) % 2).shape
    (torch.Size([8, 2, 1]), torch.Size([8, 1]))
    """

    computes: ClassVar[str] = "as its router"
    batch_independent: ClassVar[str] = "as its router"
    gradient: ClassVar[str] = "as its router"
    balanced_by: ClassVar[str] = "`mutual_information_loss`"

    n_tasks: int = 2
    router: Router = field(default_factory=Soft)

    def __post_init__(self) -> None:
        check_whole(n_tasks=self.n_tasks)
        check_router("router of MultiTask", self.router)

    def module(
        self, d_in: int, n_experts: int, *, d_hidden: int | None = None, generator: Generator | None = None
    ) -> MultiTaskRouter:
        gates = [
            self.router.module(d_in, n_experts, d_hidden=d_hidden, generator=generator) for _ in range(self.n_tasks)
        ]
        check_part("MultiTask", self.router, gates[0])
        return MultiTaskRouter(gates)


class MultiTaskRouter(RouterModule):
    """The module of `MultiTask`: one of ``gates`` a task."""

    by_task: ClassVar[bool] = True

    def __init__(self, gates: list[RouterModule]) -> None:
        super().__init__()
        self.gates: Any = nn.ModuleList(gates)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        for gate in self.gates:
            gate.reset_parameters(generator)

    def update(self) -> None:
        for gate in self.gates:
            gate.update()

    def forward(self, x: Tensor, *, task: Tensor | None = None, hidden: Tensor | None = None) -> Routing:
        if task is None:
            return stacked([gate(x) for gate in self.gates])
        self._check(task, len(x))
        rows = [torch.nonzero(task == m)[:, 0] for m in range(len(self.gates))]
        own = [gate(x[mine]) for gate, mine in zip(self.gates, rows, strict=True)]
        return assembled(own, rows, len(x))._replace(task=task)

    def _check(self, task: Tensor, n_rows: int) -> None:
        if task.shape != (n_rows,) or task.dtype != torch.int64:
            raise ValueError(
                f"task must be an int64 tensor of shape ({n_rows},), one task a row; got {task.dtype} of shape "
                f"{tuple(task.shape)}."
            )
        if not is_capturing() and n_rows and not bool(((task >= 0) & (task < len(self.gates))).all()):
            bad = task[(task < 0) | (task >= len(self.gates))][0].item()
            raise ValueError(f"task holds {bad}: expected numbers from 0 to n_tasks - 1 = {len(self.gates) - 1}.")
