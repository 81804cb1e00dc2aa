"""The layer: a router, experts, and what comes between them."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any, Self

import torch
from torch import Generator, Tensor, nn
from torch.distributed import ProcessGroup

from ..routing import RoutingReport, routing_report
from .checks import (
    check_among,
    check_experts,
    check_reading,
    check_whole,
    checked_impl,
    checked_shared,
    checked_widths,
)
from .devices import asked
from .dispatch.choose import choose
from .dispatch.implementations import ALL_ROWS, IMPLEMENTATIONS, Implementation, SortedRows
from .dispatch.layout import Answer
from .expert_parallel import ExpertParallel, check_shared_out, draw_local, keep_local
from .experts.activations import Activation
from .experts.activations import activation as activation_of
from .experts.mlp import LOW_RANK, MLPExperts
from .experts.modules import ModuleExperts
from .experts.shared import SharedExperts
from .offload import HostExperts, Resident, check_offload
from .routers.protocol import Router, check_router
from .routers.topk import TopK
from .routing import Routing


class MoELayer(nn.Module):
    """A layer of experts, of which a router chooses for every row.

    .. math:: y = \\sum_{e \\in S(x)} g_e(x) f_e(x) + \\sum_s f^{shared}_s(x)

    Tensor in, tensor out, as `torch.nn.Linear`; leading axes are rows. Experts are multilayer perceptrons of one shape,
    linear maps (``hidden=()``), maps of low rank on a shared one (`rank`), or modules of your own (`experts`). What the
    router did is kept in ``layer.routing``, on which the losses work: add some to yours, times a small number, so that
    all experts stay in use. Where a table has few rows, a plain perceptron, or few experts and `Soft`, learn more
    easily.

    Parameters
    ----------
    d_in : int
        Columns of the input.
    d_out : int or None, default=None
        Columns of the output; None is `d_in`.
    n_experts : int, default=8
        Experts to choose from.
    hidden : sequence of int, default=(64,)
        Widths of the hidden layers of an expert; ``()`` makes linear experts.
    activation : {"relu", "gelu", "swiglu", "clamped_swiglu"} or Activation, default="relu"
        Between the linear maps of an expert.
    router : Router, default=TopK(k=2)
        How rows are sent to experts.
    bias : bool, default=True
        Whether the linear maps of the experts have intercepts.
    n_shared : int, default=0
        Experts that every row goes to, added to the chosen ones.
    shared_hidden : sequence of int or None, default=None
        Widths of the hidden layers of a shared expert; None is `hidden`.
    shared_gate : bool, default=False
        Whether what the shared experts add is multiplied by a sigmoid of a linear map of the row (Qwen2).
    rank : int or None, default=None
        Experts are one shared map and changes of this rank. None gives every expert a map of its own.
    rank_form : {"added", "scaled"}, default="added"
        Changes are added (as LoRA) or multiply rows and columns (as BatchEnsemble).
    experts : sequence of torch.nn.Module or None, default=None
        Experts of your own, in the place of `n_experts`, `hidden`, `activation`, `bias` and `rank`. Each is called with
        its rows and answers (n_rows, d_out). If the layer is called with more, ``layer(x, edges)``, each is called as
        ``expert(x, rows, edges)``, sees the whole table and answers the rows whose numbers are in ``rows``.
    impl : {"auto", "loop", "grouped", "padded", "dense"}, default="auto"
        How experts are computed. All give the same results up to rounding; "auto" takes the one that was fastest in
        measurements for the shapes at hand.
    dp_group : torch.distributed.ProcessGroup or None, default=None
        Processes that share out the rows of a batch. Losses and counts of choices then are those of all rows; average
        gradients over processes, as DistributedDataParallel does. All processes call the layer, the losses and `update`
        equally often. Capacities, and the choice of `ExpertChoice`, are of the rows of each process apart.
    ep_group : torch.distributed.ProcessGroup or None, default=None
        Processes that share out the experts: each holds ``n_experts`` divided by their number, has rows of its own, and
        calls the layer when the others do. Given generators of the same seed they draw the parameters of one layer.
        Gradients of ``layer.expert_parameters()`` are complete and not to be averaged; the others are, and with a loss
        that is a mean over the rows of a process all are those of one process. ``state_dict()`` holds the experts that
        are here: joined along the first axis, process by process, they are those of one layer.
    offload : {"experts"} or None, default=None
        For prediction: the experts stay in host memory, whatever device the layer is moved to, and are copied to it
        when rows come for them. Results are those of ``impl="loop"``. After writing to ``parameter.data`` of an expert,
        which nothing can notice, call ``layer.resident.clear()``.
    n_resident : int or None, default=None
        With `offload`: experts that are on the device at a time, at least 1. Those used last stay there.
    generator : torch.Generator or None, default=None
        Source of the parameters, and of noise in training. None is torch's own. Parameters are drawn on the processor,
        so they are the same wherever the layer goes.
    device : torch.device, str or None, default=None
        Where the layer is made; None is torch's default.
    dtype : torch.dtype or None, default=None
        Type of the parameters; None is torch's default.

    Attributes
    ----------
    routing : Routing or None
        Of the last call. Holds its graph, so that losses have gradients; copies and pickles leave it out.
    router, experts, shared : torch.nn.Module
        What learns.
    resident : Resident or None
        With `offload`: ``resident.hits`` and ``resident.misses`` count visits to experts that were on the device, and
        to those that had to be copied.

    Raises
    ------
    ValueError
        Where a setting makes no sense or the device is not here; at a call, where shapes disagree or logits are not
        finite.
    RuntimeError
        Where a layer with `offload` is called while gradients are recorded.
    TypeError
        Where a layer with a group is pickled; a copy shares the group.

    References
    ----------
    R. A. Jacobs, M. I. Jordan, S. J. Nowlan, G. E. Hinton (1991). Adaptive mixtures of local experts. Neural
    Computation 3, 79-87. https://doi.org/10.1162/neco.1991.3.1.79

    N. Shazeer et al. (2017). Outrageously large neural networks: the sparsely-gated mixture-of-experts layer. ICLR.
    https://arxiv.org/abs/1701.06538

    Examples
    --------
    >>> import torch
    >>> from skmoe.neural import MoELayer, TopK, balance_loss
    >>> layer = MoELayer(10, 1, n_experts=8, hidden=(32,), router=TopK(k=2))
    >>> x, y = torch.randn(100, 10), torch.randn(100, 1)
    >>> loss = (layer(x) - y).square().mean() + 0.01 * balance_loss(layer.routing)
    >>> loss.backward()
    """

    def __init__(
        self,
        d_in: int,
        d_out: int | None = None,
        *,
        n_experts: int = 8,
        hidden: Sequence[int] = (64,),
        activation: str | Activation = "relu",
        router: Router = TopK(k=2),  # noqa: B008  (frozen)
        bias: bool = True,
        n_shared: int = 0,
        shared_hidden: Sequence[int] | None = None,
        shared_gate: bool = False,
        rank: int | None = None,
        rank_form: str = "added",
        experts: Sequence[nn.Module] | None = None,
        impl: str = "auto",
        dp_group: ProcessGroup | None = None,
        ep_group: ProcessGroup | None = None,
        offload: str | None = None,
        n_resident: int | None = None,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if device is not None:
            asked(lambda probe: probe.to(device), torch.empty(0, device="cpu"), f"device={str(device)!r}")
        check_router("router", router)
        if experts is not None:
            check_experts(experts)
            n_experts = len(experts)
        d_out = d_in if d_out is None else d_out
        check_whole(d_in=d_in, d_out=d_out, n_experts=n_experts)
        check_whole(none=True, rank=rank)
        check_whole(0, n_shared=n_shared)
        check_among("rank_form", rank_form, LOW_RANK)
        hidden = checked_widths("hidden", hidden)
        widths = checked_shared(hidden, n_shared, shared_hidden, shared_gate)
        check_offload(offload, n_resident, own=experts is not None, rank=rank, shared_out=ep_group is not None)
        if ep_group is not None:
            check_shared_out(n_experts, ep_group, own=experts is not None, rank=rank)
        self.d_in, self.d_out, self.n_experts = d_in, d_out, n_experts
        kind = activation_of(activation)
        drawn: dict[str, Any] = {"bias": bias, "rank": rank, "rank_form": rank_form, "generator": generator}
        with torch.device("cpu"):  # whatever the default
            if experts is not None:
                self.experts: Any = ModuleExperts(experts, d_out)
            elif n_resident is not None:
                self.experts = HostExperts(n_experts, d_in, hidden, d_out, kind, n_resident=n_resident, **drawn)
            else:
                self.experts = MLPExperts(n_experts, d_in, hidden, d_out, kind, **drawn)
            self.ep_group = ep_group
            if ep_group is not None:
                keep_local(self.experts, ep_group)
            self.impl = impl
            self.shared: Any = None
            if n_shared:
                shape = (n_shared, d_in, widths, d_out, kind)
                self.shared = SharedExperts(*shape, bias=bias, gate=shared_gate, generator=generator)
            self.router: Any = router.module(d_in, n_experts, d_hidden=self.experts.d_hidden, generator=generator)
            self.router.reset_parameters(generator)
        check_reading(self.router, ep_group=ep_group, offload=offload)
        self._share_rows(dp_group)
        self.routing: Routing | None = None
        if device is None and torch.get_default_device().type != "cpu":
            device = torch.get_default_device()
        self.to(device=device, dtype=dtype)

    def _share_rows(self, group: ProcessGroup | None) -> None:
        self.dp_group = group
        for module in self.router.modules():
            module.group = group

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw all parameters anew."""
        if self.ep_group is None:
            self.experts.reset_parameters(generator)
        else:
            draw_local(self.experts, self.ep_group, generator)
        for part in (self.shared, self.router):
            if part is not None:
                part.reset_parameters(generator)

    def expert_parameters(self) -> Iterator[nn.Parameter]:
        """Parameters of the experts that rows are sent to; with `ep_group` those that no other process has.

        DistributedDataParallel must not touch these: give it their names (see its static method
        ``_set_params_and_buffers_to_ignore_for_model``) before it wraps the model.
        """
        yield from self.experts.parameters()

    @property
    def impl(self) -> str:
        """How experts are computed; may be set to another name."""
        return self._impl

    @impl.setter
    def impl(self, impl: str) -> None:
        self._impl = checked_impl(impl, self.experts.implementations)

    @property
    def resident(self) -> Resident | None:
        """Which experts are on the device, with `offload`."""
        return getattr(self.experts, "resident", None)

    def forward(self, x: Tensor, *context: Any, task: Tensor | None = None) -> Tensor:
        """Mix the answers of the experts.

        Parameters
        ----------
        x : Tensor of shape (..., d_in)
        *context : object
            Handed to `experts` of your own.
        task : Tensor of shape (n_rows,), int64, default=None
            The task of each row, for `MultiTask`.

        Returns
        -------
        Tensor of shape (..., d_out)
            For `MultiTask` without ``task``: (..., n_tasks, d_out).
        """
        rows = self._rows(x)
        experts = self.experts.bound(rows, context)
        if self.router.reads_experts:
            answer = ALL_ROWS.every(rows, self.n_experts, experts)
            routing = self._routed(rows, task, answer)
            mixed = ALL_ROWS.weighted(answer, routing)
        else:
            routing = self._routed(rows, task)
            mixed = self._implementation(rows, routing).combined(rows, routing, experts)
        self.routing = routing
        if self.shared is not None:
            shared = self.shared(rows)
            mixed = mixed + (shared if mixed.dim() == 2 else shared[:, None])
        return mixed.reshape(*x.shape[:-1], *mixed.shape[1:]) if x.dim() != 2 else mixed

    def answers(self, x: Tensor, *context: Any, task: Tensor | None = None) -> tuple[Routing, Tensor]:
        """Route rows, and the answers of their experts before they are mixed.

        Parameters
        ----------
        x : Tensor of shape (n_rows, d_in)
        *context, task : object
            As of ``forward``.

        Returns
        -------
        Routing
        Tensor of shape (n_rows, k, d_out)
            Answer of ``routing.index``; 0 where dropped. Shared experts play no part.
        """
        rows = self._rows(x)
        experts = self.experts.bound(rows, context)
        read = ALL_ROWS.every(rows, self.n_experts, experts) if self.router.reads_experts else None
        self.routing = routing = self._routed(rows, task, read)
        return routing, self._implementation(rows, routing).single(rows, routing, experts)

    def _rows(self, x: Tensor) -> Tensor:
        if x.dim() < 1 or x.shape[-1] != self.d_in:
            raise ValueError(
                f"MoELayer(d_in={self.d_in}) got a tensor of shape {tuple(x.shape)}: expected {self.d_in} columns in "
                "the last axis."
            )
        return x if x.dim() == 2 else x.reshape(-1, self.d_in)

    def _routed(self, rows: Tensor, task: Tensor | None, read: Answer | None = None) -> Routing:
        hidden = None if read is None or read.hidden is None else read.hidden.transpose(0, 1)
        with torch.autocast(rows.device.type, enabled=False):  # routers compute in single precision at least
            return self.router(rows, task=task, hidden=hidden)._replace(group=self.dp_group)

    def _implementation(self, rows: Tensor, routing: Routing) -> Implementation:
        return self._local(rows, routing) if self.ep_group is None else ExpertParallel(self.ep_group, self._local)

    def _local(self, rows: Tensor, routing: Routing) -> Implementation:
        """The implementation for rows and the experts of this process."""
        if self.resident is not None:
            return SortedRows(self.experts.layout)
        return IMPLEMENTATIONS[choose(rows, routing, self.experts) if self.impl == "auto" else self.impl]

    def update(self) -> None:
        """What is to be done once an optimiser step: the balance bias of `TopK` moves. `follow` calls it for you."""
        self.router.update()

    def follow(self, optimizer: torch.optim.Optimizer) -> Any:
        """Call `update` after every step of an optimiser.

        Parameters
        ----------
        optimizer : torch.optim.Optimizer

        Returns
        -------
        torch.utils.hooks.RemovableHandle
            Whose ``remove()`` ends it.
        """
        return optimizer.register_step_post_hook(lambda *_: self.update())

    @torch.no_grad()
    def routing_report(self, x: Tensor, *context: Any, task: Tensor | None = None) -> RoutingReport:
        """How evenly rows use the experts, and how sharply they are divided, at predict.

        Parameters
        ----------
        x : Tensor of shape (n_rows, d_in)
        *context, task : object
            As of ``forward``.

        Returns
        -------
        skmoe.routing.RoutingReport
            Of the combine weights, divided by their sum. A `skmoe.exceptions.CollapseWarning` says what is wrong.

        Raises
        ------
        ValueError
            Where no row gets an expert.
        """
        learning, last = [(module, module.training) for module in self.modules()], self.routing
        try:
            routing, _ = self.eval().answers(x, *context, task=task)
        finally:
            self.routing = last
            for module, was in learning:
                module.training = was
        weights = routing.combine_weights().flatten(0, -2).double().cpu().numpy()
        total = weights.sum(axis=1)
        if not total.any():
            raise ValueError(
                f"None of {len(total)} rows gets an expert, so there is no routing to report. Give the layer rows, and "
                "let thresholds of ExpertChoice be learned in training."
            )
        return routing_report(weights[total > 0] / total[total > 0, None])

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "routing": None}  # tensors with a history cannot be copied

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        memo |= {id(group): group for group in (self.dp_group, self.ep_group)}  # processes are not copied
        memo[id(self)] = same = self.__class__.__new__(self.__class__)
        same.__setstate__(copy.deepcopy(self.__getstate__(), memo))
        return same

    def __reduce_ex__(self, protocol: Any) -> Any:
        if self.dp_group is not None or self.ep_group is not None:
            raise TypeError(
                "A MoELayer with dp_group or ep_group cannot be pickled: its processes exist here only. Save "
                "layer.state_dict() and load it into a layer made where it is needed."
            )
        return super().__reduce_ex__(protocol)

    def extra_repr(self) -> str:
        return f"d_in={self.d_in}, d_out={self.d_out}, n_experts={self.n_experts}, impl={self.impl!r}"
