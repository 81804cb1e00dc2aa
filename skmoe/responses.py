"""What the response is like among some rows: the mean of a number, or the shares of classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .digits import percent, to_hundredth
from .rows.design import Standardizer


@dataclass(frozen=True)
class MeanResponse:
    """The mean of each output.

    Attributes
    ----------
    spread : tuple of float
        Standard deviation of each output over the training rows, which says how many digits of a mean count.
    """

    spread: tuple[float, ...]

    heading = "mean"

    @classmethod
    def of(cls, y: np.ndarray, weight: np.ndarray) -> MeanResponse:
        """For responses (n_rows, n_outputs) with weights."""
        return cls(tuple(Standardizer.of(y, weight).scale.tolist()))

    def sums(self, y: np.ndarray, weight: np.ndarray, responsibilities: np.ndarray) -> np.ndarray:
        """Sums (n_experts, n_outputs) of responses (n_rows, n_outputs) over the rows of each expert."""
        return responsibilities.T @ (weight[:, None] * y)

    def text(self, mean: np.ndarray) -> str:
        """A mean (n_outputs,) as it is read."""
        if np.isnan(mean).any():
            return "-"
        return ", ".join(to_hundredth(value, unit) for value, unit in zip(mean, self.spread, strict=True))


@dataclass(frozen=True)
class ClassShares:
    """The share of each class.

    Attributes
    ----------
    classes : tuple
        Labels, in the order of the codes.
    """

    classes: tuple

    @property
    def heading(self) -> str:
        return f"rate of {self.classes[1]}" if len(self.classes) == 2 else "class"

    def sums(self, y: np.ndarray, weight: np.ndarray, responsibilities: np.ndarray) -> np.ndarray:
        """Mass (n_experts, n_classes) of the classes, coded in y (n_rows, 1), over the rows of each expert."""
        rows = (y[:, 0] == code for code in range(len(self.classes)))
        return np.stack([weight[of_class] @ responsibilities[of_class] for of_class in rows], axis=1)

    def text(self, share: np.ndarray) -> str:
        """Of two classes the rate of the second, which is the rare one by custom; of more the largest and its share."""
        if np.isnan(share).any():
            return "-"
        if len(self.classes) == 2:
            return percent(share[1])
        return f"{self.classes[share.argmax()]} ({percent(share.max())})"


#: One of the two.
Summary = MeanResponse | ClassShares
