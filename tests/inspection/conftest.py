"""Figures are drawn without a screen, and closed."""

from __future__ import annotations

import numpy as np
import pytest

from skmoe import MoEClassifier, MoERegressor

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

rng = np.random.default_rng(0)
X = rng.normal(size=(200, 3)) * [1.0, 10.0, 0.1] + [0.0, 50.0, 3.0]
y = np.abs(X[:, 0]) + 0.05 * X[:, 1] + 0.1 * rng.normal(size=200)


@pytest.fixture(autouse=True)
def _closed():
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


@pytest.fixture
def two_axes():
    import matplotlib.pyplot as plt

    return plt.subplots(1, 2, figsize=(7, 4))[1]


@pytest.fixture(scope="session")
def data():
    return X, y


@pytest.fixture(scope="session")
def regressor():
    return MoERegressor(3, n_init=2, random_state=0).fit(X, y)


@pytest.fixture(scope="session")
def average():
    return MoERegressor(2, n_init=3, combine_inits="average", random_state=0).fit(X, y)


@pytest.fixture(scope="session")
def tree():
    return MoERegressor((2, 2), n_init=1, random_state=0).fit(X, y)


@pytest.fixture(scope="session")
def classifier():
    return MoEClassifier(2, n_init=1, random_state=0).fit(X, y > np.median(y))


@pytest.fixture(scope="session")
def three_classes():
    return MoEClassifier(2, n_init=1, random_state=0).fit(X, np.digitize(y, np.quantile(y, [0.3, 0.6])))
