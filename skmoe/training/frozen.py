"""Freezing: parts of a mixture that training leaves as they are, bit by bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..mixture import Mixture, Params, Sums
from ..records import add, ravel, unravel


@dataclass(frozen=True)
class Frozen(Mixture):
    """A mixture of which only some coordinates move.

    Parameters
    ----------
    active : Params
        Like the parameters, True where a coordinate moves.
    """

    active: Any = None

    def gradient(self, params: Params, sums: Sums) -> Params:
        return self._moving(super().gradient(params, sums))

    def precondition(self, params: Params, sums: Sums, vector: Params) -> Params:
        known = zip(self.gates, sums.gates, self.active.gates, strict=True)
        sums = sums._replace(gates=tuple(gate.decoupled(part, active) for gate, part, active in known))
        return self._moving(super().precondition(params, sums, self._moving(vector)))

    def m_step(self, params: Params, sums: Sums) -> Params:
        """M-steps where all may move, and of experts; a gate of which a part moves takes one Newton step along it."""
        whole = super().m_step(params, sums)
        part = add(params.gates, self.precondition(params, sums, self.gradient(params, sums)).gates)
        free = (ravel(active).all() for active in self.active.gates)
        gates = tuple(w if f else p for w, p, f in zip(whole.gates, part, free, strict=True))
        return self.chosen(Params(gates, whole.experts), params)

    def _moving(self, vector: Params) -> Params:
        return self.chosen(vector, unravel(vector, np.zeros(ravel(vector).size)))

    def chosen(self, moving: Params, still: Params) -> Params:
        """Coordinates of one record where they move, of the other where they do not."""
        where: Params = unravel(still, np.where(ravel(self.active), ravel(moving), ravel(still)))
        return where


def all_of(params: Any, value: bool) -> Any:
    """A record like the parameters that holds one truth everywhere."""
    return unravel(params, np.full(ravel(params).size, value))


def of_experts(mixture: Mixture, params: Params, leaves: np.ndarray) -> Params:
    """The coordinates of some experts, and of no gate."""
    experts = tuple(
        type(block)(*(np.broadcast_to(_tall(np.isin(index, leaves), array), array.shape) for array in block))
        for (_, index), block in zip(mixture.experts, params.experts, strict=True)
    )
    return Params(all_of(params.gates, False), experts)


def experts_that_move(mixture: Any) -> np.ndarray:
    """Numbers of the experts of a frozen mixture of which some coordinate moves."""
    blocks = zip(mixture.experts, mixture.active.experts, strict=True)
    return np.sort(np.concatenate([index[np.any(_flat(block), axis=1)] for (_, index), block in blocks]))


def _flat(block: Any) -> np.ndarray:
    """The coordinates of a block as one row an expert."""
    return np.concatenate([array.reshape(len(array), -1) for array in block], axis=1)


def _tall(flags: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Flags of experts (n_experts,) with as many axes as an array of their parameters."""
    return flags.reshape(-1, *(1,) * (like.ndim - 1))
