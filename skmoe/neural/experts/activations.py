"""What stands between two linear maps of an expert."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, relu_
from torch.nn.functional import gelu, silu


class Activation(NamedTuple):
    """A function between two linear maps.

    Parameters
    ----------
    function : callable
        Of one tensor, or of two, gate and value, where `gated`. It may write into what it is given.
    gated : bool, default=False
        Whether the map before it is twice as wide: the first half is the gate, the second the value (Shazeer 2020).

    References
    ----------
    N. Shazeer (2020). GLU variants improve transformer. https://arxiv.org/abs/2002.05202

    Examples
    --------
    >>> import torch
    >>> from skmoe.neural import Activation, MoELayer
    >>> layer = MoELayer(3, 1, activation=Activation(torch.tanh))
    """

    function: Callable[..., Tensor]
    gated: bool = False

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to the last axis."""
        return self.function(*x.chunk(2, dim=-1)) if self.gated else self.function(x)


def _swiglu(gate: Tensor, value: Tensor) -> Tensor:
    return silu(gate) * value


def _clamped_swiglu(gate: Tensor, value: Tensor) -> Tensor:
    """As in gpt-oss: clamped to 7, a steeper sigmoid, and a value that passes where it is 0 (OpenAI 2025)."""
    gate, value = gate.clamp(max=7.0), value.clamp(-7.0, 7.0)
    return gate * (1.702 * gate).sigmoid() * (value + 1.0)


ACTIVATIONS = {
    "relu": Activation(relu_),
    "gelu": Activation(gelu),
    "swiglu": Activation(_swiglu, gated=True),
    "clamped_swiglu": Activation(_clamped_swiglu, gated=True),
}


def activation(given: str | Activation) -> Activation:
    """The activation of a name, or the one given.

    Raises
    ------
    ValueError
        Where there is none of that name.
    """
    if isinstance(given, Activation):
        return given
    if given not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {tuple(ACTIVATIONS)} or an Activation, got {given!r}.")
    return ACTIVATIONS[given]
