"""The block protocol: what a gate and an expert have in common.

A block holds hyper-parameters only. Its parameters and sums are records, values that come in and go out:

- ``forward`` evaluates rows and returns what ``gather`` needs again;
- ``gather`` turns rows and their mass (responsibility x sample weight) into sums, additive over rows;
- the methods here spend sums on new parameters, with no data in sight.

So no block sees a sample weight, a tree, a matrix or another block.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from .records import add


class Gathered(NamedTuple):
    """What the rows of a fused pass left for one block (see `skmoe.fused`).

    Attributes
    ----------
    mass : ndarray of shape (n_branches,) or (n_experts,)
    score : ndarray of shape (n_branches, n_coef) or (n_experts, n_outputs, n_coef)
        Derivatives of the log-likelihood by the coefficients.
    grams : ndarray of shape (n_grams, n_coef, n_coef) or (n_experts, n_outputs | 1, n_coef, n_coef), or None
        Weighted cross-products; None after a score-only pass.
    shape : ndarray of shape (n_experts, n_outputs, n_shape)
        Derivatives by the other parameters of experts.
    """

    mass: np.ndarray
    score: np.ndarray
    grams: np.ndarray | None
    shape: np.ndarray | None = None


class Block(ABC):
    """The half of a gate or an expert that spends sums.

    Attributes
    ----------
    curved : bool
        Whether training does well to precondition by the information of this block. False says that score-only
        passes and the usual quasi-Newton scaling reach better optima sooner (see `skmoe.training.loop`).
    em_only : bool
        Whether training keeps to EM, without the quasi-Newton memory, because only M-steps keep the bounds of the
        parameters of this block.
    """

    curved: ClassVar[bool] = True
    em_only: ClassVar[bool] = False

    @abstractmethod
    def penalty(self, params: Any) -> float:
        """What the objective subtracts for these parameters."""

    @abstractmethod
    def gradient(self, params: Any, sums: Any) -> Any:
        """Gradient of the penalised objective: exact, by Fisher's identity, where sums were gathered at params."""

    @abstractmethod
    def precondition(self, params: Any, sums: Any, vector: Any) -> Any:
        """``information^-1 vector``: linear in vector, symmetric, positive semi-definite."""

    def m_step(self, params: Any, sums: Any) -> Any:
        """Parameters that raise the expected objective; one Newton step unless there is a closed form."""
        return add(params, self.precondition(params, sums, self.gradient(params, sums)))

    # -- sums of rows that are gone --------------------------------------------------------------------------

    def recentred(self, sums: Any, old: Any, new: Any) -> Any:
        """Sums with information, gathered at old parameters, as they would be at new ones if masses stayed.

        Exact where the expected log-likelihood is a quadratic form of the sums, else its quadratic model: the
        information stays and the score moves with it.
        """
        raise TypeError(f"{type(self).__name__} has no recentred(sums, old, new), so it cannot stream.")

    def gain(self, sums: Any, old: Any, new: Any) -> float:
        """What the expected log-likelihood, of which these are sums at old parameters, gains on the way to new ones.

        Its gradient in the new parameters is that of `recentred` sums.
        """
        raise TypeError(f"{type(self).__name__} has no gain(sums, old, new), so it cannot stream.")

    def balanced(self, params: Any, sums: Any) -> Any:
        """Sums of the same mass and information, of which these parameters are the optimum."""
        raise TypeError(f"{type(self).__name__} has no balanced(params, sums), so it cannot stream.")

    @property
    def streams(self) -> bool:
        """Whether sums of rows that are gone can be moved to new parameters."""
        kind = type(self)
        return not any(getattr(kind, verb) is getattr(Block, verb) for verb in ("recentred", "gain", "balanced"))

    def damped(self) -> Self:
        """This block with shorter steps, for fits on fewer rows than parameters.

        There a gate can divide the rows with certainty, its information vanishes, and full Newton steps overshoot so
        far that the path of a run follows rounding errors.
        """
        return self

    def rough(self, params: Any) -> bool:
        """Whether the information of this block is a diagonal, because coefficients are many.

        Its steps then are directions to search along, no more: M-steps are not exact, and the memory has to learn how
        columns lean on each other.
        """
        return False

    @abstractmethod
    def n_free(self, params: Any) -> int:
        """Free parameters, for AIC and BIC."""
