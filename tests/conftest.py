"""What all tests share: the folder of data sets that lies beside the repository."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def shared_data():
    """A function that loads X and y of a data set by name, and skips the test where the set is absent."""

    def load(name: str) -> tuple[np.ndarray, np.ndarray]:
        path = SHARED_DATA / f"{name}.npz"
        if not path.exists():
            pytest.skip(f"data set {path} is absent")
        with np.load(path) as file:
            return file["X"].astype(np.float64), file["y"].astype(np.float64)

    return load
