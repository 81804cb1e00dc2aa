"""Past and future: which rows may be trained on, and which are tested."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from sklearn.model_selection import StratifiedShuffleSplit

Split = tuple[np.ndarray, np.ndarray]


def known_before(start: float, time: np.ndarray, label_time: np.ndarray, stop: float = np.inf) -> Split:
    """Rows whose label is known when the test starts, and the rows of the test: ``start <= time < stop``."""
    return np.flatnonzero(label_time < start), np.flatnonzero((time >= start) & (time < stop))


def blocks(time: np.ndarray, label_time: np.ndarray, n_splits: int, share: float) -> list[Split]:
    """The last ``share`` of the rows in ``n_splits`` blocks of time; each is tested by what was known before it.

    A block starts at a time that occurs, so none is empty; where many rows share a time there may be fewer of them.
    """
    starts = np.unique(np.quantile(time, np.linspace(1 - share, 1, n_splits, endpoint=False), method="higher"))
    return [known_before(start, time, label_time, stop) for start, stop in pairwise([*starts, np.inf])]


def shuffled(y: np.ndarray, n_splits: int, share: float, seed: int) -> list[Split]:
    """Where there is no time: random splits with the same rate of fraud on both sides."""
    splitter = StratifiedShuffleSplit(n_splits, test_size=share, random_state=seed)
    return list(splitter.split(np.zeros((len(y), 1)), y))


def check_frauds(y: np.ndarray, splits: list[Split]) -> list[Split]:
    """The splits, if every side of every one holds both frauds and genuine payments."""
    for i, sides in enumerate(splits):
        for side, rows in zip(("train", "test"), sides, strict=True):
            frauds = int(y[rows].sum())
            if not 0 < frauds < len(rows):
                raise ValueError(
                    f"Split {i} has {frauds} frauds in {len(rows)} rows to {side}: expected both frauds and genuine "
                    "payments. Give more rows, or a shorter --delay (in units of --time)."
                )
    return splits
