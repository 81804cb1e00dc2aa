"""The door to torch: loaded when an estimator trains, or predicts on a device."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any, NamedTuple

from .architecture import Architecture, checked_widths
from .fitted import Encoding, FittedNetwork
from .fitting.settings import Encoded, Settings
from .watching import Watch


class Outcome(NamedTuple):
    """What training ended with."""

    network: FittedNetwork
    epoch: int
    score: float | None
    n_parameters: int


@dataclass(frozen=True)
class TorchSide:
    """torch, and a device.

    Attributes
    ----------
    fit : module
        `skmoe.neural.fitting.fit`.
    device : torch.device
    """

    fit: Any
    device: Any

    def trained(
        self,
        estimator: Any,
        encoding: Encoding,
        settings: Settings,
        rows: Encoded,
        previous: FittedNetwork | None,
        score: Any,
        watch: Watch,
        *,
        precision: str,
        seed: int,
    ) -> Outcome:
        """Train the network of an estimator."""
        plan = self.fit.Plan(
            architecture=_architecture(estimator, encoding, settings),
            edges=encoding.encoder.edges,
            settings=settings,
            router=estimator.router,
            capacity_factor=estimator.capacity_factor,
            device=self.device,
            precision=precision,
            seed=seed,
        )
        done = self.fit.train(plan, rows, self._beginning(estimator, encoding, plan, previous), score, watch)
        network = FittedNetwork(encoding, done.architecture, done.arrays, done.k, done.moments)
        return Outcome(network, done.epoch, done.score, done.n_parameters)

    def _beginning(self, estimator: Any, encoding: Encoding, plan: Any, previous: FittedNetwork | None) -> Any:
        if previous is not None:
            if previous.architecture.as_dict() != plan.architecture.as_dict():
                differing = _differing(previous.architecture, plan.architecture)
                raise ValueError(
                    f"{differing} since the last fit, so its parameters do not fit the network any more. Set it back, "
                    "or fit anew with warm_start=False."
                )
            return self.fit.Beginning(previous.arrays, previous.moments)
        if estimator.init is None:
            return self.fit.Beginning()
        return self.fit.Beginning(mixture=estimator._carried(), center=encoding.center, unit=encoding.unit)

    def reader(self, network: FittedNetwork, estimator: Any) -> Any:
        """Who reads a fitted network with torch."""
        return self.fit.reader(network, estimator.router, self.device)


def on_torch(estimator: Any) -> TorchSide:
    """torch and the device of an estimator.

    Raises
    ------
    ImportError
        Where torch is not installed.
    ValueError
        Where the device is not on this machine.
    """
    try:
        fit = import_module(f"{__package__}.fitting.fit")
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ImportError(
            f"{type(estimator).__name__} needs torch to be trained, and torch is not installed: pip install "
            '"skmoe[neural]". Fitted estimators predict without it.',
            name="torch",
        ) from error
    return TorchSide(fit, fit.device_of(estimator.device))


def _architecture(estimator: Any, encoding: Encoding, settings: Settings) -> Architecture:
    carried = None if estimator.init is None else estimator._carried()
    floor = 1e-3
    if carried is not None and carried.experts.scale is not None:
        floor = min(floor, float((carried.experts.scale / encoding.unit).min()))
    return Architecture(
        n_numbers=len(encoding.encoder.scores),
        n_codes=encoding.encoder.n_codes,
        embedding=estimator.embedding,
        d_embedding=estimator.d_embedding,
        n_frequencies=estimator.n_frequencies,
        width=estimator.width,
        n_blocks=estimator.n_blocks,
        n_experts=settings.n_experts,
        n_members=estimator.n_members,
        hidden=checked_widths(estimator.hidden),
        activation=estimator.activation,
        scale_floor=floor,
        carried=None if carried is None else carried.tree,
        **estimator._head(),
    )


def _differing(before: Architecture, now: Architecture) -> str:
    """Which parts of two architectures differ."""
    old, new = before.as_dict(), now.as_dict()
    if old["carried"] != new["carried"]:
        return "init went from a mixture to another, or to or from None,"
    parts = [f"{name} went from {old[name]!r} to {new[name]!r}" for name in old if old[name] != new[name]]
    return ", ".join(parts)
