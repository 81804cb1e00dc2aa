"""Steps that are captured as CUDA graphs and replayed: one launch in the place of hundreds."""

from __future__ import annotations

import gc
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import NamedTuple, Protocol

import torch
from sklearn.exceptions import EfficiencyWarning
from torch import Tensor

from ..capturing import capturing
from .step import Step

#: Steps of a kind that are taken before one is captured. They make what is made at the first time alone: the moments of
#: the optimiser, handles and workspaces of libraries. Three as in torch's own example of captured training.
_N_BEFORE = 3

#: Multiplications for experts that rows do not go to, in a forward pass, up to which all experts are computed for the
#: sake of a static shape. An estimate, not measured on a GPU: three times 1e10 take a millisecond at the 67 TFLOP/s of
#: an H200's data sheet, and launching the 330 kernels of a default step one by one takes longer.
_SPARE_PRODUCTS = 1e10


class Recorder(Protocol):
    """What captures, and where steps are taken before."""

    def aside(self) -> AbstractContextManager[None]:
        """Where steps are taken before one is captured."""

    def capture(self, run: Callable[[], None]) -> Callable[[], None]:
        """Capture what a function does on the device, without doing it; what replays it."""


class CudaGraphs:
    """Captures CUDA graphs, which share their memory: one at a time is replayed, and nothing is kept in between.

    `torch.cuda.graph` would do it too, but waits for the whole device and empties all caches first, which disturbs who
    captures in another thread, and leaves its stream to the user where a capture fails.
    """

    def __init__(self, device: torch.device) -> None:
        self._stream, self._pool = _stream_aside(device, threading.get_ident()), torch.cuda.graph_pool_handle()
        self._device = device

    @contextmanager
    def aside(self) -> Iterator[None]:
        here = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(here)
        try:
            with torch.cuda.stream(self._stream):
                yield
        finally:
            here.wait_stream(self._stream)

    def capture(self, run: Callable[[], None]) -> Callable[[], None]:
        graph = torch.cuda.CUDAGraph()
        with _CAPTURES, _no_garbage_collected(), self.aside():
            # Other threads may allocate meanwhile.
            graph.capture_begin(self._pool, capture_error_mode="thread_local")
            try:
                run()
            finally:
                graph.capture_end()
        replay: Callable[[], None] = graph.replay
        return replay


#: A process captures one graph at a time (torch.cuda.graphs).
_CAPTURES = threading.Lock()


@cache
def _stream_aside(device: torch.device, thread: int) -> torch.cuda.Stream:
    """One for all fits of a thread: libraries keep workspaces for every stream they have seen."""
    return torch.cuda.Stream(device)


@contextmanager
def _no_garbage_collected() -> Iterator[None]:
    """Garbage may hold older graphs, and destroying one ends the capture of another."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def recorder_of(step: Step) -> Recorder | None:
    """What captures steps; None without CUDA, where processes share rows, or a gate draws or looks for its rows."""
    gates = [layer.router for layer in step.network.layers]
    if step.device.type != "cuda" or step.group is not None or not all(gate.capturable for gate in gates):
        return None
    return CudaGraphs(step.device)


class _Kind(NamedTuple):
    """What captured steps have in common: experts of a row, and rows."""

    k: int
    n_rows: int


class _Captured(NamedTuple):
    """A captured step: where it reads the numbers of its rows, where it leaves its outcome, and what replays it."""

    batch: Tensor
    outcome: Tensor
    replay: Callable[[], None]


class CapturedStep:
    """`Step`, captured for every number of rows and experts of a row, and replayed.

    Small networks are computed faster than their kernels can be launched one by one. A graph of them is launched at
    once (PyTorch documentation, https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs).

    Parameters
    ----------
    step : Step
    recorder : Recorder
    """

    def __init__(self, step: Step, recorder: Recorder) -> None:
        self._step, self._recorder = step, recorder
        self._n_taken: Counter[_Kind] = Counter()
        self._captured: dict[_Kind, _Captured] = {}
        self._refused = False

    def __call__(self, batch: Tensor) -> Tensor:
        """Make a step; see `Step`."""
        kind = _Kind(self._step.k, len(batch))
        if self._refused or self._spare_products(kind) > _SPARE_PRODUCTS:
            return self._step(batch)
        if self._n_taken[kind] < _N_BEFORE:
            self._n_taken[kind] += 1
            with capturing(), self._recorder.aside():
                return self._step(batch)
        captured = self._captured.get(kind) or self._capture(kind, batch)
        if captured is None:
            return self._step(batch)
        captured.batch.copy_(batch)
        captured.replay()
        return captured.outcome.clone()

    def _spare_products(self, kind: _Kind) -> float:
        network = self._step.network
        n_rows = kind.n_rows * network.architecture.n_members
        return sum(n_rows * (layer.n_experts - kind.k) * layer.experts.products for layer in network.layers)

    def _capture(self, kind: _Kind, batch: Tensor) -> _Captured | None:
        """Capture a step, which computes nothing; None where that fails, and steps go on as they were."""
        held, outcomes = batch.clone(), []
        try:
            with capturing():
                replay = self._recorder.capture(lambda: outcomes.append(self._step(held)))
        except RuntimeError as error:
            self._refused = True
            # What ended the capture comes before what is said at its end.
            reason = str(error.__context__ or error).partition("\n")[0]
            warnings.warn(
                f"Steps are slower than they could be: capturing one as a CUDA graph failed ({reason}).",
                EfficiencyWarning,
                stacklevel=2,
            )
            return None
        self._captured[kind] = _Captured(held, outcomes[0], replay)
        return self._captured[kind]
