"""The experts as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np


def summary_table(
    share: np.ndarray,
    scale: np.ndarray | None,
    intercept: np.ndarray,
    coef: np.ndarray,
    *,
    names: Sequence[str],
    labels: Sequence[Any],
) -> Any:
    """A DataFrame with a row an expert: its share, scale and coefficients, of each output or class in turn.

    Of labels, names of outputs or classes, there may be none; arrays are then without their last axis.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError("summary() returns a pandas DataFrame: pip install pandas.") from error
    shape = (len(share), max(1, len(labels)))
    arrays = (None if scale is None else scale.reshape(shape), intercept.reshape(shape))
    columns = [("share", share), *_columns(*arrays, coef.reshape(shape[0], len(names), shape[1]), names, labels)]
    headings, values = zip(*columns, strict=True)
    return pd.DataFrame(np.column_stack(values), columns=list(headings), index=pd.RangeIndex(shape[0], name="expert"))


def _columns(
    scale: np.ndarray | None, intercept: np.ndarray, coef: np.ndarray, names: Sequence[str], labels: Sequence[Any]
) -> Iterator[tuple[str, np.ndarray]]:
    """Headings and values (n_experts,)."""
    for j, suffix in enumerate([f" [{label}]" for label in labels] or [""]):
        if scale is not None:
            yield f"scale{suffix}", scale[:, j]
        yield f"intercept{suffix}", intercept[:, j]
        yield from ((f"{name}{suffix}", column) for name, column in zip(names, coef[:, :, j].T, strict=True))
