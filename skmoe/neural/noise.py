"""Random numbers, of parameters and in training: from a private generator, or from torch's own."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor


@torch.no_grad()
def draw(parameter: Tensor, generator: Generator | None, into: Callable[[Tensor], object]) -> None:
    """Let ``into`` draw a parameter where the generator is, so that its numbers are the same on all devices."""
    if generator is None or generator.device == parameter.device:
        into(parameter)
    else:
        drawn = torch.empty_like(parameter, device=generator.device)
        into(drawn)
        parameter.copy_(drawn)


def uniform(like: Tensor, generator: Generator | None) -> Tensor:
    """Numbers from [0, 1), of the shape, type and device of ``like``."""
    device = like.device if generator is None else generator.device
    return torch.rand(like.shape, generator=generator, device=device, dtype=like.dtype).to(like.device)


def normal(like: Tensor, generator: Generator | None) -> Tensor:
    """Standard normal numbers, of the shape, type and device of ``like``."""
    device = like.device if generator is None else generator.device
    return torch.randn(like.shape, generator=generator, device=device, dtype=like.dtype).to(like.device)


def gumbel(like: Tensor, generator: Generator | None) -> Tensor:
    """Numbers from the standard Gumbel distribution, of the shape, type and device of ``like``."""
    tiny = torch.finfo(like.dtype).tiny
    exponential = -uniform(like, generator).clamp_min(tiny).log()
    return -exponential.clamp_min(tiny).log()
