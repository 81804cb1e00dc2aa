"""Records as points of a vector space: named tuples of arrays that add, flatten and come back.

Parameters and sums are frozen records (named tuples, nested at will) whose leaves are arrays or numbers.
That they can be added and written as one vector is all the loop knows about a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def _like(record: tuple, parts: list) -> tuple:
    """A record of the same kind as ``record`` with other contents."""
    return type(record)(*parts) if hasattr(record, "_fields") else tuple(parts)


def add(a: Any, b: Any) -> Any:
    """Sum of two records of the same kind; an entry that is missing (None) in one is missing in the sum."""
    if a is None or b is None:
        return None
    if isinstance(a, tuple):
        return _like(a, [add(u, v) for u, v in zip(a, b, strict=True)])
    return a + b


def scaled(record: Any, factor: float) -> Any:
    """A record times a number; what is missing (None) stays missing."""
    if record is None:
        return None
    if isinstance(record, tuple):
        return _like(record, [scaled(part, factor) for part in record])
    return record * factor


def complete(record: Any) -> bool:
    """Whether nothing is missing (None)."""
    return all(map(complete, record)) if isinstance(record, tuple) else record is not None


def ravel(record: Any) -> np.ndarray:
    """The coordinates of a record as one vector, in the order of its fields."""
    leaves: list[np.ndarray] = []
    _collect(record, leaves)
    return np.concatenate(leaves) if leaves else np.zeros(0)


def _collect(record: Any, leaves: list[np.ndarray]) -> None:
    if isinstance(record, tuple):
        for part in record:
            _collect(part, leaves)
    else:
        leaves.append(np.asarray(record).ravel())


def same_kind(a: Any, b: Any) -> bool:
    """Whether two records have the same fields and shapes, so that one can take the place of the other."""
    if isinstance(a, tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same_kind, a, b))
    return np.shape(a) == np.shape(b)


def unravel(like: Any, vector: np.ndarray) -> Any:
    """The record of the kind and shapes of ``like`` whose coordinates are ``vector``."""
    record, _ = _rebuild(like, vector, 0)
    return record


def _rebuild(like: Any, vector: np.ndarray, at: int) -> tuple[Any, int]:
    if isinstance(like, tuple):
        parts = []
        for part in like:
            made, at = _rebuild(part, vector, at)
            parts.append(made)
        return _like(like, parts), at
    return vector[at : at + like.size].reshape(like.shape), at + like.size


def stacked(records: Sequence[Any]) -> Any:
    """Records of the same kind joined along the first axis of their arrays."""
    return type(records[0])(*(np.concatenate(arrays) for arrays in zip(*records, strict=True)))
