"""Targets: which class, or which of several outputs, is shown."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import is_classifier

from .._estimator import MixtureOfExperts


def check_target(model: MixtureOfExperts, target: Any) -> Any:
    """The class, or the name of the output, that is shown; None where there is one output.

    Raises
    ------
    ValueError
        Where there is no such class or output, none was named and there are several, or there is nothing to name.
    """
    if is_classifier(model):
        classes = model.classes_.tolist()
        if target is None and len(classes) == 2:
            return classes[1]
        return _named("class", classes, target)
    outputs = model._output_labels()
    if outputs:
        by_number = isinstance(target, Integral) and 0 <= int(target) < len(outputs)
        return outputs[int(target)] if by_number else _named("output", outputs, target)
    if target is not None:
        raise ValueError(f"target={target!r}: this {type(model).__name__} has one output. Leave target out.")
    return None


def _named(kind: str, labels: list, target: Any) -> Any:
    if target not in labels:
        raise ValueError(f"target={target!r}: name the {kind} to show, one of {labels}.")
    return target


def of_target(model: MixtureOfExperts, values: np.ndarray, target: Any) -> np.ndarray:
    """The part of the last axis that belongs to the target, where values have an axis of outputs or classes."""
    labels = model._output_labels()
    return values[..., labels.index(target)] if labels else values
