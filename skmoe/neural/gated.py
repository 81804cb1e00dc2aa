"""What a fitted network tells of its gates, whatever it predicts."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..routing import RoutingReport, routing_report
from .fitted import FittedNetwork
from .raw_columns import RawColumns


class Gated:
    """What both neural estimators tell of their gates; a part of `skmoe.neural._estimator.SparseMixture`."""

    top_k_: int
    _network: FittedNetwork
    _raw: Callable[[Any], RawColumns]
    _readable: Callable[[], FittedNetwork]

    def gate_proba(self, X: Any, block: int = -1) -> np.ndarray:
        """Probability of each expert given x, before any are chosen.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)
        block : int, default=-1
            Which gate; the last is that of the head, whose experts answer with distributions.

        Returns
        -------
        ndarray of shape (n_samples, n_experts_)
            Mean over the members; rows sum to one. `top_k` plays no part.
        """
        return self._gated(X, block).proba.mean(axis=1)

    def apply(self, X: Any, block: int = -1) -> np.ndarray:
        """Most probable expert of each row before y is seen.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)
        block : int, default=-1

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        return self.gate_proba(X, block).argmax(axis=1)

    def routing_report(self, X: Any, block: int = -1) -> RoutingReport:
        """How evenly rows use the experts, and how sharply they are divided, at predict.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)
        block : int, default=-1

        Returns
        -------
        RoutingReport
            Of the weights with which experts are mixed, 0 for those that a row does not go to. Every member of every
            row counts as a row. A `skmoe.exceptions.CollapseWarning` says what is wrong.
        """
        weights = self._gated(X, block).weights
        return routing_report(weights.reshape(-1, weights.shape[-1]))

    def prune_routing(self, k: int) -> Self:
        """Send rows to fewer experts from now on, without training anything.

        Parameters
        ----------
        k : int
            Experts of a row, from 1 to `top_k_`.

        Returns
        -------
        self : object
            With a lower `top_k_`.

        Raises
        ------
        ValueError
            Where there is nothing to be left out, or a gate has no number of experts.
        """
        check_is_fitted(self)
        if not isinstance(k, Integral) or isinstance(k, bool) or not 1 <= k <= self.top_k_:
            raise ValueError(
                f"k={k!r}: expected an int from 1 to top_k_={self.top_k_}. Routing is pruned, never widened."
            )
        if any(rule is None for rule in self._network.architecture.rules):
            raise ValueError("This router does not choose a number of experts, so there is none to lower.")
        self._network = self._network.pruned(int(k))
        self.top_k_ = int(k)
        return self

    def _gated(self, X: Any, block: int) -> Any:
        raw = self._raw(X)
        n_blocks = self._network.architecture.n_blocks
        if not isinstance(block, Integral) or not -n_blocks <= block < n_blocks:
            raise ValueError(f"block={block!r}: expected an int from {-n_blocks} to {n_blocks - 1}.")
        return self._readable().gated(raw, int(block) % n_blocks)
