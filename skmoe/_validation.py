"""The door: what users pass is checked here, once, with sentences that say what to do about it."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import _check_sample_weight, validate_data


def check_X(estimator: BaseEstimator, X: Any) -> np.ndarray:
    """X for prediction: finite float64 (n_rows, n_features), the columns those of fit."""
    _refuse_times(X, "X")
    return _finite_X(_numbers(lambda: validate_data(estimator, X, reset=False, **_TABLE)), estimator)


def check_X_y(estimator: BaseEstimator, X: Any, y: Any, *, numeric: bool) -> tuple[np.ndarray, np.ndarray]:
    """X and y for training: finite float64 X, and y as floats (``numeric``) or as labels, (n_rows,)."""
    _refuse_times(X, "X")
    _refuse_times(y, "y")
    X, y = _numbers(lambda: validate_data(estimator, X, y, y_numeric=numeric, **_TABLE))
    return _finite_X(X, estimator), check_response(y) if numeric else y


def check_response(y: Any) -> np.ndarray:
    """A response of numbers, float64 (n_rows,)."""
    try:
        return np.asarray(y, dtype=np.float64)
    except ValueError as error:
        raise ValueError(
            f"y holds values that are no numbers ({error}). MoERegressor predicts numbers; "
            "for labels use MoEClassifier."
        ) from error


def check_weight(sample_weight: Any, X: np.ndarray) -> np.ndarray:
    """Weights (n_rows,), not negative, not all zero; ones for None."""
    weight: np.ndarray = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    if not (weight > 0).any():
        raise ValueError(
            "sample_weight is zero for every row, so there is nothing to fit. Pass positive weights, or None."
        )
    return weight


def check_enough_rows(X: np.ndarray, weight: np.ndarray, n_experts: int) -> int:
    """Number of distinct rows of positive weight; ValueError where rows are fewer than experts.

    A row of weight 3 is three rows, as everywhere.
    """
    n_rows = max(int(np.count_nonzero(weight)), int(weight.sum()))
    if n_rows < n_experts:
        raise ValueError(
            f"n_samples={n_rows} is fewer than n_experts={n_experts}: every expert needs rows. "
            "Pass more rows, or fewer experts."
        )
    if n_rows > 10 * n_experts + 100:  # counting distinct rows of a large table is not worth its time
        return n_rows
    return len(np.unique(X[weight > 0], axis=0))


_TABLE: dict[str, Any] = {"dtype": np.float64, "ensure_all_finite": False, "accept_sparse": False}


def _numbers(validate: Any) -> Any:
    """Run scikit-learn's validation; strings get a sentence that says what to do."""
    try:
        return validate()
    except ValueError as error:
        if "could not convert string" not in str(error):
            raise
        raise ValueError(
            f"X holds text ({error}). Encode such columns first, for example with "
            "OneHotEncoder(sparse_output=False, handle_unknown='ignore') in a ColumnTransformer."
        ) from error


def _refuse_times(data: Any, name: str) -> None:
    """Times would become nanoseconds since 1970 without a word."""
    dtypes = getattr(data, "dtypes", None)
    if dtypes is None or not hasattr(dtypes, "__iter__"):
        dtypes = [getattr(data, "dtype", None)]
    for dtype in dtypes:
        if getattr(dtype, "kind", "") in ("M", "m") or str(dtype).startswith(("Datetime", "Duration", "Date")):
            raise ValueError(
                f"{name} holds dates or times ({dtype}). Turn them into numbers that mean something to the model, "
                "such as the hour, the weekday, or seconds since the previous event."
            )


def _finite_X(X: np.ndarray, estimator: BaseEstimator) -> np.ndarray:
    # One sum finds out; only where it fails are rows and columns looked for.
    if np.isfinite(X.sum()) or np.isfinite(X).all():
        return X
    rows, columns = np.nonzero(~np.isfinite(X))
    names = getattr(estimator, "feature_names_in_", None)
    column = repr(names[columns[0]]) if names is not None else str(columns[0])
    where = f"(first in row {rows[0]}, column {column}; {len(rows)} of {X.size} entries)"
    if np.isnan(X).any():
        raise ValueError(
            f"Input X contains NaN {where}. A mixture of experts needs every column: fill the gaps with "
            "SimpleImputer(add_indicator=True) in a pipeline, or drop the rows."
        )
    raise ValueError(
        f"Input X contains infinity {where}. Replace it by a finite value, or clip the column before the fit."
    )
