"""What the steps of an epoch came to, and what is said of one that left the numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


class Outcomes:
    """Losses of the steps of an epoch.

    Parameters
    ----------
    epoch : int
    gradient_clip : float
        Largest norm of a gradient, for the advice.
    together : bool
        Read outcomes from the device together, by `read`: whoever reads one waits for its step. Else one by one.

    Attributes
    ----------
    losses : list of float
        Of the steps that were read.
    """

    def __init__(self, epoch: int, gradient_clip: float, *, together: bool) -> None:
        self.losses: list[float] = []
        self._epoch, self._gradient_clip, self._together = epoch, gradient_clip, together
        self._waiting: list[Tensor] = []

    def add(self, outcome: Tensor) -> None:
        """The loss and the norm of the gradient of one more step, on the device."""
        self._waiting.append(outcome)
        if not self._together:
            self.read()

    def read(self) -> None:
        """Read what waits.

        Raises
        ------
        FloatingPointError
            Which names the first step whose loss or gradient is not finite.
        """
        waiting, self._waiting = self._waiting, []
        for loss, norm in torch.stack(waiting).tolist() if waiting else []:
            if not (math.isfinite(loss) and math.isfinite(norm)):
                raise self._diverged(f"the loss is {loss:g}, the norm of its gradient {norm:g}")
            self.losses.append(loss)

    @contextmanager
    def step(self) -> Iterator[None]:
        """What is done here is the next step, whose gates may find that their logits are infinite or NaN."""
        try:
            yield
        except ValueError as error:
            if "finite" not in str(error):
                raise
            self.read()  # an earlier step may be the first
            # Its own advice is left out: it is given again below.
            raise self._diverged(str(error).split(": expected")[0]) from error

    def _diverged(self, why: str) -> FloatingPointError:
        clip = ", set gradient_clip" if math.isinf(self._gradient_clip) else " or gradient_clip"
        return FloatingPointError(
            f"Training left the numbers in batch {len(self.losses) + 1} of epoch {self._epoch}: {why}. What was fitted "
            f"before this call is kept as it was. Lower learning_rate{clip}, or look for columns with extreme values."
        )
