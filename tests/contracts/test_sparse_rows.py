"""Passes over sparse rows against passes over arrays, and the diagonal of information against the whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from registry import GATES
from test_blocks import CASES, make
from test_fused import assert_alike, in_numpy

from skmoe.gates import softmax
from skmoe.records import ravel, unravel
from skmoe.rows import design
from skmoe.rows.sparse import SparseRows

SPARSE = [case for case in CASES if not GATES[case[0]].dense]


def sparse(problem):
    """The same problem, its rows as stored entries; a third of them are made zeros first."""
    X = np.where(np.random.default_rng(0).random(problem.X.shape) < 1 / 3, 0.0, problem.X)
    return problem._replace(X=X), problem._replace(X=SparseRows(sp.csr_array(X)))


@pytest.mark.parametrize("information", [True, False])
@pytest.mark.parametrize(("gate", "expert", "shape"), SPARSE, ids=str)
def test_passes_over_sparse_rows_are_those_over_arrays(gate, expert, shape, information):
    dense, found = sparse(make(gate, expert, shape))
    for mixture in (dense.mixture, dense.mixture.damped()):
        got = mixture.sums(found.params, found.rows(30), information=information)
        assert_alike(got, in_numpy(dense, mixture, information))
    assert_allclose(found.log_prob(), dense.log_prob(), rtol=1e-11)


def test_threads_give_the_same_bits():
    _, found = sparse(make("softmax", "student_t", (2, 2), n_rows=3000))
    rows = found.rows(100)
    one = ravel(found.mixture.sums(found.params, rows))
    assert_array_equal(ravel(found.mixture.sums(found.params, replace(rows, n_jobs=3))), one)


@pytest.mark.parametrize("damped", [False, True])
@pytest.mark.parametrize(("gate", "expert", "shape"), SPARSE, ids=str)
def test_many_columns_are_solved_by_the_diagonal(gate, expert, shape, damped, monkeypatch):
    """What is off the diagonal of the blocks of single predictors is left out, and nothing else."""
    monkeypatch.setattr(softmax, "FULL_INFORMATION", 0)
    for problem in sparse(make(gate, expert, shape)):
        mixture = problem.mixture.damped() if damped else problem.mixture
        full = mixture.sums(problem.params, problem.rows(30))
        monkeypatch.setattr(design, "MOST_CROSSED", 1)
        assert mixture.rough(problem.params)
        rough = mixture.sums(problem.params, problem.rows(30))
        vector = np.random.default_rng(0).standard_normal(ravel(problem.params).size)
        got = mixture.precondition(problem.params, rough, unravel(problem.params, vector))
        assert_alike(rough, diagonal(full))
        wanted = mixture.precondition(problem.params, diagonal(full), unravel(problem.params, vector))
        assert_allclose(ravel(got), ravel(wanted), rtol=1e-9, atol=1e-12)
        monkeypatch.setattr(design, "MOST_CROSSED", 1000)


def diagonal(sums):
    """The same sums with the diagonals of matrices of information."""

    def of(part):
        if getattr(part, "information", None) is None:
            return part
        return part._replace(information=np.einsum("...ii->...i", part.information))

    return sums._replace(gates=tuple(map(of, sums.gates)), experts=tuple(map(of, sums.experts)))


@pytest.mark.parametrize(("gate", "expert", "shape"), [("softmax", "gaussian", 3), ("softmax", "bernoulli", (2, 2))])
def test_a_diagonal_of_zeros_moves_nothing(gate, expert, shape, monkeypatch):
    """A column that does not vary, and no ridge on it."""
    monkeypatch.setattr(design, "MOST_CROSSED", 1)
    problem = make(gate, expert, shape)
    block = problem.mixture.experts[0]
    mixture = replace(
        problem.mixture,
        gates=tuple(replace(gate, alpha=0.0) for gate in problem.mixture.gates),
        experts=(block._replace(expert=replace(block.expert, alpha=0.0)),),
    )
    still = replace(problem.expert.units, scale=np.where(np.arange(len(problem.expert.index)) == 0, np.inf, 1.0))
    problem = problem._replace(expert=replace(problem.expert, units=still))
    sums = mixture.sums(problem.params, problem.rows())
    step = mixture.precondition(problem.params, sums, unravel(problem.params, np.ones(ravel(problem.params).size)))
    assert_array_equal(step.experts[0].coef[..., 1], 0.0)
    assert np.isfinite(ravel(step)).all()
