"""Labels and their numbers, and what rows of a class count."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_class_weight

from ._validation import check_labels, shown


def class_factor(class_weight: Any, classes: np.ndarray, codes: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Class weight of every row; classes are counted with their sample weights.

    Parameters
    ----------
    class_weight : dict or "balanced"
    classes : ndarray of shape (n_classes,)
    codes : ndarray of int, shape (n_rows,)
        Numbers of the classes of the rows.
    weight : ndarray of shape (n_rows,)
        Sample weights.
    """
    if class_weight == "balanced":
        total = np.bincount(codes, weights=weight, minlength=len(classes))
        return (weight.sum() / (len(total) * np.where(total > 0, total, 1.0)))[codes]
    if isinstance(class_weight, dict):
        factors = np.array(list(class_weight.values()), dtype=np.float64)
        if not (np.isfinite(factors) & (factors >= 0)).all():
            raise ValueError(f"class_weight must hold finite numbers of at least 0, got {class_weight}.")
    factor: np.ndarray = compute_class_weight(class_weight, classes=classes, y=classes[codes])[codes]
    return factor


def class_weighted(class_weight: Any, classes: np.ndarray, codes: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Sample weights times class weights.

    Raises
    ------
    ValueError
        Where nothing is left to learn from.
    """
    if class_weight is None:
        return weight
    trained = weight * class_factor(class_weight, classes, codes, weight)
    if not trained.any():
        raise ValueError(
            f"class_weight={class_weight!r} gives every row of positive weight the weight 0, so there is nothing to "
            "learn. Give a class that is here a weight above 0."
        )
    return trained


def codes_of(y: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Numbers of the classes of labels (n_rows,)."""
    known = np.isin(y, classes)
    if not known.all():
        raise ValueError(f"y holds the label {plain(y[~known][0])!r}, but the classes of the fit are {shown(classes)}.")
    return np.searchsorted(classes, y)


def classes_of_stream(classes: Any, known: np.ndarray | None) -> np.ndarray:
    """Classes of a stream: those of its first call, of which nothing is known yet.

    Raises
    ------
    ValueError
        Where none are given at first, fewer than two, or others later.
    """
    given = None if classes is None else np.unique(check_labels(classes, "classes"))
    if known is not None:
        if given is not None and not np.array_equal(given, known):
            raise ValueError(
                f"classes holds {shown(given)}, but those of the first call are {shown(known)}. Leave classes out "
                "(weights are passed by name, sample_weight=...), or begin anew with a clone of this estimator."
            )
        return known
    if given is None:
        raise ValueError(
            "classes must be passed on the first call to partial_fit, because a batch may lack some: give all labels "
            "that will ever come, such as np.unique(y) of all rows."
        )
    if len(given) < 2:
        raise ValueError(f"partial_fit needs at least 2 classes, but classes holds 1: {shown(given)}.")
    return given


def plain(label: Any) -> Any:
    """A label as Python shows it, not as numpy does."""
    return label.item() if isinstance(label, np.generic) else label
