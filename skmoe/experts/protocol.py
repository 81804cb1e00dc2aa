"""The expert protocol: log densities of the response given x, for all experts of a block at once."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, NamedTuple, Self

import numpy as np

from ..block import Block, Gathered
from ..rows.chunk import Response
from ..rows.design import Design, Standardizer


class ExpertForward(NamedTuple):
    """Log densities (n_experts, n_rows) without the base measure, and what gather needs again."""

    log_prob: np.ndarray
    cache: Any


class Expert(Block):
    """A block of experts of one kind, their parameters stacked along the first axis.

    Attributes
    ----------
    kernel : int or None
        Number of a family that compiled code knows (see `skmoe.kernels.codes`), so that passes can be fused: the expert
        then has `constants`, `units`, `n_curves` and `condensed`.
    """

    @property
    def kernel(self) -> int | None:
        return None

    def constants(self, params: Any) -> np.ndarray:
        """What compiled code knows of the parameters beside coefficients, (n_experts, n_outputs, n_constants)."""
        raise self._unknown

    @property
    def units(self) -> tuple[np.ndarray, np.ndarray]:
        """Centre and unit of the outputs as experts see them, each (n_outputs,)."""
        raise self._unknown

    def predictors(self, params: Any) -> np.ndarray | None:
        """Coefficients (n_experts, n_outputs, n_coef) on the design, or (n_experts, n_classes, n_coef) of logits, where
        compiled code can predict from them; of two classes one logit, of the second. None where it cannot."""
        return None

    def n_curves(self, n_outputs: int) -> int:
        """Number of cross-products of an expert: one where outputs share it."""
        raise self._unknown

    def condensed(self, params: Any, gathered: Gathered) -> Any:
        """The sums of this block, of what a fused pass gathered."""
        raise self._unknown

    @property
    def _unknown(self) -> TypeError:
        return TypeError(f"{type(self).__name__} is not known to compiled code: its passes cannot be fused.")

    @abstractmethod
    def adapted(self, y: np.ndarray, weight: np.ndarray) -> Self:
        """This block in the units of a response (n_rows, n_outputs); ValueError where y is outside its support."""

    def check_response(self, y: np.ndarray) -> None:
        """Raise ValueError, saying what was received and what to do, where y is outside the support."""
        return

    @abstractmethod
    def observe(self, y: np.ndarray) -> Response:
        """The response (n_rows, n_outputs) as this block wants to see it."""

    @abstractmethod
    def start(self, n_experts: int, n_coef: int) -> Any:
        """Parameters of experts that all ignore x."""

    @abstractmethod
    def forward(self, params: Any, design: Design, response: Response) -> ExpertForward:
        """Evaluate the rows."""

    @abstractmethod
    def gather(
        self, params: Any, design: Design, response: Response, mass: np.ndarray, cache: Any, *, information: bool = True
    ) -> Any:
        """Sums over rows with ``mass`` (n_experts, n_rows) on each expert."""

    @abstractmethod
    def take(self, params: Any, index: np.ndarray) -> Any:
        """The parameters of some experts, in the order of ``index``."""

    @abstractmethod
    def predictive(self, params: Any, design: Design) -> Any:
        """The distributions of the response at some rows: `LinearPredictive` or `ClassPredictive`."""

    @abstractmethod
    def original(self, params: Any, standardizer: Standardizer) -> tuple[np.ndarray, np.ndarray]:
        """Slopes (n_experts, n_outputs, n_columns) and intercepts (n_experts, n_outputs) in the user's units."""

    @abstractmethod
    def given(
        self, params: Any, slopes: np.ndarray, intercept: np.ndarray, scale: np.ndarray | None, units: Standardizer
    ) -> Any:
        """Parameters of slopes, intercepts and scales in the user's units: the inverse of `original` and `scale`.

        What is not given (scales where they are None, shapes) stays as in ``params``.
        """

    @abstractmethod
    def restandardized(self, params: Any, old: Self, old_units: Standardizer, new_units: Standardizer) -> Any:
        """Parameters of the block ``old`` in the units of this one, on columns in other units."""

    def scale(self, params: Any) -> np.ndarray | None:
        """Scales (n_experts, n_outputs) in units of y; None where the experts have none."""
        return None

    def floor(self) -> np.ndarray | None:
        """Smallest scale (n_outputs,) in units of y; None where the experts have none."""
        return None

    def at_floor(self, params: Any) -> np.ndarray:
        """Numbers, within the block, of the experts whose scale is at its floor."""
        return np.zeros(0, dtype=np.intp)
