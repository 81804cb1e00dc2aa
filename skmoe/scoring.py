"""Scorers of predictive distributions, for ``scoring=`` of grid searches and cross-validation.

Each is a mean over rows, and greater is better, as scikit-learn asks of scorers. All are proper: no other forecast does
better in expectation than the true distribution.

Of several outputs the log score judges all together. Scores of single outputs are averaged over them, in their own
units, as scikit-learn does: bring outputs to one unit first where those units differ.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils.metadata_routing import MetadataRequest
from sklearn.utils.validation import _num_samples

from ._distributional import Distributional
from ._pipeline import Gated, gate_inside
from ._validation import check_responses, check_weight

__all__ = ["DistributionScorer", "interval_score", "interval_scorer", "neg_crps", "neg_log_score"]

#: Score of every row, (n_samples,), or of every output of it, (n_samples, n_outputs), of a fitted mixture.
RowScore = Callable[[Any, Any, Any], np.ndarray]


class DistributionScorer:
    r"""A scorer ``scorer(estimator, X, y, sample_weight=None)`` of what a mixture predicts as a distribution.

    .. math:: \sum_i w_i S(F_i, y_i) \big/ \sum_i w_i

    It finds the mixture at the end of a pipeline, inside a search or a frozen estimator. `neg_log_score`, `neg_crps`
    and `interval_score` are ready to use; build one from a score of your own for anything else.

    Parameters
    ----------
    score_rows : callable
        ``score_rows(model, X, y)`` returns the score of every row, (n_samples,), greater is better; ``model`` is the
        fitted mixture and X its rows. Scores of single outputs, (n_samples, n_outputs), are averaged.
    name : str
        Shown by ``repr``.
    kind : type, default=Gated
        Estimators that have this score; others are refused with a sentence.

    Examples
    --------
    How far the predicted median is off:

    >>> import numpy as np
    >>> from skmoe.scoring import DistributionScorer
    >>> off = DistributionScorer(lambda m, X, y: -np.abs(m.predict_quantile(X, 0.5) - y), "neg_error_of_median")
    >>> off
    neg_error_of_median
    """

    def __init__(self, score_rows: RowScore, name: str, kind: type = Gated):
        self._score_rows, self._name, self._kind = score_rows, name, kind
        self._request: dict[str, bool | str | None] = {"sample_weight": None}

    def __call__(self, estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
        model, X, _ = gate_inside(estimator, X)
        if not isinstance(model, self._kind):
            raise TypeError(f"{self} scores regressors, got {type(model).__name__}.")
        n_rows, n_responses = _num_samples(X), _num_samples(y)
        if n_rows != n_responses:
            raise ValueError(f"X has {n_rows} rows, but y has {n_responses}.")
        score = self._score_rows(model, X, y)
        of_rows = score.reshape(len(score), -1).mean(axis=1)
        return float(np.average(of_rows, weights=check_weight(sample_weight, of_rows)))

    def __repr__(self) -> str:
        return self._name

    def set_score_request(self, *, sample_weight: bool | str | None) -> DistributionScorer:
        """A scorer that asks for weights under metadata routing; the one it is called on stays as it is."""
        asking = DistributionScorer(self._score_rows, self._name, self._kind)
        asking._request = {"sample_weight": sample_weight}
        return asking

    def get_metadata_routing(self) -> MetadataRequest:
        """What this scorer asks for."""
        request = MetadataRequest(owner=self)
        for name, alias in self._request.items():
            request.score.add_request(param=name, alias=alias)
        return request

    def _accept_sample_weight(self) -> bool:
        return True  # searches ask this where metadata routing is off


def interval_scorer(coverage: float = 0.9) -> DistributionScorer:
    r"""Minus the interval score of central intervals, in units of y.

    .. math:: -\Big[(u - l) + \tfrac{2}{1 - c} \big((l - y)_+ + (y - u)_+\big)\Big]

    Narrow intervals score well, and misses cost in proportion to their distance. Use it where intervals are what is
    reported; the log score judges the whole density.

    Parameters
    ----------
    coverage : float in (0, 1), default=0.9
        Probability c that the intervals claim.

    References
    ----------
    Gneiting & Raftery (2007), Strictly proper scoring rules, prediction, and estimation, section 6.2.
    https://doi.org/10.1198/016214506000001437

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe import MoERegressor
    >>> from skmoe.scoring import interval_scorer
    >>> X = np.linspace(0, 1, 100)[:, None]
    >>> y = np.abs(X[:, 0] - 0.5) + 0.01 * np.sin(99 * X[:, 0])
    >>> model = MoERegressor(2, random_state=0).fit(X, y)
    >>> narrow, wide = interval_scorer(0.5)(model, X, y), interval_scorer(0.99)(model, X, y)
    >>> narrow > wide
    True
    """

    if not isinstance(coverage, Real) or not 0 < coverage < 1:
        raise ValueError(f"coverage must be between 0 and 1 (exclusive), got {coverage!r}.")
    return DistributionScorer(partial(_interval, float(coverage)), f"interval_scorer({coverage:g})", Distributional)


def _interval(coverage: float, model: Any, X: Any, y: Any) -> np.ndarray:
    at = check_responses(y, model.n_outputs_, model._output_labels())
    low, high = model.predict_interval(X, coverage).swapaxes(0, 1)
    outside = np.maximum(low - at, 0) + np.maximum(at - high, 0)
    return -(high - low + 2 / (1 - coverage) * outside)


def _log_prob(model: Any, X: Any, y: Any) -> np.ndarray:
    return model.log_prob(X, y)


def _crps(model: Any, X: Any, y: Any) -> np.ndarray:
    return -model.predict_dist(X).crps(check_responses(y, model.n_outputs_, model._output_labels()))


#: Mean log density of the responses in nats (log probability of classes and counts), of several outputs together:
#: minus the log score.
neg_log_score = DistributionScorer(_log_prob, "neg_log_score")

#: Minus the mean continuous ranked probability score, in units of y.
neg_crps = DistributionScorer(_crps, "neg_crps", Distributional)

#: Minus the mean interval score of 90 % intervals, in units of y; `interval_scorer` makes those of other coverages.
interval_score = DistributionScorer(partial(_interval, 0.9), "interval_score", Distributional)
