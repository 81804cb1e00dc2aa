"""Outputs: the numbers that are predicted. Inside they have an axis of their own; users see it last, if at all.

One output has no axis: y is (n_rows,), and so is what is predicted. Several outputs stand on the last axis of y and of
everything that is said of each of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np


def joined(outputs: Iterable[Any]) -> Any:
    """What is said of each output, with the outputs last; of a single output as it is.

    Examples
    --------
    >>> joined([[1, 2, 3]])
    [1, 2, 3]
    >>> joined([[1, 2, 3], [4, 5, 6]]).shape
    (3, 2)
    """
    outputs = list(outputs)
    return outputs[0] if len(outputs) == 1 else np.stack(outputs, axis=-1)


def output_names(y: Any, n_outputs: int) -> list[str]:
    """Columns of a dataframe of responses, else numbers; one output has no name.

    Examples
    --------
    >>> output_names(np.zeros((5, 2)), 2)
    ['y0', 'y1']
    """
    if n_outputs == 1:
        return []
    return [str(name) for name in getattr(y, "columns", [f"y{j}" for j in range(n_outputs)])]
