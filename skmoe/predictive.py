"""The mixture as a distribution: mean, variance, density, quantiles, draws, scores.

p(y | x) = sum_k g_k(x) f_k(y | x)

With several outputs the density is that of all of them together; moments, quantiles and scores are those of each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_random_state

from .experts.linear import LinearPredictive
from .marginal import Marginal
from .mixture import normalized
from .outputs import joined


class MixtureDistribution:
    """Predictive distribution of each row: a mixture of the experts' distributions, weighted by the gate.

    Made by ``predict_dist`` of `MoERegressor` and `SparseMoERegressor`. Arguments broadcast by row: a scalar or an
    array of shape (n_rows,) gives (n_rows,); an array of shape (n_rows, m) or (1, m) gives (n_rows, m).

    Of several outputs a point has its outputs on a last axis: (n_outputs,) for all rows, (n_rows, n_outputs) one a row,
    (n_rows, m, n_outputs) or (1, m, n_outputs) m a row; a scalar stands for all outputs. `pdf` and `logpdf` are those
    of all outputs together, (n_rows,) or (n_rows, m), in which an expert that explains one output well lends weight to
    what it says of the others. `cdf`, `ppf`, `crps`, `mean`, `var`, `std` and `interval` are those of each output, with
    the outputs on a last axis; levels of `ppf` are the same for all outputs and have no such axis. `marginal` gives the
    distribution of one output alone.

    Parameters
    ----------
    log_weight : ndarray of shape (n_experts, n_rows)
        Log prior of each expert; minus infinity where an expert does not take part.
    parts : sequence of (ndarray, LinearPredictive)
        Experts and their distributions.
    """

    def __init__(self, log_weight: np.ndarray, parts: Sequence[tuple[np.ndarray, LinearPredictive]]):
        self._log_weight, self._parts = log_weight, list(parts)

    def __len__(self) -> int:
        return self._log_weight.shape[1]

    def __repr__(self) -> str:
        outputs = f", n_outputs={self.n_outputs}" if self.n_outputs > 1 else ""
        return f"MixtureDistribution(n_rows={len(self)}, n_experts={len(self._log_weight)}{outputs})"

    # -- outputs -------------------------------------------------------------------------------------------------------

    @property
    def n_outputs(self) -> int:
        """Number of outputs."""
        return self._parts[0][1].n_outputs

    @cached_property
    def _marginals(self) -> list[Marginal]:
        return [Marginal(self._log_weight, self._parts_of(j)) for j in range(self.n_outputs)]

    def _parts_of(self, output: int) -> list[tuple[np.ndarray, LinearPredictive]]:
        return [(leaves, part.output(output)) for leaves, part in self._parts]

    def marginal(self, output: int) -> MixtureDistribution:
        """Distribution of one output, whatever the others are.

        Parameters
        ----------
        output : int
            Its number, from 0.

        Returns
        -------
        MixtureDistribution
            Of one output, so without an axis of outputs anywhere.

        Raises
        ------
        ValueError
            Where there is no such output.
        """
        if not isinstance(output, Integral) or not 0 <= output < self.n_outputs:
            raise ValueError(f"output={output!r}: expected an int from 0 to {self.n_outputs - 1}.")
        return MixtureDistribution(self._log_weight, self._parts_of(int(output)))

    def _each(self, read: Callable[[Marginal], np.ndarray]) -> np.ndarray:
        """What is read of each output."""
        return joined(read(one) for one in self._marginals)

    def _column(self, read: Callable[[Marginal, np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
        """A function of points (n_outputs, n_rows) that reads each output at its own."""
        return lambda points: joined(read(one, at) for one, at in zip(self._marginals, points, strict=True))

    # -- broadcasting --------------------------------------------------------------------------------------------------

    def _by_row(self, column: Callable[[np.ndarray], np.ndarray], points: object) -> np.ndarray:
        """Evaluate a function of points (n_outputs, n_rows) on one point for all rows, one a row, or m a row."""
        n, q = len(self), self.n_outputs
        given = np.asarray(points, dtype=np.float64)
        array = given[..., None] if q == 1 else np.broadcast_to(given, given.shape or (q,))
        if array.shape in ((q,), (n, q)):
            return column(np.broadcast_to(array, (n, q)).T)
        if array.ndim == 3 and array.shape[0] in (1, n) and array.shape[2] == q:
            wide = np.broadcast_to(array, (n, *array.shape[1:])).transpose(1, 2, 0)
            columns = [column(points) for points in wide] or [column(np.zeros((q, n)))]  # of no points only the shape
            return np.stack(columns, axis=1)[:, : len(wide)]
        shapes = f"({n},), ({n}, m) or (1, m)" if q == 1 else f"({n}, {q}), ({n}, m, {q}) or (1, m, {q})"
        raise ValueError(f"Expected a scalar or an array of shape {shapes} for {n} rows, got {given.shape}.")

    # -- of all outputs together ---------------------------------------------------------------------------------------

    def logpdf(self, y: object) -> np.ndarray:
        """Log density in nats (log probability for counts); of several outputs together."""
        return self._by_row(self._logpdf, y)

    def _logpdf(self, y: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):  # at the ends of the line the density is zero
            return normalized(self._log_weight + sum(m.log_prob(at) for m, at in zip(self._marginals, y, strict=True)))[
                0
            ]

    def pdf(self, y: object) -> np.ndarray:
        """Density (probability for counts); of several outputs together."""
        return np.exp(self.logpdf(y))

    def rvs(self, size: int | None = None, random_state: int | np.random.RandomState | None = None) -> np.ndarray:
        """Draws of each row: (n_rows,), or (n_rows, size); with several outputs on a last axis, drawn together."""
        if size is not None and (not isinstance(size, Integral) or size < 0):
            raise ValueError(f"size must be None, or an int, the draws of each row, got {size!r}.")
        rng = np.random.default_rng(check_random_state(random_state).randint(np.iinfo(np.int32).max))
        n_draws = 1 if size is None else int(size)
        draws = np.empty((n_draws, self.n_outputs, len(self)))
        for draw in draws:
            draw[:] = self._draw(rng)
        by_row = joined(draws.transpose(1, 2, 0))
        return by_row[:, 0] if size is None else by_row

    def _draw(self, rng: np.random.Generator) -> np.ndarray:
        cumulative = np.cumsum(np.exp(self._log_weight), axis=0)
        expert = (cumulative < rng.random(len(self)) * cumulative[-1]).sum(axis=0)
        own = expert, np.arange(len(self))  # the same expert for all outputs
        return np.stack([one.experts(lambda part: part.sample(rng))[own] for one in self._marginals])

    def entropy(self) -> np.ndarray:
        """Differential entropy of each row in nats (entropy for counts), (n_rows,).

        Raises
        ------
        ValueError
            Where there are several outputs, or counts and continuous experts.
        """
        if self.n_outputs > 1:
            raise ValueError(
                f"The entropy of {self.n_outputs} outputs together is an integral over all of them, which is not "
                "computed. marginal(j).entropy() is that of output j alone."
            )
        return self._marginals[0].entropy()

    # -- of each output ------------------------------------------------------------------------------------------------

    def cdf(self, y: object) -> np.ndarray:
        """Probability of at most y."""
        return self._by_row(self._column(Marginal.cdf), y)

    def ppf(self, q: object) -> np.ndarray:
        """Quantile: the smallest y with ``cdf(y) >= q``; NaN for q outside [0, 1]."""
        levels = np.asarray(q, dtype=np.float64)
        if self.n_outputs > 1:
            levels = np.broadcast_to(levels[..., None], (*levels.shape, self.n_outputs))
        return self._by_row(self._column(Marginal.ppf), levels)

    def expert_means(self) -> np.ndarray:
        """Mean of each expert's own distribution, (n_experts, n_rows)."""
        return self._each(Marginal.means)

    def mean(self) -> np.ndarray:
        """Mean of each row, (n_rows,)."""
        return self._each(Marginal.mean)

    def var(self) -> np.ndarray:
        """Variance of each row, (n_rows,), by the law of total variance.

        .. math:: \\mathrm{Var}(y) = \\sum_k g_k (\\sigma_k^2 + (\\mu_k - \\mu)^2)
        """
        return self._each(Marginal.var)

    def std(self) -> np.ndarray:
        """Standard deviation of each row, (n_rows,)."""
        return np.sqrt(self.var())

    def interval(self, coverage: float = 0.9) -> np.ndarray:
        """Central interval of each row, (n_rows, 2): quantiles of (1 - coverage)/2 and (1 + coverage)/2."""
        return self.ppf(central_levels(coverage)[None])

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
        return self._by_row(self._column(Marginal.crps), y)


def central_levels(coverage: float) -> np.ndarray:
    """Levels of the ends of a central interval, (2,).

    Examples
    --------
    >>> central_levels(0.5)
    array([0.25, 0.75])
    """
    if not isinstance(coverage, Real) or not 0 < coverage < 1:
        raise ValueError(f"coverage must be between 0 and 1 (exclusive), got {coverage!r}.")
    return np.array([0.5 * (1 - coverage), 0.5 * (1 + coverage)])
