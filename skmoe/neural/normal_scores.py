"""Normal scores: the distribution of a column, its quantiles, and the scale on which it is normal; without torch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from ..rows.design import SMALLEST_SD

#: Levels at which the tails of a column begin, and those from which their units are measured.
TAIL_LEVELS, INNER_LEVELS = np.array([0.001, 0.999]), np.array([0.1, 0.9])
#: Highest score of a tail, counted from where it begins: rows out by more than 53 units are one.
LONGEST_TAIL = 4.0
#: Knots of a column: one for so many rows, at least and at most.
ROWS_A_KNOT, FEWEST_KNOTS, MOST_KNOTS = 30, 10, 1000
#: Points at which the even half of the mass lies when bins are cut: many more than there are bins.
EVEN_POINTS = 1000
#: Edges of bins that are nearer than this are one: their difference would be lost in float32.
NARROWEST = 1e-4
#: Two masses of weights that differ by less, in shares of the total, are equal: it is the order of sums.
_ROUNDING = 1e-9


class Masses(NamedTuple):
    """A weighted sample: its different values in rising order, and the weight of each.

    Whatever is computed from it takes a row of weight three for three rows, to the last bit: sums of whole weights
    have no rounding.

    Attributes
    ----------
    values, mass : ndarray of float64, shape (n_values,)
    """

    values: np.ndarray
    mass: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, weight: np.ndarray) -> Masses:
        """Of numbers (n_rows,) of which NaN are gaps, with weights (n_rows,); of positive weight all count."""
        counts = (weight > 0) & ~np.isnan(x)
        x, weight = x[counts].astype(np.float64), weight[counts]
        if not len(x):
            return cls(x, weight)
        if (weight == weight[0]).all():  # no need to sort weights along
            x = np.sort(x)
            first = _first_of_ties(x)
            return cls(x[first], weight[0] * np.diff(first, append=len(x)))
        order = np.argsort(x, kind="stable")
        return cls(x[order], weight[order]).merged()

    def merged(self) -> Masses:
        """The same, with values that repeat taken together."""
        first = _first_of_ties(self.values)
        return Masses(self.values[first], np.add.reduceat(self.mass, first))

    @property
    def levels(self) -> np.ndarray:
        """Levels (n_values,) of the distribution function, in the middle of its steps."""
        below = np.cumsum(self.mass)
        return (below - 0.5 * self.mass) / below[-1]

    def quantile_steps(self, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions of the two values between which quantiles lie, each (n_levels,): mostly twice the same one.

        They differ where a level is reached by a whole number of values: the quantile is then halfway between the last
        of these and the next, the average of the inverse of the distribution function from below and from above.
        """
        below = np.cumsum(self.mass)
        share = below / below[-1]
        low = np.searchsorted(share, levels - _ROUNDING, side="left")
        high = np.searchsorted(share, levels + _ROUNDING, side="right")
        return low, np.minimum(high, len(share) - 1)

    def is_heavy(self, n_marks: int) -> np.ndarray:
        """Which values, (n_values,), repeat as often as one of so many marks has rows: at most ``n_marks`` of them.

        They are marks themselves, and the others share out the rest. So a column that is zero in nine rows of ten still
        has most of its marks elsewhere.
        """
        heavy = np.zeros(len(self.values), dtype=bool)
        while True:
            left = n_marks - int(np.count_nonzero(heavy))
            more = ~heavy & (self.mass * max(left, 1) >= self.mass[~heavy].sum())
            if not more.any():
                return heavy
            heavy |= more

    def marks(self, n_marks: int) -> tuple[np.ndarray, np.ndarray]:
        """At most so many values in rising order, and their levels, each (n_marks,): all where there are no more.

        Those that repeat often, and quantiles of the others.
        """
        if len(self.values) <= n_marks:
            return self.values, self.levels
        heavy = self.is_heavy(n_marks)
        light = Masses(self.values[~heavy], self.mass[~heavy])
        steps = light.quantile_steps(np.linspace(0, 1, n_marks - np.count_nonzero(heavy)))
        marks = [
            np.concatenate([every[heavy], _halfway(every[~heavy], *steps)]) for every in (self.values, self.levels)
        ]
        values, first = np.unique(marks[0], return_index=True)
        return values, marks[1][first]

    def tails(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions, (2,), of the values with which the lower and the upper tail begin, and of the deciles within.

        Where no value is so far out the tail begins, and ends, with the last one.
        """
        level, (low, high), (first, last) = self.levels, TAIL_LEVELS, INNER_LEVELS
        starts = np.searchsorted(level, low + _ROUNDING, side="right") - 1, np.searchsorted(level, high - _ROUNDING)
        inner = np.searchsorted(level, first - _ROUNDING), np.searchsorted(level, last + _ROUNDING, side="right") - 1
        return np.clip(starts, 0, len(level) - 1), np.array(inner)

    def evened(self) -> Masses:
        """The same, beside as much mass again that is spread evenly over its range."""
        even = np.linspace(self.values[0], self.values[-1], EVEN_POINTS)
        values = np.concatenate([self.values, even])
        mass = np.concatenate([self.mass, np.full(EVEN_POINTS, self.mass.sum() / EVEN_POINTS)])
        order = np.argsort(values, kind="stable")
        return Masses(values[order], mass[order]).merged()

    def moments(self) -> tuple[float, float]:
        """Mean and standard deviation (divisor: the mass); the latter is infinite where nothing varies."""
        if not len(self.values):
            return 0.0, np.inf
        _, power = np.frexp(np.abs(self.values[[0, -1]]).max())  # large numbers have no squares
        values, total = np.ldexp(self.values, -power), self.mass.sum()
        mean = (self.mass * values).sum() / total
        sd = np.ldexp(np.sqrt((self.mass * (values - mean) ** 2).sum() / total), power)
        if len(values) == 1 or not sd > SMALLEST_SD:
            return float(self.values[0]), np.inf
        return float(np.ldexp(mean, power)), float(sd)


class Tail(NamedTuple):
    """One end of a column, whose rows are told apart by the logarithm of how far out they are.

    .. math:: z = \\pm \\log\\Bigl(1 + \\frac{|x - x_s|}{|x_s - x_q|}\\Bigr)

    beyond where the tail begins, :math:`x_s`, in units of its distance to a decile, :math:`x_q`. Normal scores would
    throw a few rows far out where nothing is special about them; where tails are light, this adds next to nothing.

    Attributes
    ----------
    start, end : float
        Where it begins, and its last row, beyond which z stays.
    half_unit : float
        Half of the unit, negative for the lower tail: large numbers have no distances, but halves of them.
    """

    start: float
    end: float
    half_unit: float

    def beyond(self, x: np.ndarray) -> np.ndarray:
        """What is added to the scores of numbers (n_rows,): 0 before it begins."""
        inside = np.clip(x, min(self.start, self.end), max(self.start, self.end))
        with np.errstate(over="ignore"):  # beyond all numbers is beyond the longest tail
            units = (0.5 * inside - 0.5 * self.start) / self.half_unit
        added: np.ndarray = np.sign(self.half_unit) * np.minimum(np.log1p(units), LONGEST_TAIL)
        return added


class Scores(NamedTuple):
    """A line through knots that turns the body of a column into normal scores, and two tails.

    .. math:: z(x_k) = \\Phi^{-1}(F(x_k)), \\qquad F(x_k) = \\frac{1}{n} \\Bigl(\\sum_{x_i < x_k} w_i + \\frac{1}{2}
        \\sum_{x_i = x_k} w_i\\Bigr)

    Attributes
    ----------
    knots, scores : ndarray of float64, shape (n_knots,)
    tails : tuple of Tail
        Those that there are: of less than a thousand rows none.
    """

    knots: np.ndarray
    scores: np.ndarray
    tails: tuple[Tail, ...] = ()

    @classmethod
    def of(cls, masses: Masses) -> Scores:
        """Of a sample: all of its values are knots where they are few, else its quantiles.

        A sample of nothing turns all numbers into zero.
        """
        values = masses.values
        if len(values) < 2:
            return cls(values if len(values) else np.zeros(1), np.zeros(1))
        n_knots = int(min(max(masses.mass.sum() / ROWS_A_KNOT, FEWEST_KNOTS), MOST_KNOTS))
        x, level = masses.marks(n_knots)
        at, inner = masses.tails()
        starts, ends = values[at], np.clip(masses.levels[at], *TAIL_LEVELS)
        body = (starts[0] < x) & (x < starts[1])
        knots, levels = (np.concatenate([out[:1], each[body], out[1:]]) for out, each in ((starts, x), (ends, level)))
        half_units = 0.5 * starts - 0.5 * values[inner]
        tails = [Tail(*each) for each in zip(starts, values[[0, -1]], half_units, strict=True)]
        return cls(knots, ndtri(levels), tuple(tail for tail in tails if tail.start != tail.end and tail.half_unit))

    def of_rows(self, x: np.ndarray) -> np.ndarray:
        """Scores of numbers (n_rows,); gaps stay."""
        if len(self.knots) == 1:  # numpy.interp takes gaps for the one knot
            return np.where(np.isnan(x), np.nan, self.scores)
        z = np.interp(x, self.knots, self.scores)
        for tail in self.tails:
            z += tail.beyond(x)
        return z


def bin_edges(masses: Masses, scores: Scores, n_bins: int) -> np.ndarray:
    """Edges (n_edges,) of bins of the scores of a sample, in rising order.

    At most ``n_bins`` bins between quantiles of the sample beside as much mass that is spread evenly over its range,
    with values that repeat often taken by themselves. Quantiles of the sample alone would leave all of a tail, which
    is where rare classes are, to one bin; even steps alone would leave few bins to where the rows are. There are fewer
    bins where values repeat, and where there are no more values than edges these are the edges. A column that does not
    vary has the bin from zero to one.
    """
    if not len(masses.values):
        return np.array([0.0, 1.0])
    scored = Masses(scores.of_rows(masses.values), masses.mass).merged()
    edges = scored.values
    if len(edges) > n_bins + 1:
        heavy = scored.is_heavy(n_bins + 1)
        light = Masses(edges[~heavy], scored.mass[~heavy]).evened()
        steps = light.quantile_steps(np.linspace(0, 1, n_bins + 1 - np.count_nonzero(heavy)))
        edges = np.unique(np.concatenate([edges[heavy], _halfway(light.values, *steps)]))
    edges = _apart(edges)
    return edges if len(edges) > 1 else np.array([edges[0], edges[0] + 1])


def _first_of_ties(x: np.ndarray) -> np.ndarray:
    """Positions of the first of equal neighbours."""
    return np.flatnonzero(np.concatenate([[True], x[1:] != x[:-1]]))


def _halfway(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    return np.where(low == high, values[low], 0.5 * values[low] + 0.5 * values[high])


def _apart(edges: np.ndarray) -> np.ndarray:
    """Edges of which neighbours are not too near; the first and the last stay."""
    kept = [edges[0]]
    for edge in edges[1:]:
        if edge - kept[-1] >= NARROWEST:
            kept.append(edge)
    if edges[-1] > kept[-1] and len(kept) > 1:
        kept[-1] = edges[-1]
    return np.array(kept)
