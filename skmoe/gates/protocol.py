"""The gate protocol: prior probabilities of the branches of one node, given x."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, NamedTuple

import numpy as np

from ..block import Block
from ..rows.design import Design, Standardizer


class GateForward(NamedTuple):
    """Log probabilities of the branches, (n_branches, n_rows) or (n_branches, 1), and what gather needs again."""

    log_prob: np.ndarray
    cache: Any


class Gate(Block):
    """A gate: log probabilities of the branches of a node, and sums of what moves them."""

    @abstractmethod
    def start(self, n_branches: int, n_coef: int) -> Any:
        """Parameters that send every row to every branch alike."""

    @abstractmethod
    def forward(self, params: Any, design: Design) -> GateForward:
        """Evaluate the rows."""

    @abstractmethod
    def gather(self, params: Any, design: Design, mass: np.ndarray, cache: Any, *, information: bool = True) -> Any:
        """Sums over rows with ``mass`` (n_branches, n_rows) in each branch."""

    @abstractmethod
    def coef(self, params: Any, n_coef: int) -> np.ndarray:
        """Coefficients (n_branches, n_coef) on the design, summing to zero over the branches."""

    @abstractmethod
    def given(self, coef: np.ndarray) -> Any:
        """Parameters of coefficients (n_branches, n_coef) on the design: the inverse of `coef`."""

    def decoupled(self, sums: Any, active: Any) -> Any:
        """Sums whose information does not couple coordinates that move with coordinates that do not.

        Solving with it is then solving with the principal submatrix of what moves.
        """
        return sums

    @abstractmethod
    def extended(self, params: Any) -> Any:
        """Parameters of the gate with one branch more, the last; the odds among the others are what they were."""

    @abstractmethod
    def extension(self, params: Any) -> Any:
        """A record like `extended`, True where it is new."""

    @abstractmethod
    def permuted(self, params: Any, order: np.ndarray) -> Any:
        """The same gate with its branches in another order."""

    def restandardized(self, params: Any, old: Standardizer, new: Standardizer) -> Any:
        """The same gate on columns in other units; a gate that ignores x stays as it is."""
        return params
