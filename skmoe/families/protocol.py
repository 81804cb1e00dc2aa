"""The family protocol: the distribution of one response given its parameters, as formulas for one row.

A family knows nothing of experts, gates, weights or chunks. Its parameters come as a tuple ``theta``, one entry a
parameter in the order of `Family.links`, each broadcastable to (n_experts, n_outputs, n_rows); ``y`` has shape
(n_outputs, n_rows). The first parameter sees x through a linear predictor, the others are one number an expert (their
last axis has length one).

To add a family, write one file with the methods below in this order and enter it in `skmoe.families.FAMILIES`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import numpy as np

from .links import Link

Theta = tuple[np.ndarray, ...]


class Terms(NamedTuple):
    """Score and curvature of the log density of every row, one entry a parameter.

    Attributes
    ----------
    score : tuple of ndarray
        First derivatives of the log density.
    curvature : tuple of ndarray, or None
        Expected information or a majoriser of minus the second derivative: never negative. None where not asked for.
    """

    score: Theta
    curvature: Theta | None


def totals(terms: Sequence[np.ndarray], weight: np.ndarray, n_outputs: int) -> np.ndarray:
    """Weighted sums over rows of terms, (n_experts, n_outputs, n_terms); weight is (n_experts, 1, n_rows)."""
    sums = np.empty((len(weight), n_outputs, len(terms)))
    for j, term in enumerate(terms):
        sums[..., j] = (weight * term).sum(axis=-1)
    return sums


class Family(ABC):
    """Distribution of a response given its parameters.

    Attributes
    ----------
    name : str
        The name accepted by ``expert=``.
    location_scale : bool
        Whether the response is ``location + scale * noise`` with the first parameter the location and the second the
        log of the scale. Such a family is fitted on standardised y and its slopes are penalised in units of its scale.
    discrete : bool
        Whether the response is a whole number.
    normal : bool
        Whether the response is normally distributed, so that scores of mixtures have closed forms.
    curved : bool
        Whether training preconditions by the information (see `skmoe.block.Block`).
    kernel : int or None
        Number by which compiled code knows the family (see `skmoe.kernels.codes`); without one its passes are made in
        numpy.
    curvature_is_constant : bool
        Whether the curvature in the first parameter is the same at every row. In the others it always is, for a family
        that has a kernel.
    """

    name: ClassVar[str]
    location_scale: ClassVar[bool]
    discrete: ClassVar[bool] = False
    normal: ClassVar[bool] = False
    curved: ClassVar[bool] = True
    kernel: ClassVar[int | None] = None
    curvature_is_constant: ClassVar[bool] = False

    @abstractmethod
    def links(self, scale_floor: float) -> dict[str, Link]:
        """Link of each parameter by name, in order; ``scale_floor`` in standardised units of y."""

    @abstractmethod
    def check_response(self, y: np.ndarray) -> None:
        """Raise ValueError, saying what was received and what to do, where y is outside the support."""

    @abstractmethod
    def base_measure(self, y: np.ndarray) -> np.ndarray:
        """Terms of the log density free of the parameters, like ``y`` or ()."""

    @abstractmethod
    def log_prob(self, y: np.ndarray, theta: Theta) -> np.ndarray:
        """Log density of each output less `base_measure`, (n_experts, n_outputs, n_rows)."""

    @abstractmethod
    def terms(self, y: np.ndarray, theta: Theta, *, curvature: bool = True) -> Terms:
        """Score and, where asked for, curvature of `log_prob` in each parameter."""

    def constants(self, shape: Theta) -> Theta:
        """What compiled code wants to know of the parameters after the first, each (n_experts, n_outputs)."""
        return shape

    @abstractmethod
    def start(self, mean: np.ndarray, sd: np.ndarray) -> Theta:
        """Parameters of one expert that ignores x, from the weighted mean and sd of y, each (n_outputs,)."""

    @abstractmethod
    def mean(self, theta: Theta) -> np.ndarray:
        """Mean of the response (infinite or undefined means are reported as the location)."""

    @abstractmethod
    def variance(self, theta: Theta) -> np.ndarray:
        """Variance of the response; infinite where it does not exist."""

    @abstractmethod
    def cdf(self, y: np.ndarray, theta: Theta) -> np.ndarray:
        """Probability of a response of at most y."""

    @abstractmethod
    def ppf(self, q: np.ndarray | float, theta: Theta) -> np.ndarray:
        """Quantile of level q."""

    @abstractmethod
    def sample(self, theta: Theta, rng: np.random.Generator) -> np.ndarray:
        """One draw for every entry of the broadcast parameters."""
