"""Rows as they were checked, and those that are held out of training."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .raw_columns import RawColumns


class Given(NamedTuple):
    """Checked rows: columns, coded responses, sample weights, and weights as they train.

    ``coded`` are numbers of classes (n_rows,), or responses (n_rows, n_outputs).
    """

    raw: RawColumns
    coded: np.ndarray
    weight: np.ndarray
    trained: np.ndarray

    def rows(self, which: np.ndarray) -> Given:
        """Some of the rows."""
        return Given(self.raw.rows(which), self.coded[which], self.weight[which], self.trained[which])


class Validation(NamedTuple):
    """Rows that are held out: as they were checked, and as the user passed them."""

    given: Given
    X: Any
    y: Any
