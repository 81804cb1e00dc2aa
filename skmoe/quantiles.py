"""Quantiles of a mixture: a safeguarded vectorised root finder."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_MOST_STEPS = 200
_EPS = np.finfo(np.float64).eps

Curve = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def increasing_root(curve: Curve, level: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The smallest x with ``f(x) >= level``, for many increasing functions at once.

    Newton steps inside a bracket that shrinks with every evaluation; where a step is not at most half of the one
    before, as in the flat valleys between experts, the bracket is halved instead. So it takes a handful of evaluations
    where the density is positive and never more than some dozens.

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
    smallest = 0.25 * _EPS * (high - low)
    x = 0.5 * low + 0.5 * high
    last = high - low
    rows = np.flatnonzero(high > low)
    for _ in range(_MOST_STEPS):
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
            newton = at - gap / slope
        move = np.abs(newton - at)
        inside = (newton > bottom) & (newton < top) & (move <= 0.5 * last[rows])
        new = np.where(inside, newton, 0.5 * bottom + 0.5 * top)
        last[rows] = np.abs(new - at)
        resolution = 4 * _EPS * np.maximum(np.abs(bottom), np.abs(top))
        closed = top - bottom <= resolution
        settled = move <= resolution + smallest[rows]
        x[rows] = np.where(closed, top, np.where(settled, at, new))
        rows = rows[~(closed | settled)]
    x[rows] = high[rows]
    return x
