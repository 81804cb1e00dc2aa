"""Readings in compiled code against readings in numpy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from test_blocks import CASES, make

from skmoe import fused_reading
from skmoe.fused_reading import FusedReading, readable
from skmoe.gates import GaussianGate
from skmoe.model import FittedMixture, averaged
from skmoe.reading import Reading
from skmoe.records import ravel, unravel

READABLE = [case for case in CASES if case[0] in ("softmax", "constant", "equal") and case[1] != "mixed"]
LEVELS = np.array([1e-6, 0.3, 0.5, 0.95])
CLASSES = ("bernoulli", "three classes")


def fitted(gate, expert, shape, n_rows=60, member=0):
    """A mixture with random parameters, in which gates and experts see different columns, and rows."""
    problem = make(gate, expert, shape, n_rows=n_rows)
    shift = 0.3 * np.random.default_rng(member).standard_normal(ravel(problem.params).size)
    params = unravel(problem.params, ravel(problem.params) + (shift if member else 0.0))
    return FittedMixture(problem.mixture, params, problem.gate, problem.expert), problem.X


def answers(reading, expert):
    """What a reading says of the rows, each (n_rows, ...)."""
    if expert in CLASSES:
        return [reading.prior(), reading.class_proba()]
    return [reading.prior(), reading.mean(), *reading.moments(), reading.quantiles(LEVELS)]


def assert_alike(got, expected, rtol=1e-12):
    for a, b in zip(got, expected, strict=True):
        assert a.shape == b.shape
        assert_allclose(a, b, rtol=rtol, atol=1e-12 * np.abs(b[np.isfinite(b)]).max(initial=0.0))


@pytest.mark.parametrize("top_k", [None, 1, 2, 100])
@pytest.mark.parametrize(("gate", "expert", "shape"), READABLE, ids=str)
def test_readings_are_the_readings_in_numpy(gate, expert, shape, top_k):
    mixture, X = fitted(gate, expert, shape)
    assert readable(mixture)
    assert isinstance(mixture.reading(X), FusedReading)
    assert_alike(answers(FusedReading(mixture, X, top_k), expert), answers(Reading(mixture, X, top_k), expert))


@pytest.mark.parametrize("weights", [[0.5, 0.5], [0.9, 0.1]])
@pytest.mark.parametrize("top_k", [None, 1, 3])
@pytest.mark.parametrize("shape", [1, 3, ((2, 2), 3)], ids=str)
@pytest.mark.parametrize("expert", ["gaussian, two outputs", "student_t", "poisson", *CLASSES])
def test_averages(expert, shape, top_k, weights):
    members = [fitted("softmax", expert, shape, member=m)[0] for m in (0, 1)]
    average, X = averaged(members, np.array(weights)), make("softmax", expert, shape, n_rows=60).X
    assert readable(average)
    assert_alike(answers(FusedReading(average, X, top_k), expert), answers(Reading(average, X, top_k), expert))


@pytest.mark.parametrize("expert", ["gaussian, two outputs", "poisson", *CLASSES])
def test_a_row_does_not_depend_on_the_others(expert, monkeypatch):
    """Nor on where it stands in a tile, a part or the whole."""
    monkeypatch.setattr(fused_reading, "_PART_ROWS", 37)
    monkeypatch.setattr(fused_reading, "tile_rows", lambda n_coef: 8)
    mixture, X = fitted("softmax", expert, (2, 2))
    together = answers(mixture.reading(X, 2), expert)
    for i in (0, 7, 8, 36, 37, 59):
        assert_alike(answers(mixture.reading(X[i : i + 1], 2), expert), [t[i : i + 1] for t in together], 1e-13)


@pytest.mark.parametrize("expert", ["gaussian", "bernoulli"])
def test_threads_give_the_same_bits(expert, monkeypatch):
    monkeypatch.setattr(fused_reading, "_PART_ROWS", 50)
    mixture, X = fitted("softmax", expert, 3, n_rows=310)
    one = answers(mixture.reading(X), expert)
    for n_jobs in (2, 5):
        for a, b in zip(answers(mixture.reading(X, n_jobs=n_jobs), expert), one, strict=True):
            assert_array_equal(a, b)


def test_rows_of_any_kind():
    """float32 is not copied, and rows may lie in any order of memory."""
    mixture, X = fitted("softmax", "gaussian", 3)
    X = X.astype(np.float32)
    expected = mixture.reading(X.astype(np.float64)).mean()
    every_other = np.repeat(X, 2, axis=0)[::2]
    for rows in (X, np.asfortranarray(X), every_other, X[::-1][::-1]):
        assert_allclose(mixture.reading(rows).mean(), expected, rtol=1e-13, atol=1e-13)
        assert rows.flags.writeable


def test_what_compiled_code_does_not_know_is_read_in_numpy():
    mixture, X = fitted("softmax", "gaussian", 3)
    other = replace(mixture.mixture, gates=(GaussianGate(),))
    for unknown in (replace(mixture, mixture=other), fitted("softmax", "mixed", 2)[0]):
        assert not readable(unknown)
        assert type(unknown.reading(X)) is Reading


def test_probabilities_of_a_row_sum_to_one():
    mixture, X = fitted("softmax", "three classes", 3)
    reading = mixture.reading(100 * X)
    for proba in (reading.prior(), reading.class_proba()):
        assert_allclose(proba.sum(axis=1), 1.0, rtol=1e-14)
        assert proba.flags.c_contiguous
