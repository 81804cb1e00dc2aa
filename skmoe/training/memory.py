"""Quasi-Newton memory: the last steps and what they did to the gradient."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np


class Memory:
    """Limited-memory BFGS for ascent (Nocedal 1980): an inverse curvature from pairs of step and fall of the gradient.

    Parameters
    ----------
    size : int
        Most pairs kept; the oldest goes first.

    References
    ----------
    Nocedal (1980), Updating quasi-Newton matrices with limited storage.
    https://doi.org/10.1090/S0025-5718-1980-0572855-7
    """

    def __init__(self, size: int):
        self._pairs: deque[tuple[np.ndarray, np.ndarray, float]] = deque(maxlen=max(int(size), 1))

    def __len__(self) -> int:
        return len(self._pairs)

    def clear(self) -> None:
        self._pairs.clear()

    def push(self, step: np.ndarray, fall: np.ndarray) -> None:
        """Remember a step, unless the objective curved upwards along it."""
        product = float(step @ fall)
        if product > 1e-12 * np.linalg.norm(step) * np.linalg.norm(fall):
            self._pairs.append((step, fall, 1.0 / product))

    def direction(self, gradient: np.ndarray, initial: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Two-loop recursion; ``initial`` applies the inverse curvature that holds before any pair."""
        q, kept = gradient.copy(), []
        for step, fall, inverse in reversed(self._pairs):
            a = inverse * (step @ q)
            q -= a * fall
            kept.append(a)
        d = initial(q)
        for (step, fall, inverse), a in zip(self._pairs, reversed(kept), strict=True):
            d = d + step * (a - inverse * (fall @ d))
        return d

    def scaling(self, initial: Callable[[np.ndarray], np.ndarray] = lambda vector: vector) -> float | None:
        """What makes a guess of the inverse curvature right along the last step; None before there is one.

        The guess is a multiple of 1 unless ``initial`` applies another (Nocedal & Wright 2006, Numerical optimization,
        https://doi.org/10.1007/978-0-387-40065-5, eq. 7.20).
        """
        if not self._pairs:
            return None
        _, fall, inverse = self._pairs[-1]
        return 1.0 / (inverse * float(fall @ initial(fall)))
