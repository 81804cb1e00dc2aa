"""The loop over epochs: batches, steps, and which state is kept."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.distributed import ProcessGroup

from ..collectives import all_sum
from ..network import Inputs, Network
from .averaging import MovingAverage
from .objective import objective
from .settings import Settings

#: A state of the network: its parameters and buffers by name.
State = dict[str, Tensor]


class Rows(NamedTuple):
    """A table on the device of the network: inputs, coded responses, weights divided by their mean."""

    inputs: Inputs
    y: Tensor
    weight: Tensor


class Kept(NamedTuple):
    """The state that a training ends with.

    Attributes
    ----------
    state : dict
        Parameters and buffers by name.
    k : int
        Experts of a row in it.
    epoch : int
        The epoch after which it was the state; 0 is the start.
    score : float or None
        Its validation score, as it was given: not finite where no epoch had a finite one.
    """

    state: State
    k: int
    epoch: int
    score: float | None


class Training:
    """A network, its optimiser, and rows to learn from.

    Parameters
    ----------
    network : Network
        On its device.
    rows : Rows
        On the same device.
    settings : Settings
    generator : Generator
        Source of the order of the rows; on the processor, so that it is the same on all devices.
    group : ProcessGroup or None
        Processes that share the rows of every batch; each has the whole table and takes its part.
    half : bool
        Whether the network, but not its gates, is computed in bfloat16.
    """

    def __init__(
        self,
        network: Network,
        rows: Rows,
        settings: Settings,
        generator: Generator,
        *,
        group: ProcessGroup | None = None,
        half: bool = False,
    ) -> None:
        self.network, self.rows, self.settings, self.generator = network, rows, settings, generator
        self.group, self.half = group, half
        device = rows.weight.device.type
        self.optimizer = torch.optim.AdamW(
            network.parameters(),
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=device in ("cpu", "cuda"),
        )
        self._parameters = list(network.parameters())
        self._average: MovingAverage | None = None

    # -- epochs --------------------------------------------------------------------------------------------------------

    def run(
        self,
        score: Callable[[int, bool], float] | None,
        watch: Callable[[dict[str, Any]], bool],
        *,
        start: int | None = None,
    ) -> Kept:
        """Train for all epochs, or until no better score is found.

        Parameters
        ----------
        start : int or None
            Experts of a row in the state that training starts from, where that state is worth keeping if no epoch does
            better. None: it was drawn by lot.
        score : callable or None
            Validation score of the network as it is, higher is better; told the experts of a row in it, and whether its
            temperature may be changed, which that of the start may not. None validates nothing, and the last state is
            kept.
        watch : callable
            Told of every epoch; True asks to stop.
        """
        if self.settings.averaging:  # from what training begins with
            self._average = MovingAverage(self._parameters, self.settings.averaging * self.settings.n_batches)
        best = self._start(score, start)
        for epoch in range(1, self.settings.n_epochs + 1):
            told = self.epoch(epoch)
            with nullcontext() if self._average is None else self._average.in_place():
                found = self._validated(score, self.settings.k, True)  # sparsely, also in the soft start
                if found is None or best.score is None or _rank(found) > _rank(best.score):
                    best = Kept(self._state(), self.settings.k, epoch, found)
                stop = watch({**told, "validation_score": None if found is None else _rank(found)})
            waited = epoch - max(best.epoch, self.settings.n_soft)
            if stop or (self.settings.patience is not None and waited >= self.settings.patience):
                break
        return best

    def _start(self, score: Callable[[int, bool], float] | None, start: int | None) -> Kept:
        """The state before the first epoch."""
        k = self.settings.k if start is None else start
        return Kept(self._state(), k, 0, None if start is None else self._validated(score, k, False))

    def _validated(self, score: Callable[[int, bool], float] | None, k: int, calibrate: bool) -> float | None:
        """Score of the network as it predicts, with k experts of a row."""
        self.network.choose(k)
        self.network.eval()
        return None if score is None else score(k, calibrate)

    def _state(self) -> State:
        return {name: value.clone() for name, value in self.network.state_dict().items()}

    def epoch(self, number: int) -> dict[str, Any]:
        """One pass over the rows, in an order that is drawn; what there is to tell of it."""
        began = time.perf_counter()
        self.network.train()
        self.network.temperature.fill_(1.0)  # it was that of other parameters
        self.network.choose(self.settings.k_of(number))
        batches = list(self._batches())
        total = 0.0
        for i, batch in enumerate(batches):
            progress = (number - 1 + i / len(batches)) / self.settings.n_epochs
            self._set_rate(self.settings.learning_rate_at(progress))
            total += self._step(batch, number, i + 1)
        return {
            "epoch": number,
            "loss": total / len(batches),
            "k": self.settings.k_of(number),
            "learning_rate": self.optimizer.param_groups[0]["lr"],
            "seconds": time.perf_counter() - began,
        }

    def _batches(self) -> Iterator[Tensor]:
        """Numbers of the rows of each batch, as even in size as can be."""
        n_rows, n_batches = len(self.rows.weight), self.settings.n_batches
        # A full batch is taken in the order of the table.
        order = torch.arange(n_rows) if n_batches == 1 else torch.randperm(n_rows, generator=self.generator)
        yield from order.to(self.rows.weight.device).tensor_split(n_batches)

    def _set_rate(self, rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    # -- steps ---------------------------------------------------------------------------------------------------------

    def _step(self, batch: Tensor, epoch: int, number: int) -> float:
        """One step of the optimiser; the loss before it."""
        if self.group is not None:
            batch = batch[self.group.rank() :: self.group.size()]
        rows = Rows(self.rows.inputs.some(batch), self.rows.y[batch], self.rows.weight[batch])
        self.optimizer.zero_grad(set_to_none=True)
        try:
            with self._precision():
                loss = objective(self.network, *rows, self.settings, epoch, self.group)
        except ValueError as error:
            if "finite" not in str(error):  # not what a gate says of logits that are infinite or NaN
                raise
            # Its own advice is left out: it is given again below.
            raise self._diverged(epoch, number, str(error).split(": expected")[0]) from error
        loss.backward()
        self._average_gradients()
        norm = nn.utils.clip_grad_norm_(self._parameters, self.settings.gradient_clip)
        value = float(loss.detach())
        if not (math.isfinite(value) and math.isfinite(float(norm))):
            raise self._diverged(epoch, number, f"the loss is {value:g}, the norm of its gradient {float(norm):g}")
        self.optimizer.step()
        self.network.update()
        if self._average is not None:
            self._average.follow()
        return value

    def _diverged(self, epoch: int, batch: int, why: str) -> FloatingPointError:
        clip = ", set gradient_clip" if math.isinf(self.settings.gradient_clip) else " or gradient_clip"
        return FloatingPointError(
            f"Training left the numbers in batch {batch} of epoch {epoch}: {why}. What was fitted before this call is "
            f"kept as it was. Lower learning_rate{clip}, or look for columns with extreme values."
        )

    def _precision(self) -> Any:
        if not self.half:
            return nullcontext()
        return torch.autocast(self.rows.weight.device.type, dtype=torch.bfloat16)

    def _average_gradients(self) -> None:
        """Those of all rows of the batch, where processes share it; see `skmoe.neural.collectives.all_sum`."""
        if self.group is None:
            return
        with torch.no_grad():
            for parameter in self._parameters:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
            flat = torch.cat([parameter.grad.reshape(-1) for parameter in self._parameters])  # type: ignore[union-attr]
            flat = all_sum(flat, self.group) / self.group.size()
            parts = flat.split([parameter.numel() for parameter in self._parameters])
            for parameter, part in zip(self._parameters, parts, strict=True):
                parameter.grad = part.view_as(parameter)


def _rank(score: float) -> float:
    """A score that can be compared: one that is not finite is the worst."""
    return score if math.isfinite(score) else -math.inf
