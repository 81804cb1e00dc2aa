"""Information criteria of fitted mixtures: AIC, BIC, ICL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ._validation import check_weight
from .model import FittedMixture


class Criteria:
    """Criteria that compare maximum-likelihood fits; a part of `skmoe._estimator.MixtureOfExperts`."""

    n_parameters_: int
    members_: list[Any]
    _fitted: FittedMixture
    _rows_and_response: Callable[[Any, Any], tuple[np.ndarray, np.ndarray]]

    def aic(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Akaike's criterion ``-2 log L + 2 n_parameters_``; lower is better.

        Counts all parameters as free, so it compares models best where the ridges are small.

        Parameters
        ----------
        X : array-like, sparse matrix or RowSource of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs_)
        sample_weight : array-like of shape (n_samples,), default=None
            Counts of the rows.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            Where the fit is an average.
        """
        log_likelihood, _, _ = self._criterion(X, y, sample_weight, "aic")
        return -2 * log_likelihood + 2 * self.n_parameters_

    def bic(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Schwarz's criterion ``-2 log L + n_parameters_ log n``, n the sum of weights; lower is better.

        L is the likelihood of y given x. A Gaussian gate does not maximise it, and its parameters are those of the
        joint density: one normal density of x too many, whatever the number of experts. Both make the criterion too
        high beside that of other gates; compare those by held-out `log_prob`.

        Parameters
        ----------
        X : array-like, sparse matrix or RowSource of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs_)
        sample_weight : array-like of shape (n_samples,), default=None
            Counts of the rows.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            Where the fit is an average.
        """
        log_likelihood, n, _ = self._criterion(X, y, sample_weight, "bic")
        return -2 * log_likelihood + self.n_parameters_ * float(np.log(n))

    def icl(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Integrated completed likelihood: `bic` plus twice the entropy of the responsibilities; lower is better.

        Parameters
        ----------
        X : array-like, sparse matrix or RowSource of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs_)
        sample_weight : array-like of shape (n_samples,), default=None
            Counts of the rows.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            Where the fit is an average.

        References
        ----------
        Biernacki, Celeux & Govaert (2000). https://doi.org/10.1109/34.865189
        """
        log_likelihood, n, entropy = self._criterion(X, y, sample_weight, "icl")
        return -2 * log_likelihood + self.n_parameters_ * float(np.log(n)) + 2 * entropy

    def _criterion(self, X: Any, y: Any, sample_weight: Any, name: str) -> tuple[float, float, float]:
        """Log-likelihood, sum of weights and total entropy of the responsibilities."""
        check_is_fitted(self)
        if len(getattr(self, "members_", [])) > 1:
            raise ValueError(
                f"{name} compares maximum-likelihood fits, and an average of {len(self.members_)} fits is none. "
                f"Use members_[0].{name}(X, y), or fit with combine_inits='best'."
            )
        X, coded = self._rows_and_response(X, y)
        weight = check_weight(sample_weight, X)
        log_prob, h = self._fitted.evaluate(X, coded)
        entropy = -(h * np.log(np.where(h > 0, h, 1.0))).sum(axis=1)
        return float(log_prob @ weight), float(weight.sum()), float(entropy @ weight)
