"""The gate protocol: prior probabilities of the branches of one node, given x."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..block import Block, Gathered
from ..kernels import codes
from ..rows.design import Design, Standardizer
from ..rows.source import Rows
from ..tree import Tree


class GateForward(NamedTuple):
    """Log probabilities of the branches given x, (n_branches, n_rows) or (n_branches, 1), what gather needs again, and
    the log density of x itself, (n_rows,), where the gate models it: training then counts the joint density of both."""

    log_prob: np.ndarray
    cache: Any
    log_marginal: np.ndarray | float = 0.0

    @property
    def log_joint(self) -> np.ndarray:
        """Log of the probability of each branch times the density of x."""
        return self.log_prob + self.log_marginal


class Moments(NamedTuple):
    """What a gate that models x says of the branches: means (n_branches, n_columns) and covariances (n_branches,
    n_columns, n_columns) of the standardised columns, and mixing weights (n_branches,)."""

    mean: np.ndarray
    covariance: np.ndarray
    weight: np.ndarray


class Gate(Block):
    """A gate: log probabilities of the branches of a node, and sums of what moves them.

    Attributes
    ----------
    linear : bool
        Whether training sees no more than the softmax of linear predictors, so that passes can be fused (see
        `skmoe.fused`): the gate then has `coef`, `wanted` and `condensed`.
    dense : bool
        Whether the gate works on the columns themselves, beyond what every design does, so that X cannot be sparse.
    """

    linear: ClassVar[bool] = False
    dense: ClassVar[bool] = False

    def check(self, tree: Tree, rows: Rows, names: Sequence[str] | None) -> None:
        """Raise ValueError, saying what was received and what to do, where this gate cannot serve.

        Parameters
        ----------
        rows : Rows
            What the gate will see.
        names : sequence of str or None
            Names of the features, where X has them.
        """
        return

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
    def coef(self, params: Any, n_coef: int) -> np.ndarray | None:
        """Coefficients (n_branches, n_coef) on the design, summing to zero over the branches; None where log-odds are
        not linear in x."""

    def wanted(self, params: Any) -> int:
        """Which cross-products a fused pass gathers for the information of this gate (see `skmoe.kernels.codes`)."""
        return codes.NONE

    def condensed(self, params: Any, gathered: Gathered) -> Any:
        """The sums of this gate, of what a fused pass gathered."""
        raise TypeError(f"{type(self).__name__} is not linear: its passes cannot be fused.")

    def slopes(self, params: Any, z: np.ndarray) -> np.ndarray:
        """Slopes (n_branches, n_columns) of the log-odds at a point of the standardised columns, summing to zero.

        To be defined where log-odds are not linear in x.
        """
        coef = self.coef(params, len(z) + 1)
        assert coef is not None
        return coef[:, 1:]

    def moments(self, params: Any) -> Moments | None:
        """Means, covariances and mixing weights of the branches, where the gate models x."""
        return None

    @abstractmethod
    def given(self, coef: np.ndarray) -> Any:
        """Parameters of coefficients (n_branches, n_coef) on the design: the inverse of `coef`.

        ValueError, saying what to do, where coefficients do not determine this gate.
        """

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
