"""One output of a mixture at every row: moments, quantiles, scores.

F(y | x) = sum_k g_k(x) F_k(y | x)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial

import numpy as np
from scipy.special import erf, ndtri

from . import kernels
from .experts.linear import LinearPredictive
from .mixture import normalized
from .quantiles import increasing_root

#: Tail probabilities between which densities are integrated, half a decade apart, for each expert on both sides.
_LEVELS = 10.0 ** -np.arange(0.5, 12.5, 0.5)
#: Gauss-Legendre nodes between two of them.
_N_NODES = 8
#: Most whole numbers between which counts are summed one by one; counts that spread further are nearly continuous.
_MOST_STEPS = 500
#: Rows integrated at once, to bound memory.
_ROWS = 16


class Marginal:
    """Distribution of one output at each row. What is asked of it and what it answers has one entry a row, (n_rows,).

    Parameters
    ----------
    log_weight : ndarray of shape (n_experts, n_rows)
        Log prior of each expert; minus infinity where an expert does not take part.
    parts : sequence of (ndarray, LinearPredictive)
        Experts and their distributions of this output.
    """

    def __init__(self, log_weight: np.ndarray, parts: Sequence[tuple[np.ndarray, LinearPredictive]]):
        self._log_weight, self._parts = log_weight, list(parts)

    @cached_property
    def _weight(self) -> np.ndarray:
        return np.exp(np.ascontiguousarray(self._log_weight))

    def rows(self, index: np.ndarray) -> Marginal:
        """The same at some of the rows."""
        return Marginal(self._log_weight[:, index], [(leaves, part.rows(index)) for leaves, part in self._parts])

    # -- experts -------------------------------------------------------------------------------------------------------

    def experts(self, read: Callable[[LinearPredictive], np.ndarray]) -> np.ndarray:
        """What is read of every expert, (n_experts, n_rows)."""
        out = np.empty(self._log_weight.shape)
        for leaves, part in self._parts:
            out[leaves] = read(part)[:, 0]
        return out

    def log_prob(self, y: np.ndarray) -> np.ndarray:
        """Log density of each expert, (n_experts, n_rows)."""
        return self.experts(lambda part: part.log_prob(y))

    def means(self) -> np.ndarray:
        """Mean of each expert, (n_experts, n_rows)."""
        return self.experts(LinearPredictive.mean)

    def _mixed(self, values: np.ndarray) -> np.ndarray:
        # An infinite value of an expert that does not take part is nothing, not NaN.
        return np.einsum("kn,kn->n", self._weight, np.where(self._weight > 0, values, 0.0))

    @property
    def discrete(self) -> bool:
        return all(part.family.discrete for _, part in self._parts)

    @property
    def _normal(self) -> bool:
        return all(part.family.normal for _, part in self._parts)

    @cached_property
    def _gaussian(self) -> tuple[np.ndarray, np.ndarray]:
        """Means and sds of Gaussian experts, (n_experts, n_rows)."""
        return self.means(), np.sqrt(self.experts(LinearPredictive.variance))

    # -- the mixture ---------------------------------------------------------------------------------------------------

    def mean(self) -> np.ndarray:
        return self._mixed(self.means())

    def var(self) -> np.ndarray:
        mean = self.mean()
        return self._mixed(self.experts(lambda part: part.variance() + np.square(part.mean() - mean)))

    def logpdf(self, y: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):  # at the ends of the line the density is zero
            return normalized(self._log_weight + self.log_prob(y))[0]

    def cdf(self, y: np.ndarray) -> np.ndarray:
        return np.clip(self._mixed(self.experts(lambda part: part.cdf(y))), 0.0, 1.0)

    def ppf(self, q: np.ndarray) -> np.ndarray:
        """Between the smallest and the largest of the experts' own quantiles."""
        if self._normal:
            return self._normal_quantile(q)
        quantiles = self.experts(lambda part: part.ppf(q))
        takes_part = self._weight > 0
        low = np.where(takes_part, quantiles, np.inf).min(axis=0)
        high = np.where(takes_part, quantiles, -np.inf).max(axis=0)
        open_ = np.isfinite(low) & np.isfinite(high)
        out = np.where(np.isfinite(low), high, low)  # levels 0 and 1
        out[np.isnan(q) | (q < 0) | (q > 1)] = np.nan
        rows = np.flatnonzero(open_ & ~np.isnan(out))
        if self.discrete:
            out[rows] = self.rows(rows)._discrete_root(q[rows], low[rows], high[rows])
        elif rows.size:
            inner = self.rows(rows)

            def curve(x: np.ndarray, active: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
                some = inner.rows(active)
                return some.cdf(x), np.exp(some.logpdf(x))

            out[rows] = increasing_root(curve, q[rows], low[rows], high[rows])
        return out

    def _normal_quantile(self, q: np.ndarray) -> np.ndarray:
        mean, sd = self._gaussian
        out = np.empty(len(q))
        kernels.quantile.gaussian_quantile(self._weight, mean, sd, np.ascontiguousarray(q), ndtri(q), out)
        return out

    def _discrete_root(self, q: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Bisection over the integers for the smallest y with ``cdf(y) >= q``."""
        below = low - 1
        while (high - below > 1).any():
            middle = np.floor(0.5 * (below + high))
            reached = self.cdf(middle) >= q
            high, below = np.where(reached, middle, high), np.where(reached, below, middle)
        return high

    # -- scores --------------------------------------------------------------------------------------------------------

    def crps(self, y: np.ndarray) -> np.ndarray:
        if not self._normal:
            return self._integrated_crps(y)
        mean, sd = self._gaussian
        return (self._weight * _absolute_mean(y - mean, sd)).sum(axis=0) - self._gaussian_spread

    @cached_property
    def _gaussian_spread(self) -> np.ndarray:
        """Half of the mean distance of two draws of Gaussian experts, (n_rows,)."""
        mean, sd = self._gaussian
        pairs = sum(
            w * _absolute_mean(m - mean, np.hypot(s, sd)) for w, m, s in zip(self._weight, mean, sd, strict=True)
        )
        return np.asarray(0.5 * (self._weight * pairs).sum(axis=0))

    def _integrated_crps(self, y: np.ndarray) -> np.ndarray:
        def integrand(some: Marginal, z: np.ndarray, at: np.ndarray) -> np.ndarray:
            return np.square(some.cdf(z) - (z >= at))

        return self._integral(integrand, y)

    def entropy(self) -> np.ndarray:
        if not self.discrete and any(part.family.discrete for _, part in self._parts):
            raise ValueError("A mixture of counts and continuous experts has no density, so no entropy.")

        def integrand(some: Marginal, z: np.ndarray, _: np.ndarray) -> np.ndarray:
            log_prob = some.logpdf(np.floor(z) if some.discrete else z)
            return -np.exp(log_prob) * log_prob

        return self._integral(integrand, None)

    def _integral(
        self, integrand: Callable[[Marginal, np.ndarray, np.ndarray], np.ndarray], y: np.ndarray | None
    ) -> np.ndarray:
        """Integral over the real line, piece by piece between break points of each row."""
        abscissas, weights = np.polynomial.legendre.leggauss(_N_NODES)
        n_rows = self._log_weight.shape[1]
        out = np.empty(n_rows)
        for first in range(0, n_rows, _ROWS):
            rows = np.arange(first, min(first + _ROWS, n_rows))
            some = self.rows(rows)
            breaks = some._breaks(None if y is None else y[rows])
            width, n_pieces = np.diff(breaks, axis=1), breaks.shape[1] - 1
            nodes = (breaks[:, :-1, None] + width[..., None] * (0.5 + 0.5 * abscissas)).reshape(len(rows), -1)
            flat = some.rows(np.repeat(np.arange(len(rows)), nodes.shape[1]))
            at = np.repeat(np.zeros(len(rows)) if y is None else y[rows], nodes.shape[1])
            values = integrand(flat, nodes.ravel(), at).reshape(len(rows), n_pieces, _N_NODES)
            out[rows] = (0.5 * width * (values @ weights)).sum(axis=1)
        return out

    def _breaks(self, y: np.ndarray | None) -> np.ndarray:
        """Rising points (n_rows, n_breaks) between which the integrand is smooth: quantiles of all experts, and y."""
        levels = np.concatenate([_LEVELS, 1 - _LEVELS])
        columns = [self.experts(partial(LinearPredictive.ppf, q=q)) for q in levels]
        points = np.concatenate(columns).T
        takes_part = np.tile(self._weight.T > 0, (1, len(levels)))
        first = np.where(takes_part, points, np.inf).min(axis=1, keepdims=True)
        points = np.where(takes_part, points, first)
        if y is not None:
            points = np.column_stack([points, y])
        if any(part.family.discrete for _, part in self._parts):
            low, high = np.floor(points.min(axis=1)), np.ceil(points.max(axis=1)) + 1
            steps = np.minimum(low[:, None] + np.arange(min((high - low).max(), _MOST_STEPS) + 1), high[:, None])
            points = np.column_stack([points, steps])
        return np.sort(points, axis=1)


def _absolute_mean(mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """E|Y| of a Gaussian."""
    z = mean / sd
    return sd * np.sqrt(2 / np.pi) * np.exp(-0.5 * np.square(z)) + mean * erf(z * np.sqrt(0.5))
