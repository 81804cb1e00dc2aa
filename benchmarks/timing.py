"""Seconds: runs that alternate, so that what else the machine does falls on all alike, and medians of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np


def seconds_of(function: Callable[[], Any]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def alternated(
    functions: Mapping[str, Callable[[], Any]], rounds: int = 5, *, shuffle: bool = False
) -> dict[str, np.ndarray]:
    """Seconds (rounds,) of every function: all are called once, uncounted, and then in turn, round after round.

    With ``shuffle`` each round has another order, so that none always comes after one that leaves the cache and the
    memory in disorder.
    """
    for function in functions.values():
        function()
    names, rng = list(functions), np.random.default_rng(0)
    seconds = np.empty((len(names), rounds))
    for turn in range(rounds):
        for number in rng.permutation(len(names)) if shuffle else range(len(names)):
            seconds[number, turn] = seconds_of(functions[names[number]])
    return dict(zip(names, seconds, strict=True))


def ratio(upper: np.ndarray, lower: np.ndarray) -> float:
    """Median of the ratios of seconds of the same round."""
    return float(np.median(np.asarray(upper) / np.asarray(lower)))


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """The power of the size that seconds grow by: slope of a straight line through their logarithms."""
    return float(np.polynomial.Polynomial.fit(np.log(sizes), np.log(seconds), 1).convert().coef[1])
