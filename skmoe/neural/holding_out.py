"""Which rows are held out of training, to say when it has learned enough."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from sklearn.utils.validation import _num_samples

from .._labels import plain

#: Groups of equally many rows in which responses that are numbers are put by size.
_N_GROUPS = 10

#: Rows of a group, at least: fewer rows are divided by lot alone.
_GROUP_ROWS = 10


def held_out(
    strata: np.ndarray, how: Any, fraction: float, rng: np.random.RandomState, passed: tuple[Any, Any], seen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the rows that train, and of those held out, both rising.

    Parameters
    ----------
    strata : ndarray of int, shape (n_rows,)
        Groups of rows of which the same share is held out.
    how : {"stratified", "last"} or cross-validation splitter
        "last" holds out the last rows, where rows stand in the order of time. Of a splitter the last split is taken,
        which is the one of most rows where splits follow time; rows that are on neither side of it are left out.
    fraction : float
        Share of the rows.
    rng : RandomState
    passed : pair of array-like
        X and y of all rows that the user passed, for the splitter.
    seen : ndarray of int, shape (n_rows,)
        Which of these the rows are.

    Raises
    ------
    ValueError
        Where nothing would be left on one of the sides.
    """
    n_rows = len(strata)
    if how == "last":
        out = np.arange(n_rows) >= n_rows - round(fraction * n_rows)
        sides = ~out, out
    elif how == "stratified":
        out = _stratified(strata, fraction, rng)
        sides = ~out, out
    else:
        train, test = _last_split(how, passed)
        sides = train[seen], test[seen]
    if not all(side.any() for side in sides):
        counts = [np.count_nonzero(side) for side in sides]
        raise ValueError(
            f"n_samples={n_rows} leaves {counts[0]} rows to train on and {counts[1]} to validate by, with "
            f"validation={how!r} and validation_fraction={fraction}: expected rows on both sides, and of a class with "
            "a single row none is held out. Pass more rows, or early_stopping=False."
        )
    return np.flatnonzero(sides[0]), np.flatnonzero(sides[1])


def _last_split(splitter: Any, passed: tuple[Any, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Masks (n_samples,) of the rows on the two sides of the last split; they may be given as masks, too."""
    if isinstance(splitter, type):
        raise ValueError(f"validation={splitter.__name__} is a class: expected a splitter, {splitter.__name__}(...).")
    try:
        last = deque(splitter.split(*passed), maxlen=1)
    except ValueError as error:
        raise ValueError(
            f"validation={splitter!r} cannot divide the rows: {str(error).rstrip('.')}. Pass another, or, where rows "
            "are divided by what is not in X, such as groups, X_val and y_val."
        ) from error
    if not last:
        raise ValueError(
            f"validation={splitter!r} has no split: expected one at least, of rows to train on and rows to validate "
            "by. Pass another, or X_val and y_val."
        )
    (sides,) = last
    if len(sides) != 2:
        raise ValueError(
            f"validation={splitter!r} divides the rows into {len(sides)} parts: expected two, rows to train on and "
            "rows to validate by."
        )
    masks = np.zeros((2, _num_samples(passed[0])), dtype=bool)
    try:
        for mask, side in zip(masks, sides, strict=True):
            mask[side] = True
    except IndexError as error:
        raise ValueError(
            f"validation={splitter!r} names rows that are not among the {masks.shape[1]} of X ({error}): expected "
            "positions from 0 on, or a mask of all rows."
        ) from error
    n_both = np.count_nonzero(masks.all(axis=0))
    if n_both:
        raise ValueError(
            f"validation={splitter!r} has {n_both} rows on both sides: expected rows to validate by that are not "
            "trained on."
        )
    return masks[0], masks[1]


def _stratified(strata: np.ndarray, fraction: float, rng: np.random.RandomState) -> np.ndarray:
    """Of every group the same share by lot, but of two or more rows at least one on each side."""
    out = np.zeros(len(strata), dtype=bool)
    for stratum in np.unique(strata):
        rows = rng.permutation(np.flatnonzero(strata == stratum))
        n_out = min(max(round(fraction * len(rows)), 1), len(rows) - 1)
        out[rows[:n_out]] = True
    return out


def refuse_one_class(labels: np.ndarray) -> None:
    """ValueError where the labels of the rows held out are all the same."""
    if (labels == labels[0]).all():
        raise ValueError(
            f"The {len(labels)} rows to validate by are all of class {plain(labels[0])!r}, which says nothing of the "
            "others: expected rows of two classes at least. Hold out more rows (validation_fraction), others "
            "(validation, or X_val and y_val), or none (early_stopping=False)."
        )


def groups_by_size(y: np.ndarray) -> np.ndarray:
    """Groups (n_rows,) of about as many rows each, by the size of a response; ties stay together.

    Examples
    --------
    >>> groups_by_size(np.arange(40.0)).tolist()[::10]
    [0, 1, 2, 3]
    """
    n_groups = int(np.clip(len(y) // _GROUP_ROWS, 1, _N_GROUPS))
    inner = np.quantile(y, np.linspace(0, 1, n_groups + 1)[1:-1])
    return np.searchsorted(inner, y, side="right")
