"""What a fitted mixture tells of rows, whatever it predicts: gates, responsibilities, densities, its experts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .model import FittedMixture
from .reading import Reading
from .routing import RoutingReport, routing_report
from .summary import summary_table


class Readable:
    """What both estimators tell; a part of `skmoe._estimator.MixtureOfExperts`."""

    expert_share_: np.ndarray
    expert_coef_: np.ndarray
    expert_intercept_: np.ndarray
    _fitted: FittedMixture
    _reading: Callable[..., Reading]
    _rows_and_response: Callable[[Any, Any], tuple[np.ndarray, np.ndarray]]
    _names: Callable[[], list[str]]
    _output_labels: Callable[[], list]

    def gate_proba(self, X: Any) -> np.ndarray:
        """Prior probability of each expert given x.

        Parameters
        ----------
        X : array-like, sparse matrix or RowSource of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_experts_)
            ``g_k(x)``; rows sum to one. `top_k` plays no part.
        """
        return self._reading(X).prior()

    def apply(self, X: Any) -> np.ndarray:
        """Most probable expert of each row before y is seen.

        Parameters
        ----------
        X : array-like, sparse matrix or RowSource of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        return self._reading(X).prior().argmax(axis=1)

    def responsibilities(self, X: Any, y: Any) -> np.ndarray:
        """Posterior probability of each expert given x and y.

        .. math:: h_k(x, y) = g_k(x) f_k(y \\mid x) / p(y \\mid x)

        Parameters
        ----------
        X : array-like, sparse matrix or RowSource of shape (n_samples, n_features)
        y : array-like of shape (n_samples,), or (n_samples, n_outputs)

        Returns
        -------
        ndarray of shape (n_samples, n_experts_)
        """
        X, coded = self._rows_and_response(X, y)
        return self._fitted.evaluate(X, coded).responsibilities

    def log_prob(self, X: Any, y: Any) -> np.ndarray:
        """Log density of the response given x in nats (log probability for classes and counts).

        Parameters
        ----------
        X : array-like, sparse matrix or RowSource of shape (n_samples, n_features)
        y : array-like of shape (n_samples,), or (n_samples, n_outputs)

        Returns
        -------
        ndarray of shape (n_samples,)
            Of several outputs together.
        """
        X, coded = self._rows_and_response(X, y)
        return self._fitted.evaluate(X, coded).log_prob

    def routing_report(self, X: Any, y: Any = None) -> RoutingReport:
        """Usage and entropies of the experts over rows.

        Parameters
        ----------
        X : array-like, sparse matrix or RowSource of shape (n_samples, n_features)
        y : array-like of shape (n_samples,), default=None
            With y the report is of the responsibilities, without of the gate.

        Returns
        -------
        RoutingReport
        """
        return routing_report(self.gate_proba(X) if y is None else self.responsibilities(X, y))

    def summary(self) -> Any:
        """The experts as a table: one row an expert, with its share, scale and coefficients by feature name.

        Of several outputs, or more than two classes, columns are named ``"scale [output]"``, ``"feature [output]"``.

        Returns
        -------
        pandas.DataFrame
        """
        check_is_fitted(self)
        coefficients = (getattr(self, "expert_scale_", None), self.expert_intercept_, self.expert_coef_)
        return summary_table(self.expert_share_, *coefficients, names=self._names(), labels=self._output_labels())
