"""Fused passes against passes in numpy."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from test_blocks import CASES, make

from skmoe import kernels
from skmoe.fused import fusable
from skmoe.gates import GaussianGate
from skmoe.mixture import Mixture
from skmoe.records import add, ravel, unravel

FUSED = [case for case in CASES if case[0] in ("softmax", "constant", "equal")]
FUSED = [case for case in FUSED if case[1] not in ("mixed", "three classes")]


def in_numpy(problem, mixture, information=True, size=10**6):
    rows = problem.rows(size)
    return reduce(add, [mixture.gather(problem.params, chunk, information=information) for chunk in rows])


def assert_alike(got, wanted):
    """As many digits as the largest terms of a sum leave."""
    for a, b in zip((got.log_likelihood, got.weight), (wanted.log_likelihood, wanted.weight), strict=True):
        assert a == pytest.approx(b, rel=1e-12)
    for mine, theirs in zip((*got.gates, *got.experts), (*wanted.gates, *wanted.experts), strict=True):
        largest = max((np.abs(part).max(initial=1.0) for part in theirs if part is not None), default=1.0)
        for a, b in zip(mine, theirs, strict=True):
            assert (a is None) == (b is None)
            if a is not None:
                assert a.shape == b.shape
                assert_allclose(a, b, rtol=1e-10, atol=1e-12 * largest)


@pytest.mark.parametrize("information", [True, False])
@pytest.mark.parametrize(("gate", "expert", "shape"), FUSED, ids=str)
def test_fused_passes_are_the_passes_in_numpy(gate, expert, shape, information):
    problem = make(gate, expert, shape, n_rows=1500)
    assert fusable(problem.mixture)
    for mixture in (problem.mixture, problem.mixture.damped()):
        got = mixture.sums(problem.params, problem.rows(700), information=information)
        assert_alike(got, in_numpy(problem, mixture, information))


@pytest.mark.parametrize("information", [True, False])
@pytest.mark.parametrize(("gate", "expert", "shape"), FUSED, ids=str)
def test_passes_over_rows_as_they_are_held(gate, expert, shape, information, monkeypatch):
    """Many rows are not kept in tiles: each pass reads them anew."""
    problem = make(gate, expert, shape, n_rows=1500)
    kept = problem.mixture.sums(problem.params, problem.rows(700), information=information)
    monkeypatch.setattr("skmoe.rows.source._KEPT", 0)
    rows = problem.rows(70)
    assert not rows.kept
    assert_alike(problem.mixture.sums(problem.params, rows, information=information), kept)
    assert_array_equal(
        ravel(problem.mixture.sums(problem.params, replace(rows, n_jobs=3), information=information)),
        ravel(problem.mixture.sums(problem.params, rows, information=information)),
    )


@pytest.mark.parametrize(("kept", "name"), [(2**20, "gather"), (0, "gather_raw")])
def test_weights_that_may_not_be_written_are_compiled_for_once(kept, name, monkeypatch):
    monkeypatch.setattr("skmoe.rows.source._KEPT", kept)
    problem = make("softmax", "gaussian", 3)
    problem.mixture.sums(problem.params, problem.rows())
    compiled = list(getattr(kernels.gather, name).signatures)
    problem.weight.flags.writeable = False
    problem.mixture.sums(problem.params, problem.rows())
    assert getattr(kernels.gather, name).signatures == compiled


@pytest.mark.parametrize("shape", [30, (30, 2)])
def test_blocks_of_wide_gates(shape):
    """Gates of more than 64 coefficients gather one block a branch."""
    problem = make("softmax", "gaussian", shape)
    assert_alike(problem.mixture.sums(problem.params, problem.rows()), in_numpy(problem, problem.mixture))


def test_threads_give_the_same_bits():
    problem = make("softmax", "student_t", (2, 2), n_rows=3000)
    rows = problem.rows(100)
    one = ravel(problem.mixture.sums(problem.params, rows))
    for n_jobs in (2, 5):
        assert_array_equal(ravel(problem.mixture.sums(problem.params, replace(rows, n_jobs=n_jobs))), one)


@pytest.mark.parametrize("expert", ["mixed", "three classes"])
def test_threads_give_the_same_bits_in_numpy(expert):
    problem = make("softmax", expert, 2, n_rows=3000)
    rows = problem.rows(100)
    assert not fusable(problem.mixture)
    one = ravel(problem.mixture.sums(problem.params, rows))
    assert_array_equal(ravel(problem.mixture.sums(problem.params, replace(rows, n_jobs=3))), one)


def test_what_compiled_code_does_not_know_is_not_fused():
    mixture = make("softmax", "gaussian", 3).mixture
    assert not fusable(replace(mixture, coldness=0.5))
    assert not fusable(Mixture(mixture.tree, (GaussianGate(),), mixture.experts))
    with pytest.raises(TypeError, match="not linear"):
        GaussianGate().condensed(None, None)


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("shape", [3, 8, (2, 3)], ids=str)
@pytest.mark.parametrize("expert", ["gaussian", "bernoulli"])
def test_gates_and_experts_that_see_the_same_columns(expert, shape, kept, monkeypatch):
    """Their cross-products are made together."""
    given = make("softmax", expert, shape, n_rows=1500)
    start = given.mixture.start(4, 4)
    params = unravel(start, ravel(start) + 0.4 * np.random.default_rng(0).standard_normal(ravel(start).size))
    problem = given._replace(params=params, expert=given.gate)
    if not kept:
        monkeypatch.setattr("skmoe.rows.source._KEPT", 0)
    assert problem.rows(700).kept == kept
    for information in (True, False):
        got = problem.mixture.sums(params, problem.rows(700), information=information)
        assert_alike(got, in_numpy(problem, problem.mixture, information))


@pytest.mark.parametrize("factor", [30.0, 300.0, 3000.0])
def test_classes_that_no_expert_thinks_possible(factor):
    """Where densities are zero in double precision, or nearly, their logarithms are not."""
    problem = make("softmax", "bernoulli", 3)
    expert = problem.params.experts[0]
    sure = problem._replace(
        params=problem.params._replace(experts=(expert._replace(coef=factor * np.ones_like(expert.coef)),))
    )
    sums = sure.mixture.sums(sure.params, sure.rows())
    assert sums.log_likelihood < -10 * factor
    assert_alike(sums, in_numpy(sure, sure.mixture))


def test_rows_far_from_every_expert():
    """Densities that are zero in double precision; a step of training may lead there."""
    problem = make("softmax", "gaussian", 3)
    far = problem._replace(y=problem.y + 1e6)
    sums = far.mixture.sums(far.params, far.rows())
    assert_alike(sums, in_numpy(far, far.mixture))
    assert np.isfinite(ravel(sums)).all()
