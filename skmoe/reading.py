"""Readings: what a fitted mixture says of rows, in numpy, chunk by chunk.

Every gate and every expert can be read so. Mixtures that compiled code knows are read by `skmoe.fused_reading`, which
answers the same questions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from .mixture import normalized
from .predictive import MixtureDistribution

if TYPE_CHECKING:
    from .model import FittedMixture


class Reading:
    """What a fitted mixture says of rows.

    Parameters
    ----------
    fitted : FittedMixture
    X : ndarray of shape (n_rows, n_features), or RowSource
        Asked for some rows at a time.
    top_k : int or None
        Predict with so many experts of each row, those of the largest prior, renormalised; None for all.
    n_jobs : int or None
        Threads that take parts of the rows.
    """

    def __init__(self, fitted: FittedMixture, X: np.ndarray, top_k: int | None = None, n_jobs: int | None = None):
        self.fitted, self.X, self.top_k, self.n_jobs = fitted, X, top_k, n_jobs

    def prior(self) -> np.ndarray:
        """Prior probabilities of all experts, (n_rows, n_experts)."""
        return np.exp(self.fitted.read(self.X, lambda log_prior, _: log_prior.T))

    def mean(self) -> np.ndarray:
        """Means, (n_rows[, n_outputs])."""
        return self._distributed(lambda dist: dist.mean())

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Means and variances, each (n_rows[, n_outputs])."""
        both = self._distributed(lambda dist: np.stack([dist.mean(), dist.var()], axis=1))
        return both[:, 0], both[:, 1]

    def quantiles(self, levels: np.ndarray) -> np.ndarray:
        """Quantiles of levels (n_levels,), each between 0 and 1, (n_rows, n_levels[, n_outputs])."""
        return self._distributed(lambda dist: dist.ppf(levels[None]))

    def class_proba(self) -> np.ndarray:
        """Probabilities of the classes, (n_rows, n_classes)."""
        proba = np.exp(self.class_log_proba())
        return np.asarray(proba / proba.sum(axis=1, keepdims=True))

    def class_log_proba(self) -> np.ndarray:
        """Log probabilities of the classes, accurate where probabilities underflow."""
        return self.classes(lambda log_prior, log_prob: normalized(log_prior[:, None] + log_prob)[0].T)

    def classes(self, read: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
        """What is read of log priors (n_experts, n_rows) and the experts' log probabilities of the classes,
        (n_experts, n_classes, n_rows)."""

        def of_all(log_prior: np.ndarray, parts: list) -> np.ndarray:
            log_prob = np.empty((len(log_prior), parts[0][1].log_prob.shape[1], log_prior.shape[1]))
            for leaves, part in parts:
                log_prob[leaves] = part.log_prob
            return read(log_prior, log_prob)

        return self.fitted.read(self.X, of_all, self.top_k)

    def _distributed(self, read: Callable[[MixtureDistribution], np.ndarray]) -> np.ndarray:
        return self.fitted.read(self.X, lambda *parts: read(MixtureDistribution(*parts)), self.top_k)
