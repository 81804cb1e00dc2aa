"""Open data sets for benchmarks, read in place from a folder of npz files.

The folder is ``../shared/data`` beside the repository, or the one named by the environment variable SKMOE_DATA.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

FOLDER = Path(os.environ.get("SKMOE_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


def load(name: str) -> dict[str, np.ndarray]:
    """Arrays of a set; leaves with a sentence where the folder does not hold it."""
    path = FOLDER / f"{name}.npz"
    if not path.exists():
        sys.exit(f"{path} is not there: set SKMOE_DATA to a folder that holds {name}.npz.")
    return dict(np.load(path, allow_pickle=False))


def splits(arrays: dict[str, np.ndarray], n: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Training and test rows of the first n splits."""
    for test in arrays["test_idx"][:n]:
        test = test[test >= 0]
        yield np.setdiff1d(np.arange(len(arrays["y"])), test), test
