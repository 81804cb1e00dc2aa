"""Quantiles of a mixture: a safeguarded vectorised root finder."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_MOST_STEPS = 200
#: Newton steps between two halvings of the bracket: valleys between experts are flat, and Newton alone would wander.
_NEWTON_STEPS = 3
_EPS = np.finfo(np.float64).eps

Curve = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def increasing_root(curve: Curve, level: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The smallest x with ``f(x) >= level``, for many increasing functions at once.

    Newton steps inside a bracket that shrinks with every evaluation, and a bisection every few steps, so it takes a
    handful of evaluations where the density is positive and never more than some dozens.

    Parameters
    ----------
    curve : callable
        Given x (n_active,) and the rows (n_active,) that are still open, returns values and slopes there.
    level : ndarray of shape (n_rows,)
    low, high : ndarray of shape (n_rows,)
        Bracket with ``f(low) <= level <= f(high)``.

    Returns
    -------
    ndarray of shape (n_rows,)
    """
    low, high = low.copy(), high.copy()
    x = 0.5 * low + 0.5 * high
    rows = np.flatnonzero(high > low)
    for step in range(_MOST_STEPS):
        if not rows.size:
            break
        at = x[rows]
        value, slope = curve(at, rows)
        gap = value - level[rows]
        above = gap >= 0
        high[rows[above]] = at[above]
        low[rows[~above]] = at[~above]
        bottom, top = low[rows], high[rows]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            new = at - gap / slope
        inside = (new > bottom) & (new < top) & (step % (_NEWTON_STEPS + 1) != _NEWTON_STEPS)
        new = np.where(inside, new, 0.5 * bottom + 0.5 * top)
        resolution = 4 * _EPS * np.maximum(np.abs(bottom), np.abs(top))
        closed = top - bottom <= resolution
        hit = (gap == 0) & (slope > 0)
        still = inside & (np.abs(new - at) <= resolution)
        x[rows] = np.where(closed, top, np.where(hit, at, new))
        rows = rows[~(closed | hit | still)]
    return x
