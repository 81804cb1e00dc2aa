"""The loop over epochs: batches, steps, and which state is kept."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor

from .averaging import MovingAverage
from .captured import CapturedStep, Recorder
from .outcomes import Outcomes
from .step import Step

#: A state of the network: its parameters and buffers by name.
State = dict[str, Tensor]


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
    """Steps for batches of the rows, epoch after epoch.

    Parameters
    ----------
    step : Step
        Of the network and rows.
    generator : Generator
        Source of the order of the rows; on the processor, so that it is the same on all devices.
    recorder : Recorder or None
        What captures steps.
    """

    def __init__(self, step: Step, generator: Generator, recorder: Recorder | None = None) -> None:
        self.step, self.network, self.settings, self.generator = step, step.network, step.settings, generator
        self._take: Callable[[Tensor], Tensor] = step if recorder is None else CapturedStep(step, recorder)
        self._average: MovingAverage | None = None

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
            self._average = MovingAverage(self.step.parameters, self.settings.averaging * self.settings.n_batches)
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

    def close(self) -> None:
        """Let go of graphs, which hold memory of the device."""
        self._take = self.step

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
        self.step.begin(number)
        outcomes = Outcomes(number, self.settings.gradient_clip, together=self._take is not self.step)
        batches = list(self._batches())
        rate = 0.0
        for i, batch in enumerate(batches):
            rate = self.settings.learning_rate_at((number - 1 + i / len(batches)) / self.settings.n_epochs)
            self.step.set_rate(rate)
            with outcomes.step():
                outcomes.add(self._take(batch))
            if self._average is not None:
                self._average.follow()
        outcomes.read()
        return {
            "epoch": number,
            "loss": sum(outcomes.losses) / len(batches),
            "k": self.settings.k_of(number),
            "learning_rate": rate,
            "seconds": time.perf_counter() - began,
        }

    def _batches(self) -> Iterator[Tensor]:
        """Numbers of the rows of each batch, as even in size as can be."""
        n_rows, n_batches = len(self.step.rows.weight), self.settings.n_batches
        if n_batches == 1:  # in the order of the table
            order = torch.arange(n_rows, device="cpu")
        else:
            order = torch.randperm(n_rows, generator=self.generator, device="cpu")
        yield from order.to(self.step.device).tensor_split(n_batches)


def _rank(score: float) -> float:
    """A score that can be compared: one that is not finite is the worst."""
    return score if math.isfinite(score) else -math.inf
