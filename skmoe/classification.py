"""MoEClassifier: parameters, documentation, and what it predicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import check_random_state, compute_class_weight
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d

from ._estimator import MixtureOfExperts
from ._validation import check_weight, check_X_y
from .experts import BinaryExpert, ClassExpert, Expert
from .mixture import normalized
from .tree import Tree


class MoEClassifier(ClassifierMixin, MixtureOfExperts):
    """Mixture of logistic experts for classification.

    .. math:: P(y \\mid x) = \\sum_k g_k(x) \\, P_k(y \\mid x)
    """

    _parameter_constraints: ClassVar[dict[str, list]] = {
        **MixtureOfExperts._parameter_constraints,
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }

    def __init__(
        self,
        n_experts: int | tuple = 4,
        *,
        gate: Any = "softmax",
        gate_features: Any = None,
        expert_features: Any = None,
        alpha: float = 1.0,
        gate_alpha: float = 1.0,
        class_weight: str | dict | None = None,
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
        self.gate = gate
        self.gate_features = gate_features
        self.expert_features = expert_features
        self.alpha = alpha
        self.gate_alpha = gate_alpha
        self.class_weight = class_weight
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
        X, y = check_X_y(self, X, y, numeric=False)
        check_classification_targets(y)
        weight = check_weight(sample_weight, X)
        self.classes_ = np.unique(y[weight > 0])
        if len(self.classes_) < 2:
            raise ValueError(
                f"MoEClassifier needs at least 2 classes, but y holds one class ({self.classes_[0]!r})"
                + (" in the rows of positive weight." if (weight == 0).any() else ".")
            )
        codes = np.minimum(np.searchsorted(self.classes_, y), len(self.classes_) - 1)
        return X, codes[:, None].astype(np.float64), weight, self._class_factor(codes, weight)

    def _class_factor(self, codes: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Class weight of every row; classes are counted with their sample weights."""
        if self.class_weight == "balanced":
            total = np.bincount(codes, weights=weight)
            return (weight.sum() / (len(total) * total))[codes]
        labels = self.classes_[codes]
        return compute_class_weight(self.class_weight, classes=self.classes_, y=labels)[codes]

    def _check_coded(self, y: Any) -> np.ndarray:
        y = column_or_1d(y)
        codes = np.minimum(np.searchsorted(self.classes_, y), len(self.classes_) - 1)
        unknown = self.classes_[codes] != y
        if unknown.any():
            raise ValueError(f"y holds the label {y[unknown][0]!r}, but the classes of the fit are {self.classes_}.")
        return codes[:, None].astype(np.float64)

    def _experts(self, tree: Tree) -> Expert | list[Expert]:
        return BinaryExpert(alpha=self.alpha) if len(self.classes_) == 2 else ClassExpert(self.alpha)

    def _describe(self) -> None:
        coef, intercept = self._fitted.expert_coef()
        if len(self.classes_) == 2:
            self.expert_coef_, self.expert_intercept_ = coef[:, 0], intercept[:, 0]
        else:
            self.expert_coef_, self.expert_intercept_ = np.swapaxes(coef, 1, 2), intercept

    def _summary_columns(self, names: list[str]) -> Iterator[tuple[Any, np.ndarray]]:
        if len(self.classes_) == 2:
            yield "intercept", self.expert_intercept_
            yield from zip(names, self.expert_coef_.T, strict=True)
            return
        for c, label in enumerate(self.classes_):
            yield f"intercept [{label}]", self.expert_intercept_[:, c]
            yield from ((f"{name} [{label}]", self.expert_coef_[:, j, c]) for j, name in enumerate(names))

    # -- predict -------------------------------------------------------------------------------------------------------

    def _read(self, X: Any, read: Callable[[np.ndarray, np.ndarray], np.ndarray], top_k: int | None) -> np.ndarray:
        """Read of log priors (n_experts, n_rows) and the experts' log probabilities (n_experts, n_classes, n_rows)."""
        X = self._rows(X)

        def of_all(log_prior: np.ndarray, parts: list) -> np.ndarray:
            log_prob = np.empty((len(log_prior), len(self.classes_), log_prior.shape[1]))
            for leaves, part in parts:
                log_prob[leaves] = part.log_prob
            return read(log_prior, log_prob)

        return self._fitted.read(X, of_all, top_k)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Log probabilities of the classes, (n_samples, n_classes), accurate where probabilities underflow."""
        return self._read(X, lambda log_prior, log_prob: normalized(log_prior[:, None] + log_prob)[0].T, self.top_k)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of the classes, (n_samples, n_classes), in the order of ``classes_``."""
        proba = np.exp(self.predict_log_proba(X))
        return proba / proba.sum(axis=1, keepdims=True)

    def decision_function(self, X: Any) -> np.ndarray:
        """Log-odds of ``classes_[1]``, (n_samples,); with more classes their log probabilities."""
        log_proba = self.predict_log_proba(X)
        return log_proba[:, 1] - log_proba[:, 0] if len(self.classes_) == 2 else log_proba

    def predict(self, X: Any) -> np.ndarray:
        """Most probable class of each row, (n_samples,)."""
        check_is_fitted(self)
        return self.classes_[self.predict_log_proba(X).argmax(axis=1)]

    def predict_experts(self, X: Any) -> np.ndarray:
        """Class probabilities of each expert alone, (n_samples, n_experts_, n_classes)."""
        return self._read(X, lambda _, log_prob: np.exp(log_prob).transpose(2, 0, 1), None)

    def sample(self, X: Any, n_samples: int = 1, random_state: int | np.random.RandomState | None = None) -> np.ndarray:
        """Labels drawn from the predicted probabilities, (n_rows, n_samples)."""
        cumulative = np.cumsum(self.predict_proba(X), axis=1)
        cumulative[:, -1] = 1.0
        draws = check_random_state(random_state).random_sample((len(cumulative), n_samples, 1))
        return self.classes_[(draws > cumulative[:, None, :]).sum(axis=2)]
