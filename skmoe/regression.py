"""MoERegressor: parameters, documentation, and what it predicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils._param_validation import Interval, StrOptions

from ._estimator import MixtureOfExperts
from ._validation import check_response, check_weight, check_X_y
from .experts import Expert, LinearExpert
from .families import FAMILIES, Family
from .predictive import MixtureDistribution
from .tree import Tree


class MoERegressor(RegressorMixin, MixtureOfExperts):
    """Mixture of experts for regression, with a full predictive distribution.

    .. math:: p(y \\mid x) = \\sum_k g_k(x) \\, f_k(y \\mid x)
    """

    _parameter_constraints: ClassVar[dict[str, list]] = {
        **MixtureOfExperts._parameter_constraints,
        "expert": [StrOptions(set(FAMILIES)), Family, Expert, list],
        "scale_floor": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        n_experts: int | tuple = 4,
        *,
        expert: str | Family | Expert | list = "gaussian",
        gate: Any = "softmax",
        gate_features: Any = None,
        expert_features: Any = None,
        alpha: float = 1e-2,
        gate_alpha: float = 1e-2,
        scale_floor: float = 1e-3,
        init: str | list[str] = "auto",
        n_init: int = 5,
        combine_inits: str = "best",
        top_k: int | None = None,
        memory: int = 10,
        max_iter: int = 1000,
        tol: float = 1e-4,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ):
        self.n_experts = n_experts
        self.expert = expert
        self.gate = gate
        self.gate_features = gate_features
        self.expert_features = expert_features
        self.alpha = alpha
        self.gate_alpha = gate_alpha
        self.scale_floor = scale_floor
        self.init = init
        self.n_init = n_init
        self.combine_inits = combine_inits
        self.top_k = top_k
        self.memory = memory
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    # -- what the shell asks for ---------------------------------------------------------------------------------------

    def _check_training(self, X: Any, y: Any, sample_weight: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, Any]:
        X, y = check_X_y(self, X, y, numeric=True)
        weight = check_weight(sample_weight, X)
        return X, y[:, None], weight, np.ones_like(weight)

    def _check_coded(self, y: Any) -> np.ndarray:
        return check_response(y)[:, None]

    def _experts(self, tree: Tree) -> Expert | list[Expert]:
        if not isinstance(self.expert, list):
            return self._expert(self.expert)
        if len(self.expert) != tree.n_leaves:
            raise ValueError(
                f"expert is a list of {len(self.expert)}, but n_experts={self.n_experts!r} has {tree.n_leaves} experts. "
                "Give one family an expert, or a single family for all."
            )
        return [self._expert(one) for one in self.expert]

    def _expert(self, one: str | Family | Expert) -> Expert:
        if isinstance(one, Expert):
            return one
        if isinstance(one, str):
            if one not in FAMILIES:
                raise ValueError(f"expert contains {one!r}: expected a Family, or one of {sorted(FAMILIES)}.")
            one = FAMILIES[one]()
        return LinearExpert(one, alpha=self.alpha, scale_floor=self.scale_floor)

    def _describe(self) -> None:
        coef, intercept = self._fitted.expert_coef()
        self.expert_coef_, self.expert_intercept_ = coef[:, 0], intercept[:, 0]
        scale = self._fitted.expert_scale()
        floor = self._fitted.scale_floor()
        if scale is not None and floor is not None:
            self.expert_scale_, self.scale_floor_ = scale[:, 0], float(floor[0])

    def _summary_columns(self, names: list[str]) -> Iterator[tuple[str, np.ndarray]]:
        if hasattr(self, "expert_scale_"):
            yield "scale", self.expert_scale_
        yield "intercept", self.expert_intercept_
        yield from zip(names, self.expert_coef_.T, strict=True)

    # -- predict -------------------------------------------------------------------------------------------------------

    def _read(self, X: Any, read: Callable[[MixtureDistribution], np.ndarray]) -> np.ndarray:
        X = self._rows(X)
        return self._fitted.read(X, lambda *parts: read(MixtureDistribution(*parts)), self.top_k)

    def predict(self, X: Any, return_std: bool = False) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Mean of the predictive distribution.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        return_std : bool, default=False
            Whether to return the standard deviation as well.

        Returns
        -------
        ndarray of shape (n_samples,), or a pair of them
        """
        if not return_std:
            return self._read(X, lambda dist: dist.mean())
        both = self._read(X, lambda dist: np.column_stack([dist.mean(), dist.std()]))
        return both[:, 0], both[:, 1]

    def predict_var(self, X: Any) -> np.ndarray:
        """Variance of the predictive distribution, (n_samples,), by the law of total variance.

        .. math:: \\mathrm{Var}(y \\mid x) = \\sum_k g_k (\\sigma_k^2 + (\\mu_k - \\mu)^2)

        The second term, the disagreement between experts, is part of it.
        """
        return self._read(X, lambda dist: dist.var())

    def predict_quantile(self, X: Any, q: Any) -> np.ndarray:
        """Quantiles of the predictive distribution.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        q : float or array-like of shape (n_levels,)
            Levels between 0 and 1, both excluded.

        Returns
        -------
        ndarray of shape (n_samples, n_levels), or (n_samples,) for a scalar level
        """
        levels = np.asarray(q, dtype=np.float64)
        if levels.ndim > 1 or not ((levels > 0) & (levels < 1)).all():
            raise ValueError(f"q must be a level, or a list of levels, between 0 and 1 (both excluded), got {q!r}.")
        quantiles = self._read(X, lambda dist: dist.ppf(np.atleast_1d(levels)[None, :]))
        return quantiles if levels.ndim else quantiles[:, 0]

    def predict_interval(self, X: Any, coverage: float = 0.9) -> np.ndarray:
        """Central interval of the predictive distribution, (n_samples, 2), that holds y with probability ``coverage``."""
        return self._read(X, lambda dist: dist.interval(coverage))

    def predict_dist(self, X: Any) -> MixtureDistribution:
        """Predictive distribution of every row.

        Returns
        -------
        MixtureDistribution
            With ``pdf logpdf cdf ppf mean var std interval rvs crps entropy``.
        """
        X = self._rows(X)
        return MixtureDistribution(*self._fitted.view(X, self.top_k))

    def predict_experts(self, X: Any) -> np.ndarray:
        """Mean of each expert's own distribution, (n_samples, n_experts_)."""
        return self._read(X, lambda dist: dist.expert_means().T)

    def sample(self, X: Any, n_samples: int = 1, random_state: int | np.random.RandomState | None = None) -> np.ndarray:
        """Draws from the predictive distribution, (n_rows, n_samples)."""
        return self.predict_dist(X).rvs(n_samples, random_state)
