"""Links: from an unconstrained coordinate v to a parameter of a family, with two derivatives.

Training moves in unconstrained coordinates, so a parameter never leaves its range and a record of parameters is a
point of a vector space. The expert block applies the chain rule: gradient in v is ``theta' * score``, information in
v is ``theta'^2 * curvature + max(0, -theta'' * score)``. The last term makes the promised gain vanish at a bound;
clipping instead leaves a gradient that never goes away, and the loop never stops.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit

#: How close to a bound `inverse` may place a coordinate, as a fraction: exactly at a bound v would be infinite.
_MARGIN = 1e-4


class Linked(NamedTuple):
    """A parameter and its first and second derivative in the unconstrained coordinate."""

    value: np.ndarray
    first: np.ndarray
    second: np.ndarray


class Identity:
    """``theta = v``: parameters that may be any number, such as a mean or a log rate."""

    def __call__(self, v: np.ndarray) -> Linked:
        return Linked(v, np.ones_like(v), np.zeros_like(v))

    def inverse(self, theta: np.ndarray) -> np.ndarray:
        return theta


@dataclass(frozen=True)
class LogFloor:
    """``theta = log sqrt(floor^2 + 1 / (exp(-2 v) + 1 / ceiling^2))``: a scale from floor to ceiling.

    The Gaussian likelihood of a mixture is unbounded as the scale of an expert on few points goes to zero;
    the floor is part of the model and keeps it finite. The ceiling never binds at a maximum of rows by fewer than
    4 ceiling^2, because no scale beyond half the range of y is likely; it stops an expert without rows, whose scale
    nothing else holds, from adding to the variance of every prediction.
    """

    floor: float
    ceiling: float = 100.0

    def __call__(self, v: np.ndarray) -> Linked:
        beyond = 2 * (v - np.log(self.ceiling))
        room = expit(-beyond)  # part of the way to the ceiling that is left
        log_free = v - 0.5 * np.logaddexp(0, beyond)
        free = np.exp(2 * log_free)
        square = self.floor**2 + free
        share = free / square if self.floor > 0 else np.ones_like(free)
        value = 0.5 * np.log(square) if self.floor > 0 else log_free
        first = share * room
        # d share / dv = 2 share (1 - share) room and d room / dv = -2 room (1 - room)
        return Linked(value, first, 2 * first * ((1 - share) * room - (1 - room)))

    def inverse(self, theta: np.ndarray) -> np.ndarray:
        square = np.exp(2 * np.minimum(theta, 300.0))
        free = np.clip(square - self.floor**2, _MARGIN * self.floor**2, (1 - _MARGIN) * self.ceiling**2)
        return 0.5 * (np.log(free) - np.log1p(-free / self.ceiling**2))


@dataclass(frozen=True)
class Bounded:
    """``theta = low + (high - low) / (1 + exp(-v))``: a parameter between two bounds."""

    low: float
    high: float

    def __call__(self, v: np.ndarray) -> Linked:
        p = expit(v)
        first = (self.high - self.low) * p * (1 - p)
        return Linked(self.low + (self.high - self.low) * p, first, first * (1 - 2 * p))

    def inverse(self, theta: np.ndarray) -> np.ndarray:
        p = (theta - self.low) / (self.high - self.low)
        return logit(np.clip(p, _MARGIN, 1 - _MARGIN))


Link = Identity | LogFloor | Bounded
