"""Quantiles of mixtures of normal distributions, many rows at once."""

from __future__ import annotations

from math import inf, isfinite, pi, sqrt

import numpy as np

from .compiled import kernel
from .elementary import exp, normal_tail

#: Most evaluations of a row; bisection alone needs some hundred to close any bracket.
_MOST_STEPS = 200
_EPS = 2.0**-52
#: A Newton step of this many standard deviations of the narrowest expert is the last: the error behind it is about
#: its square.
_LAST = 1e-8
#: Numbers beyond have no density in double precision.
_FARTHEST = 39.0
_DENSITY = 1 / sqrt(2 * pi)


@kernel
def gaussian_quantile(
    weight: np.ndarray, mean: np.ndarray, scale: np.ndarray, level: np.ndarray, standard: np.ndarray, out: np.ndarray
) -> None:
    """The smallest x at which the distribution function of the mixture reaches a level.

    Newton steps inside a bracket that shrinks with every evaluation, as in `skmoe.quantiles.increasing_root`; the
    bracket is the smallest and the largest quantile of the experts, and the first point their mean.

    Parameters
    ----------
    weight, mean, scale : ndarray of shape (n_experts, n_rows)
        An expert of weight zero takes no part, whatever its mean.
    level, standard : ndarray of shape (n_rows,)
        Levels, and the quantiles of the standard normal there, which are the answer where they are not finite: at the
        levels 0 and 1, and at NaN.
    out : ndarray of shape (n_rows,)
    """
    n = len(out)
    low, high, width = np.empty(n), np.empty(n), np.empty(n)
    _bracket(weight, mean, scale, standard, low, high, width, out)
    last, active = np.empty(n), np.empty(n, np.int64)
    m = 0
    for i in range(n):
        last[i] = high[i] - low[i]
        if low[i] < high[i] and isfinite(low[i]) and isfinite(high[i]):
            active[m] = i
            m += 1
    smallest = 0.25 * _EPS * last
    value, slope = np.empty(n), np.empty(n)
    for _ in range(_MOST_STEPS):
        _evaluate(weight, mean, scale, out, active[:m], value, slope)
        open_ = 0
        for i in range(m):
            r = active[i]
            x = out[r]
            gap = value[i] - level[r]
            if gap >= 0:
                high[r] = x
            else:
                low[r] = x
            newton = x - gap / slope[i]
            move = abs(newton - x)
            inside = low[r] < newton < high[r] and move <= 0.5 * last[r]
            resolution = 4 * _EPS * max(abs(low[r]), abs(high[r]))
            if high[r] - low[r] <= resolution:
                out[r] = high[r]
            elif not move <= resolution + smallest[r]:  # NaN on a plateau at the level
                out[r] = newton if inside else 0.5 * low[r] + 0.5 * high[r]
                last[r] = abs(out[r] - x)
                if not (inside and move <= _LAST * width[r]):
                    active[open_] = r
                    open_ += 1
        m = open_
        if m == 0:
            break
    for i in range(m):
        out[active[i]] = high[active[i]]


@kernel
def _bracket(
    weight: np.ndarray,
    mean: np.ndarray,
    scale: np.ndarray,
    standard: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    width: np.ndarray,
    middle: np.ndarray,
) -> None:
    """Smallest, largest and mean quantile of the experts that take part, and the smallest of their scales."""
    n_experts, n_rows = weight.shape
    low[:] = inf
    high[:] = -inf
    width[:] = inf
    middle[:] = 0.0
    for k in range(n_experts):
        share, center, unit = weight[k], mean[k], scale[k]
        for i in range(n_rows):
            takes_part = share[i] > 0
            at = center[i] + unit[i] * standard[i]
            low[i] = min(low[i], at if takes_part else inf)
            high[i] = max(high[i], at if takes_part else -inf)
            width[i] = min(width[i], unit[i] if takes_part else inf)
            middle[i] += share[i] * at if takes_part else 0.0
    for i in range(n_rows):
        if isfinite(low[i]) and isfinite(high[i]):
            middle[i] = min(max(middle[i], low[i]), high[i])  # shares sum to one but for rounding
        else:
            middle[i] = low[i] if isfinite(standard[i]) else standard[i]


@kernel
def _evaluate(
    weight: np.ndarray,
    mean: np.ndarray,
    scale: np.ndarray,
    x: np.ndarray,
    rows: np.ndarray,
    value: np.ndarray,
    slope: np.ndarray,
) -> None:
    """Distribution function and density of the mixture at some rows."""
    n = len(rows)
    z, part, inverse = np.empty(n), np.empty(n), np.empty(n)
    value[:n] = 0.0
    slope[:n] = 0.0
    for k in range(len(weight)):
        share, center, unit = weight[k], mean[k], scale[k]
        for i in range(n):
            r = rows[i]
            inverse[i] = 1 / unit[r]
            z[i] = (x[r] - center[r]) * inverse[i]
            part[i] = share[r]
        for i in range(n):
            density = exp(-0.5 * z[i] * z[i])
            tail = density * normal_tail(min(abs(z[i]), _FARTHEST))
            below = 1 - tail if z[i] > 0 else tail
            value[i] += part[i] * below if part[i] > 0 else 0.0
            slope[i] += part[i] * density * inverse[i] * _DENSITY if part[i] > 0 else 0.0
