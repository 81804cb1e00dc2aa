"""The door: what users pass is checked here, once, with sentences that say what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, time, timedelta
from numbers import Integral
from typing import Any, NoReturn

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.validation import _check_sample_weight, check_consistent_length, validate_data

from .rows.row_source import RowSource
from .rows.sparse import SparseRows


def check_X(estimator: BaseEstimator, X: Any) -> np.ndarray:
    """X for prediction: finite numbers (n_rows, n_features), float32 or float64, the columns those of fit; a source of
    rows stays one, and of sparse X it is `SparseRows`."""
    if isinstance(X, RowSource):
        return _finite_X(_like_fit(estimator, X), estimator)
    refuse_times(X, "X")
    return _finite_X(_numbers(lambda: validate_data(estimator, X, reset=False, **_TABLE)), estimator)


def check_X_y(estimator: BaseEstimator, X: Any, y: Any, *, numeric: bool) -> tuple[np.ndarray, np.ndarray]:
    """X and y for training: finite X, float32 or float64 (`SparseRows` of sparse X), or a source of rows, and y as
    floats (``numeric``), (n_rows,) or with several outputs (n_rows, n_outputs), or as labels (n_rows,)."""
    refuse_times(X, "X")
    if y is not None:
        y = check_numbers(y) if numeric else check_labels(y)
    if isinstance(X, RowSource):
        return _finite_X(_named_by(estimator, X, y), estimator), y
    X, y = _numbers(lambda: validate_data(estimator, X, y, multi_output=numeric, **_TABLE))
    return _finite_X(X, estimator), y


def check_table(estimator: BaseEstimator, X: Any, *, reset: bool) -> np.ndarray:
    """X of numbers and gaps (NaN), (n_rows, n_features), float32 or float64 in memory; infinity is refused."""
    refuse_times(X, "X")
    dense = {**_TABLE, "accept_sparse": False}
    X = _numbers(lambda: validate_data(estimator, X, reset=reset, **dense), _CATEGORY)
    refuse_infinity(X, estimator)
    return X


def check_numbers(y: Any) -> np.ndarray:
    """A response of finite numbers, float64 (n_rows,), or (n_rows, n_outputs) of several outputs; a column is one."""
    refuse_times(y, "y")
    shape = y.shape if hasattr(y, "shape") else _as_array(y).shape
    y = y if len(shape) == 2 and shape[1] > 1 else column_or_1d(y, warn=True)
    try:
        return check_array(y, ensure_2d=False, dtype=np.float64, order="C", input_name="y")
    except ValueError as error:
        if "could not convert string" not in str(error):
            raise
        raise ValueError(
            f"y holds values that are no numbers ({error}). A regressor predicts numbers; for labels use MoEClassifier "
            "or SparseMoEClassifier."
        ) from error


def check_responses(y: Any, n_outputs: int, names: Sequence[str] = ()) -> np.ndarray:
    """Responses of rows to be evaluated, with as many outputs as the fit had: (n_rows,) or (n_rows, n_outputs).

    A dataframe whose columns have the ``names`` of the fit has them in the same order.
    """
    found = [str(name) for name in getattr(y, "columns", ())]
    if found != list(names) and sorted(found) == sorted(names):
        raise ValueError(
            f"y has the columns {found}, but the fit was to {list(names)}: outputs are taken by their order. Pass "
            f"y[{list(names)}]."
        )
    checked = check_numbers(y)
    outputs = () if n_outputs == 1 else (n_outputs,)
    if checked.shape[1:] != outputs:
        expected = "(n_rows,)" if n_outputs == 1 else f"(n_rows, {n_outputs})"
        raise ValueError(
            f"y has shape {checked.shape}, but the fit was to y of shape {expected}. "
            "Pass the outputs of the fit, in the same order."
        )
    return checked


def check_labels(y: Any, name: str = "y") -> np.ndarray:
    """Labels, (n_rows,), that can be put in order: text alone, or none of it."""
    refuse_times(y, name)
    labels = column_or_1d(y, warn=True)
    if labels.dtype.kind == "O":
        _refuse_mixed(labels, name)
    return labels


def _refuse_mixed(labels: np.ndarray, name: str) -> None:
    """Raise ValueError where labels are missing, or of kinds that do not go together."""
    is_text = np.fromiter((isinstance(label, str) for label in labels), dtype=bool, count=len(labels))
    other = labels[~is_text]
    odd = other[:1] if is_text.any() else [label for label in other if label is None][:1]
    if len(odd):
        beside = f" beside the label {labels[is_text][0]!r}" if is_text.any() else ""
        raise ValueError(
            f"{name} holds {odd[0]!r}{beside}: expected labels of one kind, all text or all numbers, and none missing. "
            "Drop rows that have no label, and turn those of another kind into text, with str."
        )


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Sentences about X, y or weights begin with the name under which the user passed them."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def check_n_samples(n_samples: Any) -> int:
    """A number of draws a row."""
    if not isinstance(n_samples, Integral) or isinstance(n_samples, bool) or n_samples < 1:
        raise ValueError(f"n_samples must be an int of at least 1, got {n_samples!r}.")
    return int(n_samples)


def check_n_jobs(n_jobs: int | None) -> None:
    """Raise ValueError where there would be no thread."""
    if n_jobs == 0:
        raise ValueError(
            f"n_jobs={n_jobs!r} is no number of threads: expected None, a positive int, or a negative one as in joblib "
            "(-1 for all cores, -2 for all but one). Pass None or 1 for one thread, -1 for all cores."
        )


def check_weight(sample_weight: Any, X: np.ndarray) -> np.ndarray:
    """Weights (n_rows,), not negative, not all zero; ones for None."""
    table = np.broadcast_to(0.0, X.shape)  # of X only the number of rows is of interest here
    weight: np.ndarray = _check_sample_weight(sample_weight, table, dtype=np.float64, ensure_non_negative=True)
    if not (weight > 0).any():
        raise ValueError(
            "sample_weight is zero for every row, so there is nothing to fit. Pass positive weights, or None."
        )
    return weight


def check_labels_of_experts(labels: Any, n_rows: int, n_experts: int) -> np.ndarray:
    """Responsibilities (n_rows, n_experts) of labels or responsibilities to start from."""
    given = np.asarray(labels)
    if given.shape == (n_rows,) and given.dtype.kind in "iu":
        if given.min() < 0 or given.max() >= n_experts:
            raise ValueError(
                f"init_labels holds numbers from {given.min()} to {given.max()}, but the {n_experts} experts have the "
                f"numbers 0 to {n_experts - 1}."
            )
        return (given[:, None] == np.arange(n_experts)).astype(np.float64)
    if given.shape != (n_rows, n_experts) or given.dtype.kind not in "fiub":
        raise ValueError(
            f"init_labels has shape {given.shape} and dtype {given.dtype}: expected the number of an expert for each of"
            f" the {n_rows} rows (ints; where they came as floats, astype(int)), or their responsibilities, of shape "
            f"({n_rows}, {n_experts})."
        )
    total = given.sum(axis=1, dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(total) | (given < 0).any(axis=1) | ~(total > 0))
    if bad.size:
        raise ValueError(
            "init_labels as responsibilities must be finite and not negative, and no row may sum to zero: row "
            f"{bad[0]} is {given[bad[0]].tolist()} ({bad.size} of {n_rows} rows are like it)."
        )
    return given / total[:, None]


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
    seen = X[weight > 0]
    return seen.n_distinct() if isinstance(seen, SparseRows) else len(np.unique(seen, axis=0))


def check_storage(X: np.ndarray, dense: bool, what: str, ways_out: str) -> None:
    """Raise ValueError where X is sparse and something, ``what``, needs dense columns."""
    if dense and isinstance(X, SparseRows):
        raise ValueError(
            f"X is a sparse matrix of shape {X.shape}, and {what} needs a dense array. Pass X.toarray() where it fits "
            f"into memory, or {ways_out}."
        )


def kind_of(given: Any) -> str:
    """Type and shape of an argument, for messages in which its numbers would fill pages."""
    return f"{type(given).__name__} of shape {_as_array(given).shape}"


def shown(labels: np.ndarray) -> str:
    """Labels, for messages; of many the first and the last."""
    return np.array2string(labels, threshold=10)


#: How dataframes spell the types of dates, times, durations and periods.
_TIMES = ("Datetime", "Duration", "Date", "Time", "period")
#: Columns of float32 are not copied: they are widened where they are standardised, some rows at a time.
_TABLE: dict[str, Any] = {"dtype": [np.float64, np.float32], "ensure_all_finite": False, "accept_sparse": "csr"}


#: What to do about text.
ENCODE = "with OneHotEncoder(handle_unknown='ignore') in a ColumnTransformer."
_CATEGORY = (
    f"Pass a dataframe in which such columns have the dtype category, or encode them first, for example {ENCODE}"
)


def _numbers(validate: Any, advice: str = f"Encode such columns first, for example {ENCODE}") -> Any:
    """Run scikit-learn's validation; strings get a sentence that says what to do."""
    try:
        return validate()
    except ValueError as error:
        if "could not convert string" not in str(error):
            raise
        raise ValueError(f"X holds text ({error}). {advice}") from error


def refuse_times(data: Any, name: str) -> None:
    """Times would become nanoseconds since 1970 without a word."""
    if isinstance(data, RowSource):  # holds numbers only
        return
    dtypes = getattr(data, "dtypes", None)
    if dtypes is None or not hasattr(dtypes, "__iter__"):
        data = data if hasattr(data, "dtype") else _as_array(data)
        dtypes = [data.dtype]
    for dtype in dtypes:
        if getattr(dtype, "kind", "") in ("M", "m") or str(dtype).startswith(_TIMES) or _holds_times(data, dtype):
            raise ValueError(
                f"{name} holds dates or times ({dtype}). Turn them into numbers that mean something to the model, "
                "such as the hour, the weekday, or seconds since the previous event."
            )


def _as_array(data: Any) -> np.ndarray:
    """Lists as arrays; what has rows of different lengths is left to scikit-learn to refuse."""
    try:
        return np.asarray(data)
    except ValueError:
        return np.zeros(0)


def _holds_times(data: Any, dtype: Any) -> bool:
    """Whether an array of objects holds a date, a time or a duration."""
    if getattr(dtype, "kind", "") != "O" or not isinstance(data, np.ndarray):
        return False
    return any(isinstance(value, date | time | timedelta | np.datetime64 | np.timedelta64) for value in data.flat)


#: Rows that are looked at together.
_BLOCK_ROWS = 2**16


def _finite_X(X: Any, estimator: BaseEstimator) -> Any:
    """X, where all its entries are finite; of sparse X `SparseRows`."""
    if issparse(X):
        return _finite_entries(X, estimator)
    firsts = range(0, len(X), _BLOCK_ROWS)
    # One sum of each block finds out; only where that fails are rows and columns looked for.
    with np.errstate(over="ignore", invalid="ignore"):
        suspects = [first for first in firsts if not np.isfinite(np.sum(X[first : first + _BLOCK_ROWS]))]
    found = [part for first in suspects if (part := _not_finite(X, first)).size]
    if not found:
        return X
    _refuse(np.concatenate(found), X, estimator)


def refuse_infinity(X: np.ndarray, estimator: BaseEstimator, columns: np.ndarray | None = None) -> None:
    """Raise ValueError where an entry is infinite; gaps (NaN) may be. ``columns`` are those of X among all features."""
    found = []
    for first in range(0, len(X), _BLOCK_ROWS):
        infinite = np.isinf(X[first : first + _BLOCK_ROWS])
        if infinite.any():
            row, j = np.nonzero(infinite)
            found.append(_entries(first + row, j if columns is None else columns[j], X[first + row, j]))
    if found:
        _refuse(np.concatenate(found), X, estimator)


def _finite_entries(X: Any, estimator: BaseEstimator) -> SparseRows:
    """The same of a sparse matrix."""
    at = np.flatnonzero(~np.isfinite(X.data))
    if at.size:
        _refuse(_entries(np.searchsorted(X.indptr, at, side="right") - 1, X.indices[at], X.data[at]), X, estimator)
    return _canonical(X)


def _refuse(bad: np.ndarray, X: Any, estimator: BaseEstimator) -> NoReturn:
    """Say where entries are not finite."""
    row, j = int(bad["row"][0]), int(bad["column"][0])
    names = getattr(estimator, "feature_names_in_", None)
    column = str(j) if names is None else repr(names[j])
    place = f", {X.where(row)}" if isinstance(X, RowSource) else ""
    where = f"(first in row {row}{place}, column {column}; {len(bad)} of {X.shape[0] * X.shape[1]} entries)"
    if bad["gap"].any():
        raise ValueError(
            f"Input X contains NaN {where}. A mixture of experts needs every column: fill the gaps with "
            "SimpleImputer(add_indicator=True) in a pipeline, or drop the rows."
        )
    raise ValueError(
        f"Input X contains infinity {where}. Replace it by a finite value, or clip the column before the fit."
    )


def _not_finite(X: Any, first: int) -> np.ndarray:
    """The entries of a block that are not finite."""
    block = X[first : first + _BLOCK_ROWS]
    rows, columns = np.nonzero(~np.isfinite(block))
    return _entries(first + rows, columns, block[rows, columns])


def _entries(rows: np.ndarray, columns: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Row, column, and whether it is a gap (NaN), of entries."""
    found = np.empty(len(rows), dtype=[("row", np.intp), ("column", np.intp), ("gap", bool)])
    found["row"], found["column"], found["gap"] = rows, columns, np.isnan(values)
    return found


def _named_by(estimator: BaseEstimator, X: RowSource, y: Any) -> RowSource:
    """A source to be fitted: the estimator is told its features."""
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None. "
            "The column of a source is source.column(name)."
        )
    check_consistent_length(X, y)
    estimator.n_features_in_ = X.shape[1]
    if X.names is not None:
        estimator.feature_names_in_ = np.array(X.names, dtype=object)
    return X


def _like_fit(estimator: BaseEstimator, X: RowSource) -> RowSource:
    """A source with the features of the fit."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None and X.names is not None and list(names) != X.names:
        raise ValueError(f"The source has the columns {X.names}, but the fit was to {list(names)}. Pass columns=.")
    if X.shape[1] != estimator.n_features_in_:
        raise ValueError(
            f"The source has {X.shape[1]} features, but {type(estimator).__name__} is expecting "
            f"{estimator.n_features_in_} features as input. Pass columns=."
        )
    return X


def _canonical(X: Any) -> SparseRows:
    """Compressed rows whose columns rise and are named once each; the user's matrix stays as it is."""
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    return SparseRows(X)
