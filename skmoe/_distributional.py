"""What a regressor predicts: the mixture at every row as a distribution, and what is read from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._validation import check_n_samples
from .predictive import MixtureDistribution, central_levels


class Distributional:
    """Predictions of numbers; a part of `skmoe.MoERegressor` and `skmoe.neural.SparseMoERegressor`."""

    top_k: int | None
    #: Of rows what has ``mean()``, ``moments()`` and ``quantiles(levels)``.
    _reading: Any
    _distribution: Callable[[Any], MixtureDistribution]

    def _output_labels(self) -> list[str]:
        """Names of several outputs; one has none."""
        return getattr(self, "output_names_", [])

    def predict(self, X: Any, return_std: bool = False) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Mean of the predictive distribution.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of whatever kind `fit` takes.
        return_std : bool, default=False
            Whether to return the standard deviation as well.

        Returns
        -------
        ndarray of shape (n_samples[, n_outputs_]), or a pair of them
        """
        reading = self._reading(X, self.top_k)
        if not return_std:
            return reading.mean()
        mean, variance = reading.moments()
        return mean, np.sqrt(variance).astype(mean.dtype, copy=False)

    def predict_var(self, X: Any) -> np.ndarray:
        """Variance of the predictive distribution, by the law of total variance.

        .. math:: \\mathrm{Var}(y \\mid x) = \\sum_k g_k (\\sigma_k^2 + (\\mu_k - \\mu)^2)

        The second term, the disagreement between experts, is part of it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of whatever kind `fit` takes.

        Returns
        -------
        ndarray of shape (n_samples[, n_outputs_])
        """
        mean, variance = self._reading(X, self.top_k).moments()
        with np.errstate(over="ignore", under="ignore"):  # squares of units may leave single precision
            return variance.astype(mean.dtype, copy=False)

    def predict_quantile(self, X: Any, q: Any) -> np.ndarray:
        """Quantiles of the predictive distribution, of each output by itself.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of whatever kind `fit` takes.
        q : float or array-like of shape (n_levels,)
            Levels between 0 and 1, both excluded.

        Returns
        -------
        ndarray of shape (n_samples, n_levels[, n_outputs_]), without the axis of levels for a scalar
        """
        try:
            levels = np.asarray(q, dtype=np.float64)
        except (TypeError, ValueError):
            levels = np.array(np.nan)
        if levels.ndim > 1 or not ((levels > 0) & (levels < 1)).all():
            raise ValueError(f"q must be a level, or a list of levels, between 0 and 1 (both excluded), got {q!r}.")
        quantiles = self._reading(X, self.top_k).quantiles(np.atleast_1d(levels))
        return quantiles if levels.ndim else quantiles[:, 0]

    def predict_interval(self, X: Any, coverage: float = 0.9) -> np.ndarray:
        """Central interval that holds y with probability ``coverage``.

        Of several outputs each interval holds its own output with that probability, so all together hold less.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of whatever kind `fit` takes.
        coverage : float, default=0.9
            Between 0 and 1, both excluded.

        Returns
        -------
        ndarray of shape (n_samples, 2[, n_outputs_])
        """
        return self._reading(X, self.top_k).quantiles(central_levels(coverage))

    def predict_dist(self, X: Any) -> MixtureDistribution:
        """Predictive distribution of every row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of whatever kind `fit` takes.

        Returns
        -------
        MixtureDistribution
            With ``pdf logpdf cdf ppf mean var std interval rvs crps entropy``, and ``marginal`` of several outputs.
        """
        return self._distribution(X)

    def sample(self, X: Any, n_samples: int = 1, random_state: int | np.random.RandomState | None = None) -> np.ndarray:
        """Draws from the predictive distribution.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows of whatever kind `fit` takes.
        n_samples : int >= 1, default=1
            Draws a row.
        random_state : int, RandomState or None, default=None

        Returns
        -------
        ndarray of shape (n_rows, n_samples[, n_outputs_])
        """
        return self.predict_dist(X).rvs(check_n_samples(n_samples), random_state)
