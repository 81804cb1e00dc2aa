"""A trained network with what turns a user's table into its inputs: all that predicting needs, without torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from ..rows.design import Standardizer
from .architecture import Architecture
from .fitting.settings import Encoded, Moments
from .forward.network import Gated, NumpyNetwork, Read
from .raw_columns import RawColumns
from .table import Table, TableEncoder


class Reader(Protocol):
    """Who computes with a network: NumPy or torch."""

    @property
    def temperature(self) -> float:
        """How sure the network is to be of what it says."""

    def read(self, table: Table, lines: np.ndarray | None = None) -> Read:
        """What the head says of rows."""

    def gated(self, table: Table, block: int, lines: np.ndarray | None = None) -> Gated:
        """What the gate of a block says of rows."""


@dataclass(frozen=True)
class Encoding:
    """How a table and its responses become what the network is trained on.

    Attributes
    ----------
    encoder : TableEncoder
    lines : Standardizer or None
        Units of the columns that a carried mixture sees.
    center, unit : ndarray of shape (n_outputs,)
        Of responses; 0 and 1 for classes.
    row_weight : float
        Mean weight of the rows of the fit, or of the first batch: what a row of weight 1 weighs in training.
    """

    encoder: TableEncoder
    lines: Standardizer | None
    center: np.ndarray
    unit: np.ndarray
    row_weight: float

    def inputs(self, raw: RawColumns, dtype: Any) -> tuple[Table, np.ndarray | None]:
        """The table of some rows, and the columns that a carried mixture sees."""
        table = self.encoder.encoded(raw, dtype)
        if self.lines is None:
            return table, None
        return table, replace(self.encoder, units=self.lines).standardized(raw).astype(dtype)

    def weighing(self, weight: np.ndarray) -> Encoding:
        """The same for rows of other weights."""
        return replace(self, row_weight=float(weight.mean()))

    def rows(self, raw: RawColumns, coded: np.ndarray, weight: np.ndarray, dtype: Any) -> Encoded:
        """Rows to train on: ``coded`` are numbers of classes (n_rows,), or responses (n_rows, n_outputs)."""
        y = coded if coded.ndim == 1 else (coded - self.center) / self.unit
        return Encoded(*self.inputs(raw, dtype), y, weight / self.row_weight)


@dataclass(frozen=True)
class FittedNetwork:
    """A trained network.

    Attributes
    ----------
    encoding : Encoding
    architecture : Architecture
    arrays : dict of ndarray
        Parameters and buffers by name.
    k : int
        Experts of a row.
    moments : Moments or None
        Where its optimiser stood, to go on from.
    reader : Reader or None
        Who reads it in the place of NumPy, while it is trained.
    """

    encoding: Encoding
    architecture: Architecture
    arrays: dict[str, np.ndarray]
    k: int
    moments: Moments | None = None
    reader: Reader | None = None

    @property
    def temperature(self) -> float:
        """How sure the network is to be of what it says, see `skmoe.neural.calibration`."""
        return float(self.arrays["temperature"]) if self.reader is None else self.reader.temperature

    def read(self, raw: RawColumns) -> Read:
        """What the head says of rows, in the precision of the table."""
        return self._reader(raw).read(*self._inputs(raw))

    def gated(self, raw: RawColumns, block: int) -> Gated:
        """What the gate of a block says of rows."""
        table, lines = self._inputs(raw)
        return self._reader(raw).gated(table, block, lines)

    def pruned(self, k: int) -> FittedNetwork:
        """The same with fewer experts a row."""
        rules = tuple(None if rule is None else replace(rule, k=k) for rule in self.architecture.rules)
        return replace(self, architecture=replace(self.architecture, rules=rules), k=k)

    def _inputs(self, raw: RawColumns) -> tuple[Table, np.ndarray | None]:
        return self.encoding.inputs(raw, _dtype(raw))

    def _reader(self, raw: RawColumns) -> Reader:
        if self.reader is not None:
            return self.reader
        arrays = {name: a.astype(_dtype(raw)) if a.dtype.kind == "f" else a for name, a in self.arrays.items()}
        return NumpyNetwork(self.architecture, arrays)


def _dtype(raw: RawColumns) -> Any:
    return raw.numbers.dtype if raw.numbers.shape[1] else np.dtype(np.float64)
