"""Gaps of columns that had none in training, and levels that training has not seen: the mean vector of the column."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='torch is not installed: pip install "skmoe[neural]"')

from numpy.testing import assert_allclose, assert_array_equal  # noqa: E402
from small import GAPS, WHOLE, X, Y, regressor  # noqa: E402

from skmoe.neural.forward.embeddings import embedded_numbers  # noqa: E402

LEVELS = np.random.default_rng(1).integers(0, 4, len(X)).astype(float)
TABLE = np.column_stack([X, LEVELS])
KEPT = {"early_stopping": False, "categorical_features": [3]}


def vectors(model, rows):
    """Of the columns of numbers, in NumPy."""
    raw, network = model._raw(rows), model._network
    table = network.encoding.encoder.encoded(raw, np.float64)
    return embedded_numbers(table.numbers, network.architecture.embedding, network.arrays)


@pytest.mark.parametrize("embedding", ["ple", "periodic", "linear"])
@pytest.mark.parametrize("weight", [None, WHOLE], ids=["unweighted", "weighted"])
def test_of_numbers(embedding, weight):
    model = regressor(embedding=embedding, **KEPT).fit(TABLE, Y, weight)
    mean = np.average(vectors(model, TABLE), axis=0, weights=weight)
    assert_allclose(model._network.arrays["numbers.gap"], mean, rtol=0, atol=1e-5)


@pytest.mark.parametrize("weight", [None, WHOLE], ids=["unweighted", "weighted"])
def test_of_levels(weight):
    model = regressor(**KEPT).fit(TABLE, Y, weight)
    gap, *levels = model._network.arrays["categories.weight"]
    counts = np.bincount(LEVELS.astype(int), weights=weight)
    assert_allclose(gap, counts @ np.array(levels) / counts.sum(), rtol=0, atol=1e-5)


def test_what_training_has_met_is_learned():
    gaps = np.isnan(GAPS).any(axis=0)
    gaps[1] = False
    table = np.where(gaps, GAPS, X)
    model = regressor(early_stopping=False).fit(table, Y)
    mean = np.nanmean(np.where(np.isnan(table)[..., None], np.nan, vectors(model, table)), axis=0)
    far = np.abs(model._network.arrays["numbers.gap"] - mean).max(axis=1)
    assert_array_equal(far > 0.1, gaps)


def test_a_stream_remembers_what_it_has_met():
    """A batch without gaps does not undo what one with gaps has taught."""
    model = regressor(learning_rate=1e-4).partial_fit(np.column_stack([GAPS[:, 0], X[:, 1:]]), Y)
    learned = model._network.arrays["numbers.gap"].copy()
    model.partial_fit(X, Y)
    gap = model._network.arrays["numbers.gap"]
    assert_array_equal(model._network.arrays["numbers.met_gap"], [True, False, False])
    assert_allclose(gap[0], learned[0], rtol=0, atol=1e-3)
    assert_allclose(gap[1:], vectors(model, X).mean(axis=0)[1:], rtol=0, atol=1e-5)


def test_no_seed_decides_what_they_are():
    """As drawn by lot the vectors are of size one, whatever training made of the others."""
    table = np.column_stack([LEVELS, X[:, 0]])
    model = regressor(max_epochs=1, categorical_features=[0]).fit(table, Y)
    gap, *levels = model._network.arrays["categories.weight"]
    assert (np.min(levels, axis=0) <= gap).all()
    assert (gap <= np.max(levels, axis=0)).all()
