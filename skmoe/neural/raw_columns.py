"""Raw columns: a user's table, checked, as numbers with gaps and as categories; without torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from .._validation import ENCODE, check_table, refuse_infinity, refuse_times
from ..rows.positions import positions
from ..rows.row_source import RowSource


class Category(NamedTuple):
    """A column of categories.

    Attributes
    ----------
    levels : tuple
        Different values, in no particular order: bool, int, float, str or bytes.
    codes : ndarray of int, shape (n_rows,)
        Which of the levels a row has; -1 for a gap.
    """

    levels: tuple
    codes: np.ndarray


@dataclass(frozen=True)
class RawColumns:
    """Rows of a table as `read_columns` leaves them: checked, and not yet encoded.

    Attributes
    ----------
    numbers : ndarray of float32 or float64, shape (n_rows, n_numbers)
        The columns of numbers, in the order of the table; NaN is a gap.
    categories : tuple of Category
        The other columns, in the order of the table.
    is_categorical : ndarray of bool, shape (n_features,)
        Which columns of the table are categories.
    names : tuple of str, or None
        Names of the columns of the table, where it has names.
    """

    numbers: np.ndarray
    categories: tuple[Category, ...]
    is_categorical: np.ndarray
    names: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.numbers)

    def rows(self, which: Any) -> RawColumns:
        """Some of the rows: a slice, positions, or a mask of them."""
        some = tuple(Category(column.levels, column.codes[which]) for column in self.categories)
        return RawColumns(self.numbers[which], some, self.is_categorical, self.names)

    def name(self, column: int) -> str:
        """A column of the table, for messages: its name, or else its position."""
        return str(column) if self.names is None else repr(self.names[column])

    def category_name(self, category: int) -> str:
        """One of the columns of categories, counted among these."""
        return self.name(np.flatnonzero(self.is_categorical)[category])


def read_columns(
    estimator: BaseEstimator, X: Any, *, reset: bool, categorical_features: Any = "from_dtype"
) -> RawColumns:
    """Check a table and take it apart into columns of numbers and columns of categories.

    Gaps are NaN, and in dataframes also what these call missing (None, pandas.NA, null). The estimator is told its
    features, or those of X are compared with them, as scikit-learn does it.

    Parameters
    ----------
    estimator : BaseEstimator
        Gets ``n_features_in_``, and ``feature_names_in_`` where X has names.
    X : array-like or dataframe, shape (n_rows, n_features)
        Numbers; columns of a pandas or polars dataframe may also be bool, text or categories. float32 stays float32
        where all columns of numbers are, all else becomes float64.
    reset : bool
        Whether this is a fit. If not, X has to have the features of the fit.
    categorical_features : "from_dtype", None, list of str, list of int, boolean mask or slice
        Columns that are categories. "from_dtype": of dataframes those of dtype category, and those of text or objects
        unless they hold nothing but numbers and gaps; of arrays none. bool is a number, 0 or 1. After the fit pass
        `RawColumns.is_categorical` of the fit, which dtypes of another table do not change.

    Returns
    -------
    RawColumns

    Raises
    ------
    TypeError
        Where X is sparse or a source of rows, or holds objects that are neither numbers nor categories.
    ValueError
        Where X has no rows or columns or not those of the fit, holds infinity, dates, times or complex numbers, a
        column of text is not declared to be categorical, or ``categorical_features`` names no columns of X.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.base import BaseEstimator
    >>> from skmoe.neural.raw_columns import read_columns
    >>> X = np.array([[0.5, 7.0], [np.nan, 3.0], [1.5, 7.0]])
    >>> raw = read_columns(BaseEstimator(), X, reset=True, categorical_features=[1])
    >>> raw.numbers
    array([[0.5], [nan], [1.5]])
    >>> raw.categories
    (Category(levels=(3.0, 7.0), codes=array([1, 0, 1])),)
    """
    if isinstance(X, RowSource):
        raise TypeError(
            f"X is a {type(X).__name__}, which {type(estimator).__name__} does not read: expected an array or a "
            "dataframe. Pass numpy.asarray(source), where it fits into memory."
        )
    read = _of_frame if _is_frame(X) else _of_array
    return read(estimator, X, reset, categorical_features)


def refuse_gaps(raw: RawColumns) -> None:
    """ValueError where a number is missing, for who reads standardised columns."""
    gaps = np.isnan(raw.numbers)
    if gaps.any():
        row, at = np.argwhere(gaps)[0]
        column = raw.name(np.flatnonzero(~raw.is_categorical)[at])
        raise ValueError(
            f"X contains NaN (first in row {row}, column {column}; {np.count_nonzero(gaps)} of {gaps.size} entries), "
            "and a linear model, which reads standardised columns, needs every number. Fill the gaps with "
            "SimpleImputer(add_indicator=True) in a pipeline, or drop the rows."
        )


def _is_frame(X: Any) -> bool:
    return hasattr(X, "dtypes") and (hasattr(X, "iloc") or hasattr(X, "get_columns")) and len(X.shape) == 2


def _of_array(estimator: Any, X: Any, reset: bool, categorical_features: Any) -> RawColumns:
    """The columns of a table that holds numbers alone."""
    X = check_table(estimator, X, reset=reset)
    names = _names(estimator)
    is_categorical = np.zeros(X.shape[1], dtype=bool)
    if not _from_dtype(categorical_features):
        is_categorical = _declared(categorical_features, names, X.shape[1])
    categories = tuple(_category_of_numbers(X[:, j]) for j in np.flatnonzero(is_categorical))
    return RawColumns(X[:, ~is_categorical] if categories else X, categories, is_categorical, names)


def _of_frame(estimator: Any, X: Any, reset: bool, categorical_features: Any) -> RawColumns:
    """The columns of a dataframe, each by its type."""
    check_array(np.broadcast_to(0.0, X.shape), estimator=estimator, ensure_all_finite=False)  # no rows, no columns
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    refuse_times(X, "X")
    names, (n_rows, n_features) = _names(estimator), X.shape
    every = X.get_columns() if hasattr(X, "get_columns") else [series for _, series in X.items()]
    columns = [_Column.of(series, j) for j, series in enumerate(every)]
    if _from_dtype(categorical_features):
        is_categorical = np.array([column.is_categorical for column in columns])
    else:
        is_categorical = _declared(categorical_features, names, n_features)
    where = np.flatnonzero(~is_categorical)
    found = [columns[j].numbers(reset) for j in where]
    numbers = np.empty((n_rows, len(where)), np.result_type(*found) if found else np.float64)
    for at, column in enumerate(found):
        numbers[:, at] = column
    refuse_infinity(numbers, estimator, where)
    categories = tuple(columns[j].category(estimator) for j in np.flatnonzero(is_categorical))
    return RawColumns(numbers, categories, is_categorical, names)


def _from_dtype(categorical_features: Any) -> bool:
    return isinstance(categorical_features, str) and categorical_features == "from_dtype"


def _declared(categorical_features: Any, names: tuple[str, ...] | None, n_features: int) -> np.ndarray:
    """The mask (n_features,) of columns that the user names."""
    mask = np.zeros(n_features, dtype=bool)
    if categorical_features is not None:
        mask[positions(categorical_features, names, n_features, "categorical_features")] = True
    return mask


def _names(estimator: Any) -> tuple[str, ...] | None:
    names = getattr(estimator, "feature_names_in_", None)
    return None if names is None else tuple(map(str, names))


@dataclass(frozen=True)
class _Column:
    """A column of a dataframe: numbers where its type is one of numbers, else levels and codes."""

    series: Any
    position: int
    read: np.ndarray | Category

    @classmethod
    def of(cls, series: Any, position: int) -> _Column:
        column = cls(series, position, np.zeros(0))
        return cls(series, position, column._as_numbers() if column._holds_numbers() else column._factorized())

    @property
    def is_categorical(self) -> bool:
        """Whether its type says so: objects that are all numbers are numbers, and no objects at all are categories."""
        if not isinstance(self.read, Category):
            return False
        levels = self.read.levels
        return str(self.series.dtype).startswith(_CATEGORICAL) or not levels or not all(map(_is_number, levels))

    def numbers(self, reset: bool) -> np.ndarray:
        """The column as numbers, (n_rows,)."""
        if not isinstance(self.read, Category):
            return self.read
        strange = next((level for level in self.read.levels if not _is_number(level)), None)
        if strange is not None:
            way_out = f"Name it in categorical_features, or encode it first, for example {ENCODE}"
            raise ValueError(
                f"Column {self._name} of X holds values that are no numbers, such as {strange!r}, and "
                + (f"is not declared to be categorical. {way_out}" if reset else "held numbers in the fit.")
            )
        return np.array([*map(float, self.read.levels), np.nan])[self.read.codes]  # a gap is -1, the last

    def category(self, estimator: BaseEstimator) -> Category:
        """The column as levels and codes."""
        found = self.read
        if not isinstance(found, Category):
            refuse_infinity(found[:, None], estimator, np.array([self.position]))
            found = self._factorized()
        return Category(tuple(map(_plain, found.levels)), found.codes)

    @property
    def _name(self) -> str:
        return repr(self.series.name)

    def _holds_numbers(self) -> bool:
        dtype = self.series.dtype
        kind = getattr(dtype, "kind", None)
        if kind == "c":
            raise ValueError(f"Complex data not supported: column {self._name} of X. Pass its parts as two columns.")
        return kind in _NUMERIC if kind is not None else dtype.is_numeric() or str(dtype) == "Boolean"

    def _as_numbers(self) -> np.ndarray:
        """Numbers (n_rows,), gaps as NaN."""
        dtype = np.float32 if str(self.series.dtype) in _SINGLE else np.float64
        if hasattr(self.series, "isna"):
            return self.series.to_numpy(dtype=dtype, na_value=np.nan)
        return np.asarray(self.series.to_numpy(), dtype=dtype)

    def _factorized(self) -> Category:
        """Levels as the dataframe holds them, and codes."""
        series = self.series
        if hasattr(series, "cat") and hasattr(series.cat, "codes"):
            found = Category(tuple(series.cat.categories.tolist()), np.asarray(series.cat.codes))
        else:
            try:
                found = _factorized(series.to_list()) if not hasattr(series, "isna") else _by_pandas(series)
            except (TypeError, NotImplementedError) as error:  # the latter of Arrow
                raise TypeError(
                    f"Column {self._name} of X holds objects that are neither numbers nor categories ({error}). "
                    "Expected numbers, text or values that can be compared: turn them into such columns."
                ) from error
        refuse_times(np.fromiter(found.levels, dtype=object, count=len(found.levels)), "X")
        return found


#: Kinds of numpy's types, also those of pandas, that are numbers.
_NUMERIC = tuple("fiub")
#: How dataframes spell types of categories, and float32.
_CATEGORICAL = ("category", "Categorical", "Enum")
_SINGLE = ("float32", "Float32", "float[pyarrow]")


def _by_pandas(series: Any) -> Category:
    codes, levels = series.factorize()
    return Category(tuple(levels.tolist()), np.asarray(codes))


def _factorized(values: Iterable) -> Category:
    """Levels and codes of values of which None and NaN are gaps."""
    index: dict[Any, int] = {}
    codes = [-1 if value is None or value != value else index.setdefault(value, len(index)) for value in values]
    return Category(tuple(index), np.array(codes, dtype=np.intp))


def _category_of_numbers(values: np.ndarray) -> Category:
    """The same of numbers (n_rows,)."""
    gap = np.isnan(values)
    codes = np.full(len(values), -1, dtype=np.intp)
    levels, codes[~gap] = np.unique(values[~gap], return_inverse=True)
    return Category(tuple(levels.tolist()), codes)


def _is_number(level: Any) -> bool:
    return isinstance(level, Real | Decimal | np.bool_)


def _plain(level: Any) -> Any:
    """A level as a value of Python itself, which any machine can load; what is none, such as an interval, as text."""
    level = level.item() if isinstance(level, np.generic) else level
    return level if type(level) in (bool, int, float, str, bytes) else str(level)
