"""Digits: numbers as people read them, with as many as mean something."""

from __future__ import annotations

import numpy as np


def percent(rate: float) -> str:
    """A share or a rate; two digits where it is small, so that rare classes and small experts are told apart.

    Examples
    --------
    >>> percent(0.376), percent(0.00254), percent(1e-6)
    ('38%', '0.25%', '<0.01%')
    """
    if 0 < rate < 1e-4:
        return "<0.01%"
    return f"{rate:.0%}" if rate >= 0.01 or rate == 0 else f"{rate:.2%}"


def significant(value: float) -> float:
    """The number with three significant digits.

    Examples
    --------
    >>> significant(0.0123456), significant(1234.5)
    (0.0123, 1230.0)
    """
    return float(f"{value:.3g}")


def plain(value: float) -> str:
    """A number that was rounded already, without zeros at its end.

    Examples
    --------
    >>> plain(1230.0), plain(-0.5), plain(-0.0)
    ('1230', '-0.5', '0')
    """
    return f"{value + 0.0:.12g}"


def to_hundredth(value: float, unit: float) -> str:
    """A number as precise as about a hundredth of a unit, such as the standard deviation of what it is a value of.

    Examples
    --------
    >>> to_hundredth(2003.7182, 11.0), to_hundredth(0.0123456, 0.2), to_hundredth(1234567, 80_000)
    ('2003.7', '0.012', '1234600')
    """
    if not (np.isfinite(unit) and unit > 0):
        return plain(significant(value))
    decimals = 2 - int(np.floor(np.log10(unit)))
    return f"{round(float(value), decimals) + 0.0:.{max(0, decimals)}f}"
