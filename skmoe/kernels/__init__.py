"""Kernels: the row loops of training and prediction, compiled by numba.

Pure functions of arrays, one pass each: matrix products are BLAS's, and everything between two of them is here. Arrays
are rows last, (n_experts, n_rows), so that the inner loop runs along memory and the compiler uses vector instructions.
Where a kernel takes the place of a line of numpy, that line is its twin in the tests.

Compiling takes half a minute the first time and is kept on disk, until any file of this package changes (see
`skmoe.kernels.compiled`). ``import skmoe`` loads none of this: a module of this package is imported when it is first
asked for.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

__all__ = [
    "cholesky",
    "chosen",
    "codes",
    "columns",
    "cross_products",
    "csr",
    "elementary",
    "families",
    "gather",
    "predict",
    "quantile",
    "routes",
    "softmax",
]


def __getattr__(name: str) -> ModuleType:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f"{__name__}.{name}")
