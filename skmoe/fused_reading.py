"""Readings in compiled code, for mixtures whose gates and experts all are linear.

Rows are standardised, sent through the gates and predicted some thousands at a time, straight into the array that the
user gets. Where few experts of many count (``top_k``) the others are not evaluated.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri

from . import kernels
from .fused import routes
from .kernels import codes
from .reading import Reading
from .rows.tiles import tile_rows, unwritable
from .rows.workers import mapped
from .training.restarts import held_to_one_thread

if TYPE_CHECKING:
    from .model import FittedMixture

#: Tiles that are made before they are read, and rows that a worker takes at a time.
_TILES, _PART_ROWS = 4, 32_000
#: Rows that are predicted in the time it takes to hold linear algebra to one thread; products of so few rows are too
#: small for more than one.
_FEW = 100


class FusedReading(Reading):
    """What a fitted mixture says of rows, in compiled code.

    Parameters
    ----------
    fitted : FittedMixture
        One for which `readable` holds.
    X, top_k, n_jobs
        See `skmoe.reading.Reading`.
    """

    def __init__(self, fitted: FittedMixture, X: np.ndarray, top_k: int | None = None, n_jobs: int | None = None):
        super().__init__(fitted, X, top_k, n_jobs)
        self._expert, self._params = fitted.mixture.experts[0].expert, fitted.params.experts[0]

    def prior(self) -> np.ndarray:
        out = np.empty((len(self.X), self.fitted.n_experts))
        mixed = self._mixed(None)
        self._fill(lambda tiles, place: kernels.predict.priors(tiles.gate, mixed, out[place]))
        return out

    def mean(self) -> np.ndarray:
        return self._moments(0)[0]

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        return self._moments(len(self.X))

    def _moments(self, n_variances: int) -> tuple[np.ndarray, np.ndarray]:
        mixed, outputs = self._mixed(self.top_k), self._outputs
        n_outputs = len(outputs.unit)
        mean, variance = np.empty((len(self.X), n_outputs)), np.empty((n_variances, n_outputs))
        self._fill(lambda tiles, at: kernels.predict.moments(tiles, mixed, outputs, mean[at], variance[at]))
        return _seen(mean), _seen(variance)

    def quantiles(self, levels: np.ndarray) -> np.ndarray:
        if self._expert.kernel != codes.GAUSSIAN:
            return super().quantiles(levels)
        mixed, outputs, ends = self._mixed(self.top_k), self._outputs, ndtri(levels)
        out = np.empty((len(self.X), len(levels), len(outputs.unit)))
        self._fill(lambda tiles, place: kernels.predict.quantiles(tiles, mixed, outputs, levels, ends, out[place]))
        return _seen(out)

    def class_proba(self) -> np.ndarray:
        mixed = self._mixed(self.top_k)
        out = np.empty((len(self.X), max(mixed.coef.shape[1], 2)))
        self._fill(lambda tiles, place: kernels.predict.classes(tiles, mixed, out[place]))
        return out

    # -- what rows meet ------------------------------------------------------------------------------------------------

    def _mixed(self, top_k: int | None) -> Any:
        mixture, params = self.fitted.mixture, self.fitted.params
        n_coef, n_experts = len(self.fitted.gate.index) + 1, self.fitted.n_experts
        gate = np.concatenate([gate.coef(p, n_coef) for gate, p in zip(mixture.gates, params.gates, strict=True)])
        coef = np.array(self._expert.predictors(self._params), order="C")
        most = n_experts if top_k is None else min(top_k, n_experts)
        return kernels.predict.Mixed(routes(mixture.tree), gate, coef, most)

    @property
    def _outputs(self) -> Any:
        expert = self._expert
        return kernels.predict.Outputs(expert.kernel, expert.constants(self._params), *expert.units)

    def _fill(self, read: Callable[[Any, slice], None]) -> None:
        """Read all rows: tiles of some of them, and where they stand among all."""
        gate, expert, n_rows = self.fitted.gate, self.fitted.expert, len(self.X)
        n_tile = min(tile_rows(max(len(gate.index), len(expert.index)) + 1), n_rows)

        def part(first: int) -> None:
            last = min(first + _PART_ROWS, n_rows)
            X = unwritable(self.X[first:last])
            for start in range(first, last, _TILES * n_tile):
                place = slice(start, min(start + _TILES * n_tile, last))
                some = X[place.start - first : place.stop - first]
                experts = expert.tiled(some, n_tile)
                gates = experts if gate is expert else gate.tiled(some, n_tile)
                read(kernels.predict.Tiles(gates, experts), place)

        with nullcontext() if n_rows <= _FEW else held_to_one_thread():
            for _ in mapped(part, range(0, n_rows, _PART_ROWS), self.n_jobs):
                pass


def readable(fitted: FittedMixture) -> bool:
    """Whether compiled code knows all blocks of a mixture."""
    mixture, params = fitted.mixture, fitted.params
    return (
        len(mixture.experts) == 1
        and mixture.experts[0].expert.predictors(params.experts[0]) is not None
        and all(gate.linear for gate in mixture.gates)
    )


def _seen(values: np.ndarray) -> np.ndarray:
    """Values with the outputs last; of a single output without them."""
    return values[..., 0] if values.shape[-1] == 1 else values
