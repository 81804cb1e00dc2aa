"""Labels and their numbers, and what rows of a class count."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_class_weight

from ._validation import shown


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


def plain(label: Any) -> Any:
    """A label as Python shows it, not as numpy does."""
    return label.item() if isinstance(label, np.generic) else label
