"""A section through the space of x: rows along one or two columns, the other columns held."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import _safe_indexing

#: Most rows that are drawn as dots.
_MOST_DOTS = 1000


class Section(NamedTuple):
    """Rows of a grid, in the columns that the user passes.

    Attributes
    ----------
    names : tuple of str
        The columns along which the section runs.
    grid : tuple of ndarray
        Values along each of them.
    rows : array or dataframe
        A table like X with a row for each point of the grid; the last column varies fastest.
    held : dict of str to object
        Values of the other columns.
    dots : ndarray of shape (n_dots, n_names)
        At most 1,000 rows of X, evenly taken: more dots hide each other.
    """

    names: tuple[str, ...]
    grid: tuple[np.ndarray, ...]
    rows: Any
    held: dict[str, Any]
    dots: np.ndarray


def section(
    estimator: Any, X: Any, features: Any, *, most: int, resolution: int, percentiles: tuple[float, float]
) -> Section:
    """Section through X along at most ``most`` columns.

    The others are held at their median (of integers the lower one, so that codes stay codes), columns that hold no
    numbers at their most frequent value.

    Parameters
    ----------
    features : None, str, int, or a sequence of them
        None takes all columns, where X has no more than ``most``.
    resolution : int
        Points along each column.
    percentiles : (float, float)
        Ends of the grid, as fractions of the rows.
    """
    _check_grid(resolution, percentiles)
    sparse: bool = issparse(X)
    if sparse:
        raise ValueError(
            f"X is a sparse matrix of shape {X.shape}, and a section runs along dense columns. Pass X.toarray() of as "
            "many rows as are wanted."
        )
    frame = hasattr(X, "columns")
    X = X if frame else np.asarray(X)
    if len(X.shape) != 2:
        raise ValueError(f"X must be a table (n_rows, n_columns), got shape {X.shape}.")
    keys = list(X.columns) if frame else list(range(X.shape[1]))
    columns = [X[key] if frame else X[:, key] for key in keys]
    names = [str(name) for name in (keys if frame else _names(estimator, len(keys)))]
    along = _positions(features, names, most)
    grid = tuple(_grid(columns[j], names[j], resolution, percentiles) for j in along)
    points = [axis.ravel() for axis in np.meshgrid(*grid, indexing="ij")]
    filled = [_held(column, len(points[0])) for column in columns]
    held = {name: filled[j][0] for j, name in enumerate(names) if j not in along}
    for j, values in zip(along, points, strict=True):
        filled[j] = values
    rows = type(X)(dict(zip(keys, filled, strict=True))) if frame else np.column_stack(filled)
    dots = np.column_stack([np.asarray(columns[j], dtype=np.float64) for j in along])[dotted(len(X))]
    return Section(tuple(names[j] for j in along), grid, rows, held, dots)


def dotted(n_rows: int) -> slice:
    """The rows that are drawn as dots."""
    return slice(None, None, max(1, -(-n_rows // _MOST_DOTS)))


def beside(dots: np.ndarray, y: Any, n_rows: int) -> np.ndarray:
    """Dots with the responses of their rows, (n_dots, n_names + 1); no dots where there is no y."""
    if y is None:
        return np.empty((0, dots.shape[1] + 1))
    y = np.asarray(y, dtype=np.float64)
    if y.shape != (n_rows,):
        raise ValueError(f"X has {n_rows} rows, but y has shape {y.shape}.")
    return np.column_stack([dots, y[dotted(n_rows)]])


def axis_label(name: str, held: dict[str, Any], fit: str = "") -> str:
    """Name of a column, below it that others are held, and which fit of an average is shown."""
    lines = [name]
    if held:
        others = "1 other column" if len(held) == 1 else f"{len(held)} other columns"
        numeric = all(np.asarray(value).dtype.kind in "iuf" for value in held.values())
        lines.append(f"({others} held at the {'median' if numeric else 'median or most frequent value'})")
    return "\n".join([*lines, fit] if fit else lines)


def _check_grid(resolution: Any, percentiles: Any) -> None:
    if not isinstance(resolution, Integral) or int(resolution) < 2:
        raise ValueError(f"grid_resolution must be an int of at least 2, got {resolution!r}.")
    ends = list(percentiles) if isinstance(percentiles, Sequence) else []
    if len(ends) != 2 or not all(isinstance(end, Real) for end in ends) or not 0 <= ends[0] < ends[1] <= 1:
        raise ValueError(f"percentiles must be two rising fractions between 0 and 1, got {percentiles!r}.")


def _names(estimator: Any, n_columns: int) -> Sequence[str]:
    names = getattr(estimator, "feature_names_in_", ())
    return names if len(names) == n_columns else [f"x{j}" for j in range(n_columns)]


def _positions(features: Any, names: list[str], most: int) -> list[int]:
    """Positions of the columns asked for."""
    expected = "1 column" if most == 1 else f"1 to {most} columns"
    if features is None and len(names) > most:
        raise ValueError(f"X has {len(names)} columns; name {expected} to draw along, among {names}.")
    asked = range(len(names)) if features is None else [features] if isinstance(features, str | Integral) else features
    positions = [_position(feature, names) for feature in asked]
    if not 1 <= len(positions) <= most or len(set(positions)) < len(positions):
        raise ValueError(f"Expected {expected} to draw along, all different, got {list(asked)!r}.")
    return positions


def _position(feature: Any, names: list[str]) -> int:
    if isinstance(feature, str) and feature in names:
        return names.index(feature)
    if isinstance(feature, Integral) and not isinstance(feature, bool) and -len(names) <= int(feature) < len(names):
        return int(feature) % len(names)
    raise ValueError(f"There is no column {feature!r}: expected an index below {len(names)}, or a name among {names}.")


def _grid(column: Any, name: str, resolution: int, percentiles: tuple[float, float]) -> np.ndarray:
    values = np.asarray(column)
    if values.dtype.kind not in "iuf":
        raise ValueError(f"Column {name!r} holds {values.dtype}, no numbers: a section runs along numbers only.")
    finite = values[np.isfinite(values)]
    if not len(finite):
        raise ValueError(f"Column {name!r} holds no finite value in {len(values)} rows to draw along.")
    first, last = np.quantile(finite, percentiles)
    if not first < last:
        raise ValueError(
            f"Column {name!r} has one value, {first:g}, between the percentiles {tuple(percentiles)}: "
            "there is nothing to draw along it. Choose another column, or percentiles=(0, 1)."
        )
    return np.linspace(first, last, resolution)


def _held(column: Any, n_rows: int) -> Any:
    """A column of ``n_rows`` times its median, or its most frequent value."""
    values = np.asarray(column)
    if values.dtype.kind == "f":
        finite = values[np.isfinite(values)]
        return np.full(n_rows, np.median(finite) if len(finite) else np.nan)
    if values.dtype.kind in "iu":
        return np.full(n_rows, np.quantile(values, 0.5, method="lower"), dtype=values.dtype)
    texts = [str(value) for value in values]
    position = texts.index(Counter(texts).most_common(1)[0][0])
    taken = _safe_indexing(column, np.full(n_rows, position))
    return getattr(taken, "array", taken)  # of pandas without its index; categories stay categories
