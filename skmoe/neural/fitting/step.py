"""One step of the optimiser: the loss of a batch, its gradient, and what both change."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.distributed import ProcessGroup

from ..collectives import all_sum
from ..network import Inputs, Network
from .objective import objective
from .settings import Settings


class Rows(NamedTuple):
    """A table on the device of the network: inputs, coded responses, weights divided by their mean."""

    inputs: Inputs
    y: Tensor
    weight: Tensor


class Step:
    """A step of AdamW for the rows of a batch.

    It reads nothing on the host: what changes from step to step, `rate` and the weight of the entropy, are scalars on
    the device, so that a step that was captured can be replayed.

    Parameters
    ----------
    network : Network
        On its device.
    rows : Rows
        On the same device.
    settings : Settings
    group : ProcessGroup or None
        Processes that share the rows of every batch; each has the whole table and takes its part.
    half : bool
        Whether the network, but not its gates, is computed in bfloat16.
    """

    def __init__(
        self, network: Network, rows: Rows, settings: Settings, *, group: ProcessGroup | None = None, half: bool = False
    ) -> None:
        self.network, self.rows, self.settings = network, rows, settings
        self.group, self.half, self.k = group, half, settings.k
        self.parameters = list(network.parameters())
        self.device = rows.weight.device
        self.fused = self.device.type in ("cpu", "cuda")
        self.optimizer = torch.optim.AdamW(
            self.parameters,
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=self.fused,
            capturable=self.device.type == "cuda",
        )
        # Fused kernels read a rate where it lies: on the processor in double, on CUDA in single precision.
        dtype = torch.float64 if self.device.type == "cpu" else torch.float32
        self._rate = torch.zeros((), dtype=dtype, device=self.device) if self.fused else None
        self._entropy = torch.zeros((), dtype=rows.weight.dtype, device=self.device)
        self._soft = False

    def begin(self, epoch: int) -> None:
        """From now on steps are those of an epoch, counted from 1."""
        self.network.train()
        self.network.temperature.fill_(1.0)  # it was that of other parameters
        self.k, entropy = self.settings.k_of(epoch), self.settings.entropy_at(epoch)
        self.network.choose(self.k)
        self._soft = entropy > 0
        self._entropy.fill_(entropy)

    def set_rate(self, rate: float) -> None:
        """Set the learning rate of the steps that follow."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate if self._rate is None else self._rate.fill_(rate)

    def __call__(self, batch: Tensor) -> Tensor:
        """Make a step.

        Parameters
        ----------
        batch : Tensor of shape (n_rows,), int64
            Numbers of the rows, on the device.

        Returns
        -------
        Tensor of shape (2,)
            The loss before the step, and the norm of its gradient.
        """
        if self.group is not None:
            batch = batch[self.group.rank() :: self.group.size()]
        rows = Rows(self.rows.inputs.some(batch), self.rows.y[batch], self.rows.weight[batch])
        self.optimizer.zero_grad(set_to_none=True)
        with self._precision():
            loss = objective(self.network, *rows, self.settings, self._entropy if self._soft else None, self.group)
        loss.backward()
        self._average_gradients()
        norm = nn.utils.clip_grad_norm_(self.parameters, self.settings.gradient_clip)
        self.optimizer.step()
        self.network.update()
        for layer in self.network.layers:
            layer.routing = None  # which holds the graph of the batch
        return torch.stack([loss.detach(), norm.to(loss.dtype)])

    def _precision(self) -> torch.autocast:
        """Half precision, without a cache: it would be kept from step to step where somebody else has autocast on."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.half, cache_enabled=False)

    def _average_gradients(self) -> None:
        """Those of all rows of the batch, where processes share it; see `skmoe.neural.collectives.all_sum`."""
        if self.group is None:
            return
        with torch.no_grad():
            for parameter in self.parameters:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
            flat = torch.cat([parameter.grad.reshape(-1) for parameter in self.parameters])  # type: ignore[union-attr]
            flat = all_sum(flat, self.group) / self.group.size()
            parts = flat.split([parameter.numel() for parameter in self.parameters])
            for parameter, part in zip(self.parameters, parts, strict=True):
                parameter.grad = part.view_as(parameter)
