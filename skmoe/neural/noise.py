"""Random numbers in training: from a private generator, or from torch's own."""

from __future__ import annotations

import torch
from torch import Generator, Tensor


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
