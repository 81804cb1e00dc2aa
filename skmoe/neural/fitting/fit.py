"""From rows to a trained network, as arrays: where the torch side of the estimators begins and ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributed import ProcessGroup

from ..architecture import Architecture
from ..carried import CarriedMixture
from ..devices import asked
from ..fitted import FittedNetwork
from ..network import Network
from ..torch_network import TorchNetwork, arrays_of, inputs
from .captured import recorder_of
from .processes import processes
from .records import router_records
from .settings import Encoded, Moments, Settings
from .step import Rows, Step
from .training import Kept, Training


@dataclass(frozen=True)
class Plan:
    """What a network is made of and how it is trained.

    Attributes
    ----------
    architecture : Architecture
    edges : sequence of ndarray
        Edges of the bins of the columns of numbers.
    settings : Settings
    router : str or Router
    capacity_factor : float or None
    device : torch.device
    precision : {"float32", "float64", "bfloat16"}
    seed : int
    """

    architecture: Architecture
    edges: Sequence[np.ndarray]
    settings: Settings
    router: Any
    capacity_factor: float | None
    device: torch.device
    precision: str
    seed: int

    @property
    def dtype(self) -> torch.dtype:
        """Of parameters."""
        return torch.float64 if self.precision == "float64" else torch.float32

    def network(self, group: ProcessGroup | None = None) -> tuple[Network, torch.Generator]:
        """The network as it is drawn, and the generator that drew it."""
        generator = torch.Generator().manual_seed(self.seed)
        records = router_records(self.router, self.settings.k, self.capacity_factor)
        with _usual_defaults():
            network = Network(self.architecture, self.edges, *records, generator, group)
        return network.to(self.device, self.dtype), generator


@dataclass(frozen=True)
class Beginning:
    """Where training begins, if not with parameters drawn by lot.

    Attributes
    ----------
    arrays : dict of ndarray or None
        Of a network of the same architecture, to go on from.
    moments : Moments or None
        Where its optimiser stood.
    mixture : CarriedMixture or None
        A fitted mixture to carry over, for responses of ``center`` and ``unit``.
    """

    arrays: dict[str, np.ndarray] | None = None
    moments: Moments | None = None
    mixture: CarriedMixture | None = None
    center: np.ndarray | None = None
    unit: np.ndarray | None = None


@dataclass(frozen=True)
class Trained:
    """A trained network as arrays.

    Attributes
    ----------
    architecture : Architecture
        With the rules of its gates.
    arrays : dict of ndarray
    moments : Moments
    epoch, k : int
        The epoch that was kept, 0 for the start, and its experts of a row.
    score : float or None
        Validation score of that epoch.
    """

    architecture: Architecture
    arrays: dict[str, np.ndarray]
    moments: Moments
    epoch: int
    k: int
    score: float | None
    n_parameters: int


def train(
    plan: Plan,
    rows: Encoded,
    begin: Beginning,
    score: Callable[[TorchNetwork, int, bool], float] | None,
    watch: Callable[[dict[str, Any], TorchNetwork], bool],
) -> Trained:
    """Train a network.

    Parameters
    ----------
    plan : Plan
    rows : Encoded
        To learn from.
    begin : Beginning
    score : callable or None
        Validates; told who reads the network, the experts of a row in it, and whether its temperature may be changed.
    watch : callable
        Told of every epoch, and asked whether to stop.
    """
    group = processes()
    # Whatever the caller has switched off or on.
    with torch.inference_mode(False), torch.enable_grad(), torch.autocast(plan.device.type, enabled=False):
        network, generator = plan.network(group)
        half = plan.precision == "bfloat16"
        step = Step(network, _rows(rows, plan), plan.settings, group=group, half=half)
        start = _begin(step, begin)
        training = Training(step, generator, recorder_of(step))
        reader = TorchNetwork(network)
        scored = None if score is None else partial(score, reader)
        with closing(training):
            kept = training.run(scored, lambda told: watch(told, reader), start=start)
        return _trained(step, kept)


def _begin(step: Step, begin: Beginning) -> int | None:
    """Experts of a row in the state that training begins with, None where it was drawn by lot."""
    network = step.network
    if begin.arrays is not None:
        try:
            network.load_state_dict({name: torch.from_numpy(value) for name, value in begin.arrays.items()})
        except RuntimeError as error:  # of the same architecture: it is the gates that have other parameters
            raise ValueError(
                "router was changed since the last fit to one whose gates have other parameters. Set it back, or fit "
                "anew with warm_start=False."
            ) from error
        if begin.moments is not None:
            _set_moments(step, begin.moments)
        return step.settings.k
    if begin.mixture is None:
        return None
    assert begin.center is not None
    assert begin.unit is not None
    network.carry(begin.mixture, begin.center, begin.unit)
    return network.architecture.n_experts


def _rows(encoded: Encoded, plan: Plan) -> Rows:
    """The whole table on the device."""
    like = torch.empty(0, dtype=plan.dtype, device=plan.device)
    y = torch.from_numpy(encoded.y)
    y = y.to(plan.device) if y.dtype == torch.int64 else y.to(like)
    return Rows(inputs(encoded.table, encoded.lines, like), y, torch.from_numpy(encoded.weight).to(like))


def _trained(step: Step, kept: Kept) -> Trained:
    network = step.network
    network.load_state_dict(kept.state)
    network.stand_in(step.rows.inputs, step.rows.weight)
    network.choose(kept.k)
    architecture = replace(network.architecture, rules=network.rules)
    n_parameters = sum(parameter.numel() for parameter in network.parameters())
    return Trained(
        architecture, arrays_of(network.state_dict()), _moments(step), kept.epoch, kept.k, kept.score, n_parameters
    )


# -- where the optimiser stands ----------------------------------------------------------------------------------------


def _moments(step: Step) -> Moments:
    first: dict[str, Tensor] = {}
    second: dict[str, Tensor] = {}
    n_steps = 0
    for name, parameter in step.network.named_parameters():
        state = step.optimizer.state.get(parameter)
        if state:
            first[name], second[name] = state["exp_avg"], state["exp_avg_sq"]
            n_steps = int(state["step"])
    return Moments(n_steps, arrays_of(first), arrays_of(second))


def _set_moments(step: Step, moments: Moments) -> None:
    device = step.device if step.fused else "cpu"
    n_steps = torch.full((), float(moments.n_steps), dtype=torch.float32, device=device)
    for name, parameter in step.network.named_parameters():
        if name in moments.first:
            step.optimizer.state[parameter] = {
                "step": n_steps.clone(),
                "exp_avg": torch.from_numpy(moments.first[name]).clone().to(parameter),
                "exp_avg_sq": torch.from_numpy(moments.second[name]).clone().to(parameter),
            }


# -- devices and readers -----------------------------------------------------------------------------------------------


def device_of(name: Any) -> torch.device:
    """The device of a name; "auto" is a GPU where there is one.

    Raises
    ------
    ValueError
        Where it is not on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    # Back again, for there is a device on which no numbers are: "meta".
    asked(lambda probe: probe.to(name).cpu(), torch.empty(0, device="cpu"), f"device={str(name)!r}")
    return torch.empty(0, device=name).device


@contextmanager
def _usual_defaults() -> Iterator[None]:
    """Numbers are drawn in single precision on the processor, whatever the caller has for defaults."""
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        with torch.device("cpu"):
            yield
    finally:
        torch.set_default_dtype(default)


def reader(fitted: FittedNetwork, router: Any, device: torch.device) -> TorchNetwork:
    """Who reads a fitted network on a device: in double precision on the processor, in single precision elsewhere."""
    a = fitted.architecture
    if fitted.k < a.n_experts and router == "soft":
        router = "topk"  # pruned
    records = router_records(router, fitted.k, None)
    with _usual_defaults():
        network = Network(a, fitted.encoding.encoder.edges, *records)
    network = network.to(torch.float64 if device.type == "cpu" else torch.float32)
    network.load_state_dict({name: torch.from_numpy(value) for name, value in fitted.arrays.items()})
    network.choose(fitted.k)
    return TorchNetwork(network.to(device).eval())
