"""A moving average of the parameters: what is judged and kept, while training goes on with the last ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn


class MovingAverage:
    """Exponential moving average of parameters along the steps of an optimiser.

    .. math:: \\bar\\theta \\leftarrow d_t \\bar\\theta + (1 - d_t) \\theta, \\qquad
              d_t = \\min\\Bigl(1 - \\frac1h, \\frac{1 + t}{10 + t}\\Bigr)

    A learning rate that is large enough to learn quickly makes parameters wander about a good place; their average is
    nearer to it (Polyak & Juditsky 1992, https://doi.org/10.1137/0330046). At first the average is short, so that the
    start is soon forgotten.

    Parameters
    ----------
    parameters : sequence of Parameter
    horizon : float
        Steps h that count.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], horizon: float) -> None:
        self._parameters = list(parameters)
        self._average = [parameter.detach().clone() for parameter in self._parameters]
        self._decay, self._n_steps = max(0.0, 1 - 1 / max(horizon, 1.0)), 0

    @torch.no_grad()
    def follow(self) -> None:
        """A step was made."""
        self._n_steps += 1
        decay = min(self._decay, (1 + self._n_steps) / (10 + self._n_steps))
        torch._foreach_lerp_(self._average, [parameter.detach() for parameter in self._parameters], 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The network has the average for parameters."""
        last = [parameter.detach().clone() for parameter in self._parameters]
        self._set(self._average)
        try:
            yield
        finally:
            self._set(last)

    @torch.no_grad()
    def _set(self, values: Sequence[torch.Tensor]) -> None:
        torch._foreach_copy_([parameter.detach() for parameter in self._parameters], list(values))
