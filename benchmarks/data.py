"""Open data sets for benchmarks, read in place from a folder of npz files with a JSON card each.

The folder is ``../shared/data`` beside the repository, or the one named by the environment variable SKMOE_DATA.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

FOLDER = Path(os.environ.get("SKMOE_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))

#: Training and test rows.
Split = tuple[np.ndarray, np.ndarray]


def load(name: str) -> dict[str, np.ndarray]:
    """Arrays of a set; leaves with a sentence where the folder does not hold it."""
    path = FOLDER / f"{name}.npz"
    if not path.exists():
        sys.exit(f"{path} is not there: set SKMOE_DATA to a folder that holds {name}.npz.")
    return dict(np.load(path, allow_pickle=False))


def card(name: str) -> dict[str, Any]:
    """What is known of a set."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def splits(arrays: dict[str, np.ndarray], n: int) -> Iterator[Split]:
    """Training and test rows of the first n splits."""
    for test in arrays["test_idx"][:n]:
        test = test[test >= 0]
        yield np.setdiff1d(np.arange(len(arrays["y"])), test), test


class RareClass(NamedTuple):
    """Rows with a rare class coded 1, importance weights, the columns that hold categories, and the splits."""

    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    categorical: np.ndarray
    splits: list[Split]


def rare_class(name: str) -> RareClass:
    """A two-class set; the rarer class is the one to find."""
    arrays = load(name)
    y = arrays["y"].astype(int)
    y = y if y.mean() < 0.5 else 1 - y
    categorical = np.flatnonzero(arrays.get("categorical", np.zeros(arrays["X"].shape[1])))
    weight = arrays.get("w", np.ones(len(y))).astype(float)
    folds = list(splits(arrays, 5)) if "test_idx" in arrays else prequential(arrays)
    return RareClass(arrays["X"].astype(float), y, weight, categorical, folds)


def prequential(arrays: dict[str, np.ndarray]) -> list[Split]:
    """Folds that move on in time, stored as bits."""
    masks = (np.unpackbits(arrays[f"{part}_mask"], axis=1)[:, : len(arrays["y"])] for part in ("train", "test"))
    return [(np.flatnonzero(train), np.flatnonzero(test)) for train, test in zip(*masks, strict=True)]
