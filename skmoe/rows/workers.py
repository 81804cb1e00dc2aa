"""Workers: threads that take parts of the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from joblib import effective_n_jobs

Part = TypeVar("Part")
Found = TypeVar("Found")


def mapped(function: Callable[[Part], Found], parts: Sequence[Part], n_jobs: int | None) -> Iterator[Found]:
    """What a function says of every part, in the order of the parts, whoever worked on them."""
    n_jobs = min(effective_n_jobs(n_jobs), len(parts)) if len(parts) > 1 else 1
    if n_jobs == 1:
        yield from map(function, parts)
        return
    with ThreadPoolExecutor(n_jobs) as pool:
        try:
            yield from pool.map(function, parts)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
