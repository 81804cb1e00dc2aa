"""The network read by torch: while it is trained, and for predictions on a GPU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from .fitted import Encoding, FittedNetwork
from .forward.network import Gated, Read
from .network import Inputs, Network
from .table import Table

#: Rows computed together.
_BLOCK_ROWS = 4096


def inputs(table: Table, lines: np.ndarray | None, like: Tensor) -> Inputs:
    """Rows as the network takes them, of the type of a tensor and where it is."""
    numbers = torch.from_numpy(table.numbers).to(like)
    codes = torch.from_numpy(table.codes).to(like.device)
    return Inputs(numbers, codes, None if lines is None else torch.from_numpy(lines).to(like))


class TorchNetwork:
    """Reads a network as `skmoe.neural.forward.network.NumpyNetwork` does, with torch and where the network is.

    Parameters
    ----------
    network : Network
    """

    def __init__(self, network: Network) -> None:
        self.network, self.architecture = network, network.architecture

    @property
    def temperature(self) -> float:
        """How sure the network is to be of what it says."""
        return float(self.network.temperature)

    @temperature.setter
    def temperature(self, value: float) -> None:
        self.network.temperature.fill_(value)

    @torch.no_grad()
    def read(self, table: Table, lines: np.ndarray | None = None) -> Read:
        """What the head says of rows."""
        with self._as_it_is():
            parts = [self._read(rows) for rows in self._blocks(table, lines)]
        return Read(*_joined(parts, table))

    @torch.no_grad()
    def gated(self, table: Table, block: int, lines: np.ndarray | None = None) -> Gated:
        """What the gate of a block says of rows; the head is the last."""
        with self._as_it_is():
            parts = [self._gated(rows, block) for rows in self._blocks(table, lines)]
        return Gated(*_joined(parts, table))

    def fitted(self, encoding: Encoding, k: int) -> FittedNetwork:
        """The network as it is now, as arrays."""
        architecture = replace(self.architecture, rules=self.network.rules)
        return FittedNetwork(encoding, architecture, arrays_of(self.network.state_dict()), k)

    def _as_it_is(self) -> torch.autocast:
        """At predict, and in its own precision, whatever the caller has on."""
        self.network.eval()
        return torch.autocast(self.network.members.device.type, enabled=False)

    def _blocks(self, table: Table, lines: np.ndarray | None) -> list[Inputs]:
        rows = inputs(table, lines, self.network.members)
        firsts = range(0, max(len(table.numbers), 1), _BLOCK_ROWS)
        return [rows.some(slice(first, first + _BLOCK_ROWS)) for first in firsts]

    def _read(self, rows: Inputs) -> tuple[np.ndarray, np.ndarray]:
        routing, answers = self.network(rows)
        by_member = (-1, self.architecture.n_members)
        return _array(routing.log_weights().unflatten(0, by_member)), _array(answers.unflatten(0, by_member))

    def _gated(self, rows: Inputs, block: int) -> tuple[np.ndarray, np.ndarray]:
        self.network(rows)
        routing = self.network.layers[block].routing
        assert routing is not None
        weights = routing.combine_weights()
        weights = weights / weights.sum(-1, keepdim=True)
        by_member = (-1, self.architecture.n_members)
        return _array(routing.probs.unflatten(0, by_member)), _array(weights.unflatten(0, by_member))


def _joined(parts: list[tuple[np.ndarray, np.ndarray]], table: Table) -> Iterator[np.ndarray]:
    """What was read of the blocks of a table, in its precision."""
    return (np.concatenate(values).astype(table.numbers.dtype, copy=False) for values in zip(*parts, strict=True))


def arrays_of(state: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """Parameters and buffers by name, in host memory."""
    return {name: np.array(_array(value)) for name, value in state.items()}


def _array(values: Tensor) -> np.ndarray:
    array: np.ndarray = values.detach().cpu().numpy()
    return array
