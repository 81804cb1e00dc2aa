"""How kernels are compiled."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from numba import njit

#: Division by zero gives infinity, as in numpy, and no exception: tests for it would end vector loops.
_jit = partial(njit, nogil=True, error_model="numpy")
#: Sums may be taken in any order, so that they too use vector instructions. What is not finite stays what it is:
#: training looks for it.
_ANY_ORDER = {"contract", "reassoc", "nsz"}


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """A compiled function that lets other threads run, kept on disk where there is a place for it."""
    try:
        compiled: Callable[..., Any] = _jit(cache=True, fastmath=_ANY_ORDER)(function)
    except RuntimeError:  # nothing can be written beside the source nor in the user's cache
        compiled = _jit(fastmath=_ANY_ORDER)(function)
    else:
        _made_of_all(compiled)
    return compiled


def elementary(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of numbers to be compiled into the loops of kernels; its sums are taken in the order written."""
    compiled: Callable[..., Any] = _jit(fastmath={"contract"})(function)
    return compiled


def _made_of_all(compiled: Any) -> None:
    """Note that what is kept on disk of a kernel is made of all kernels.

    Numba keeps it until the file that holds the kernel changes; other kernels are compiled into it, and what an older
    version of those left on disk would be run. This reaches into numba, which has no word for it. The version is what
    it compares before it reads anything else, such as names of records that may be gone.
    """
    with suppress(AttributeError):
        file = compiled._cache._cache_file
        file._version = (file._version, _fingerprint())


@cache
def _fingerprint() -> str:
    """What identifies the sources of all kernels, and of the records that they take."""
    here = Path(__file__).parent
    sources = [*sorted(here.glob("*.py")), *here.parent.glob("rows/tiles.py")]
    return sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
