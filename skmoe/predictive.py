"""The mixture as a distribution: mean, variance, density, quantiles, draws, scores.

p(y | x) = sum_k g_k(x) f_k(y | x)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from scipy.special import erf
from sklearn.utils import check_random_state

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


class MixtureDistribution:
    """Predictive distribution of each row: a mixture of the experts' distributions, weighted by the gate.

    Made by ``MoERegressor.predict_dist``. Arguments broadcast by row: a scalar or an array of shape (n_rows,) gives
    (n_rows,); an array of shape (n_rows, m) or (1, m) gives (n_rows, m).

    Parameters
    ----------
    log_weight : ndarray of shape (n_experts, n_rows)
        Log prior of each expert; minus infinity where an expert does not take part.
    parts : sequence of (ndarray, LinearPredictive)
        Experts and their distributions.
    """

    def __init__(self, log_weight: np.ndarray, parts: Sequence[tuple[np.ndarray, LinearPredictive]]):
        self._log_weight = log_weight
        self._weight = np.exp(log_weight)
        self._parts = list(parts)

    def __len__(self) -> int:
        return self._log_weight.shape[1]

    def __repr__(self) -> str:
        return f"MixtureDistribution(n_rows={len(self)}, n_experts={len(self._log_weight)})"

    # -- one column of arguments ---------------------------------------------------------------------------------------

    def _experts(self, read: Callable[[LinearPredictive], np.ndarray]) -> np.ndarray:
        """What is read of every expert, (n_experts, n_rows)."""
        out = np.empty(self._log_weight.shape)
        for leaves, part in self._parts:
            out[leaves] = read(part)[:, 0]
        return out

    def _mixed(self, read: Callable[[LinearPredictive], np.ndarray]) -> np.ndarray:
        values = self._experts(read)
        # An infinite value of an expert that does not take part is nothing, not NaN.
        return np.einsum("kn,kn->n", self._weight, np.where(self._weight > 0, values, 0.0))

    def _rows(self, rows: np.ndarray) -> MixtureDistribution:
        return MixtureDistribution(
            self._log_weight[:, rows], [(leaves, part.rows(rows)) for leaves, part in self._parts]
        )

    @property
    def _discrete(self) -> bool:
        return all(part.family.discrete for _, part in self._parts)

    def _logpdf(self, y: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):  # at the ends of the line the density is zero
            return normalized(self._log_weight + self._experts(lambda part: part.log_prob(y)))[0]

    def _cdf(self, y: np.ndarray) -> np.ndarray:
        return np.clip(self._mixed(lambda part: part.cdf(y)), 0.0, 1.0)

    def _ppf(self, q: np.ndarray) -> np.ndarray:
        """Between the smallest and the largest of the experts' own quantiles."""
        quantiles = self._experts(lambda part: part.ppf(q))
        takes_part = self._weight > 0
        low = np.where(takes_part, quantiles, np.inf).min(axis=0)
        high = np.where(takes_part, quantiles, -np.inf).max(axis=0)
        open_ = np.isfinite(low) & np.isfinite(high)
        out = np.where(np.isfinite(low), high, low)  # levels 0 and 1
        out[np.isnan(q) | (q < 0) | (q > 1)] = np.nan
        rows = np.flatnonzero(open_ & ~np.isnan(out))
        if self._discrete:
            out[rows] = self._rows(rows)._discrete_root(q[rows], low[rows], high[rows])
        elif rows.size:
            inner = self._rows(rows)

            def curve(x: np.ndarray, active: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
                some = inner._rows(active)
                return some._cdf(x), np.exp(some._logpdf(x))

            out[rows] = increasing_root(curve, q[rows], low[rows], high[rows])
        return out

    def _discrete_root(self, q: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Bisection over the integers for the smallest y with ``cdf(y) >= q``."""
        below = low - 1
        while (high - below > 1).any():
            middle = np.floor(0.5 * (below + high))
            reached = self._cdf(middle) >= q
            high, below = np.where(reached, middle, high), np.where(reached, below, middle)
        return high

    # -- broadcasting --------------------------------------------------------------------------------------------------

    def _by_row(self, column: Callable[[np.ndarray], np.ndarray], values: object) -> np.ndarray:
        """Evaluate a function of (n_rows,) on a scalar, (n_rows,), (n_rows, m) or (1, m)."""
        n = len(self)
        array = np.asarray(values, dtype=np.float64)
        if array.ndim == 0 or array.shape == (n,):
            return column(np.broadcast_to(array, (n,)))
        if array.ndim == 2 and array.shape[0] in (1, n):
            wide = np.broadcast_to(array, (n, array.shape[1]))
            return np.stack([column(wide[:, j]) for j in range(wide.shape[1])], axis=1) if wide.size else wide.copy()
        raise ValueError(
            f"Expected a scalar or an array of shape ({n},), ({n}, m) or (1, m) for {n} rows, got {array.shape}."
        )

    # -- public --------------------------------------------------------------------------------------------------------

    def logpdf(self, y: object) -> np.ndarray:
        """Log density in nats (log probability for counts)."""
        return self._by_row(self._logpdf, y)

    def pdf(self, y: object) -> np.ndarray:
        """Density (probability for counts)."""
        return np.exp(self.logpdf(y))

    def cdf(self, y: object) -> np.ndarray:
        """Probability of at most y."""
        return self._by_row(self._cdf, y)

    def ppf(self, q: object) -> np.ndarray:
        """Quantile: the smallest y with ``cdf(y) >= q``; NaN for q outside [0, 1]."""
        return self._by_row(self._ppf, q)

    def expert_means(self) -> np.ndarray:
        """Mean of each expert's own distribution, (n_experts, n_rows)."""
        return self._experts(lambda part: part.mean())

    def mean(self) -> np.ndarray:
        """Mean of each row, (n_rows,)."""
        return self._mixed(lambda part: part.mean())

    def var(self) -> np.ndarray:
        """Variance of each row, (n_rows,), by the law of total variance.

        .. math:: \\mathrm{Var}(y) = \\sum_k g_k (\\sigma_k^2 + (\\mu_k - \\mu)^2)
        """
        mean = self.mean()
        return self._mixed(lambda part: part.variance() + np.square(part.mean() - mean))

    def std(self) -> np.ndarray:
        """Standard deviation of each row, (n_rows,)."""
        return np.sqrt(self.var())

    def interval(self, coverage: float = 0.9) -> np.ndarray:
        """Central interval of each row, (n_rows, 2): quantiles of (1 - coverage)/2 and (1 + coverage)/2."""
        if not 0 < coverage < 1:
            raise ValueError(f"coverage must be between 0 and 1 (exclusive), got {coverage!r}.")
        return self.ppf([[0.5 * (1 - coverage), 0.5 * (1 + coverage)]])

    def rvs(self, size: int | None = None, random_state: int | np.random.RandomState | None = None) -> np.ndarray:
        """Draws of each row: (n_rows,), or (n_rows, size)."""
        rng = np.random.default_rng(check_random_state(random_state).randint(np.iinfo(np.int32).max))
        draws = np.empty((len(self), 1 if size is None else size))
        for column in draws.T:
            column[:] = self._draw(rng)
        return draws[:, 0] if size is None else draws

    def _draw(self, rng: np.random.Generator) -> np.ndarray:
        cumulative = np.cumsum(self._weight, axis=0)
        expert = (cumulative < rng.random(len(self)) * cumulative[-1]).sum(axis=0)
        return self._experts(lambda part: part.sample(rng))[expert, np.arange(len(self))]

    def crps(self, y: object) -> np.ndarray:
        """Continuous ranked probability score, in units of y; lower is better.

        .. math:: \\mathrm{CRPS}(y) = \\int (F(z) - 1[z \\ge y])^2 \\, dz

        Mixtures of Gaussians have the closed form

        .. math:: \\sum_k g_k A(y - \\mu_k, s_k)
                  - \\tfrac12 \\sum_{k,l} g_k g_l A\\big(\\mu_k - \\mu_l, \\sqrt{s_k^2 + s_l^2}\\big),
                  \\qquad A(m, s) = E|m + s Z|

        Others are integrated by composite Gauss-Legendre quadrature between quantiles of the experts, to a relative
        accuracy of about 1e-6. It is infinite, and not to be used, where a Student-t expert has at most half a degree
        of freedom.

        References
        ----------
        Gneiting & Raftery (2007), Strictly proper scoring rules, prediction, and estimation.
        https://doi.org/10.1198/016214506000001437

        Grimit, Gneiting, Berrocal & Johnson (2006), The continuous ranked probability score for circular variables and
        its application to mesoscale forecast ensemble verification. https://doi.org/10.1256/qj.05.235
        """
        if not all(part.family.normal for _, part in self._parts):
            return self._by_row(self._integrated_crps, y)
        mean, sd = self.expert_means(), np.sqrt(self._experts(lambda part: part.variance()))
        pairs = sum(
            w * _absolute_mean(m - mean, np.hypot(s, sd)) for w, m, s in zip(self._weight, mean, sd, strict=True)
        )
        spread = 0.5 * (self._weight * pairs).sum(axis=0)
        return self._by_row(lambda at: (self._weight * _absolute_mean(at - mean, sd)).sum(axis=0) - spread, y)

    def _integrated_crps(self, y: np.ndarray) -> np.ndarray:
        def integrand(some: MixtureDistribution, z: np.ndarray, at: np.ndarray) -> np.ndarray:
            return np.square(some._cdf(z) - (z >= at))

        return self._integral(integrand, y)

    def entropy(self) -> np.ndarray:
        """Differential entropy of each row in nats (entropy for counts), (n_rows,)."""
        if not self._discrete and any(part.family.discrete for _, part in self._parts):
            raise ValueError("A mixture of counts and continuous experts has no density, so no entropy.")

        def integrand(some: MixtureDistribution, z: np.ndarray, _: np.ndarray) -> np.ndarray:
            log_prob = some._logpdf(np.floor(z) if some._discrete else z)
            return -np.exp(log_prob) * log_prob

        return self._integral(integrand, None)

    def _integral(
        self, integrand: Callable[[MixtureDistribution, np.ndarray, np.ndarray], np.ndarray], y: np.ndarray | None
    ) -> np.ndarray:
        """Integral over the real line, piece by piece between break points of each row."""
        abscissas, weights = np.polynomial.legendre.leggauss(_N_NODES)
        out = np.empty(len(self))
        for first in range(0, len(self), _ROWS):
            rows = np.arange(first, min(first + _ROWS, len(self)))
            some = self._rows(rows)
            breaks = some._breaks(None if y is None else y[rows])
            width, n_pieces = np.diff(breaks, axis=1), breaks.shape[1] - 1
            nodes = (breaks[:, :-1, None] + width[..., None] * (0.5 + 0.5 * abscissas)).reshape(len(rows), -1)
            flat = some._rows(np.repeat(np.arange(len(rows)), nodes.shape[1]))
            at = np.repeat(np.zeros(len(rows)) if y is None else y[rows], nodes.shape[1])
            values = integrand(flat, nodes.ravel(), at).reshape(len(rows), n_pieces, _N_NODES)
            out[rows] = (0.5 * width * (values @ weights)).sum(axis=1)
        return out

    def _breaks(self, y: np.ndarray | None) -> np.ndarray:
        """Rising points (n_rows, n_breaks) between which the integrand is smooth: quantiles of all experts, and y."""
        levels = np.concatenate([_LEVELS, 1 - _LEVELS])
        columns = [self._experts(partial(LinearPredictive.ppf, q=q)) for q in levels]
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
