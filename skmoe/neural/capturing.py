"""Whether a computation is captured, to be run again for other rows without Python: compiled, or as a CUDA graph."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

_CAPTURING: ContextVar[bool] = ContextVar("capturing", default=False)


@contextmanager
def capturing() -> Iterator[None]:
    """Here no number is read on the host, and no shape depends on one, so that what is done holds for other rows."""
    before = _CAPTURING.set(True)
    try:
        yield
    finally:
        _CAPTURING.reset(before)


def is_capturing() -> bool:
    """Whether this is compiled, or captured here or by somebody else."""
    if torch.compiler.is_compiling():
        return True
    return _CAPTURING.get() or (torch.cuda.is_initialized() and torch.cuda.is_current_stream_capturing())
