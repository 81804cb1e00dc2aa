"""The mixture inside: through pipelines and searches to the estimator and the rows that it sees."""

from __future__ import annotations

from typing import Any, Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ._estimator import MixtureOfExperts


@runtime_checkable
class Gated(Protocol):
    """An estimator with a gate: trained by EM, or on torch, which is not loaded to find out."""

    def gate_proba(self, X: Any) -> np.ndarray:
        """Probability of each expert given x, (n_rows, n_experts)."""


Model = TypeVar("Model")


class Inside(NamedTuple, Generic[Model]):
    """A fitted mixture of experts, rows as it sees them, and the names of its columns."""

    model: Model
    X: Any
    names: list[str]


def inside(estimator: Any, X: Any) -> Inside[MixtureOfExperts]:
    """The fitted mixture in an estimator, with X as it arrives there.

    Parameters
    ----------
    estimator : MoERegressor, MoEClassifier, or an estimator around one
        A pipeline that ends in one, a fitted search (``best_estimator_``), a frozen estimator, in any nesting.
    X : array-like or None
        Rows as the estimator sees them; None where only the model is wanted.
    """
    return _opened(estimator, X, MixtureOfExperts, "MoERegressor or MoEClassifier")


def gate_inside(estimator: Any, X: Any) -> Inside[Gated]:
    """The same for whatever has a gate, `SparseMoERegressor` and `SparseMoEClassifier` included."""
    return _opened(estimator, X, Gated, "MoERegressor, MoEClassifier, SparseMoERegressor or SparseMoEClassifier")


def _opened(estimator: Any, X: Any, kind: Any, named: str) -> Inside[Any]:
    """The first estimator of a kind, from outside to inside."""
    names: Any = None
    while not isinstance(estimator, kind):
        if isinstance(estimator, Pipeline):
            before, estimator = estimator[:-1], estimator[-1]
            if len(before):
                names = _names_after(before, names)
                X = X if X is None else before.transform(X)
        elif isinstance(estimator, FrozenEstimator):
            estimator = estimator.estimator
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        else:
            if hasattr(estimator, "estimator"):
                check_is_fitted(estimator)  # a search without best_estimator_
            raise TypeError(
                f"Expected a fitted {named}, a Pipeline that ends in one, or a search over one; got "
                f"{type(estimator).__name__}."
            )
    check_is_fitted(estimator)
    if hasattr(estimator, "feature_names_in_"):
        names = estimator.feature_names_in_
    elif names is None:
        names = [f"x{j}" for j in range(estimator.n_features_in_)]
    return Inside(estimator, X, [str(name) for name in names])


def _names_after(steps: Pipeline, names: Any) -> np.ndarray | None:
    """Names of the columns that leave the steps, where they know them."""
    try:
        return steps.get_feature_names_out(names)
    except (AttributeError, ValueError):
        return None
