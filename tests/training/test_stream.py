"""Streams below the estimators: sums that fade, move and learn."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skmoe.experts import BinaryExpert, ClassExpert, LinearExpert
from skmoe.families import Gaussian, Poisson, StudentT
from skmoe.gates import ConstantGate, GaussianGate, SoftmaxGate
from skmoe.mixture import Mixture
from skmoe.records import add, complete, ravel, scaled, unravel
from skmoe.rows.columns import Columns
from skmoe.rows.source import Rows, array_rows
from skmoe.training.loop import Run, Settings
from skmoe.training.starts import hyperplanes
from skmoe.training.stream import FADING, MEAN_FADING, Streamed, begun, learned, resumed
from skmoe.tree import Tree

N_ROWS = 400
RNG = np.random.default_rng(0)
X = RNG.standard_normal((N_ROWS, 3)) * [1, 10, 0.1] + [0, 5, 0]
Z = (X - [0, 5, 0]) / [1, 10, 0.1]
SIGNAL = np.where(Z[:, 0] > 0, 2 * Z[:, 1], -Z[:, 1])
REAL = (SIGNAL + 0.5 * RNG.standard_normal(N_ROWS))[:, None]
COUNTS = RNG.poisson(np.exp(0.5 * SIGNAL))[:, None].astype(float)
KINDS = {
    "gaussian": (LinearExpert(Gaussian()), REAL),
    "student_t": (LinearExpert(StudentT()), REAL),
    "two outputs": (LinearExpert(Gaussian()), np.column_stack([REAL, -REAL + Z[:, 2:]])),
    "poisson": (LinearExpert(Poisson()), COUNTS),
    "two classes": (BinaryExpert(alpha=0.01), (REAL > 0).astype(float)),
    "three classes": (ClassExpert(alpha=0.01), np.digitize(REAL, [-1, 1]).astype(float)),
    "mixed": ([LinearExpert(Gaussian()), LinearExpert(StudentT())], REAL),
}
GATES = {"softmax": SoftmaxGate(), "constant": ConstantGate(), "gaussian": GaussianGate()}
ONES = np.ones(N_ROWS)


class Problem:
    """A mixture, parameters, and some rows of the table."""

    def __init__(self, kind="gaussian", gate="softmax", shape=2):
        block, self.y = KINDS[kind]
        blocks = (
            [one.adapted(self.y, ONES) for one in block] if isinstance(block, list) else block.adapted(self.y, ONES)
        )
        self.mixture = Mixture.of(Tree.parse(shape), GATES[gate], blocks)
        self.columns = Columns.of(X, ONES, np.arange(3))
        self.params = hyperplanes(self.mixture, self.rows(), np.random.default_rng(1))

    def rows(self, index=slice(None), weight=None) -> Rows:
        weight = np.ones(len(X[index])) if weight is None else weight
        return array_rows(self.mixture, self.columns, self.columns, X[index], self.y[index], weight)

    def optimum(self, index=slice(None)):
        return Run(self.mixture, self.params, self.rows(index), Settings()).advance(1000).params


every = pytest.mark.parametrize(
    ("kind", "gate", "shape"),
    [(kind, "softmax", 2) for kind in KINDS]
    + [("gaussian", "constant", 2), ("gaussian", "gaussian", 2), ("student_t", "softmax", (2, 2))]
    + [("three classes", "gaussian", 2), ("poisson", "softmax", ((2, 2), 1))],
    ids=str,
)


@every
def test_without_a_past_a_batch_is_learned_as_a_fit_learns_it(kind, gate, shape):
    """A first batch of no weight to speak of: the sums after it are those of the batch, at parameters of the loop."""
    problem = Problem(kind, gate, shape)
    first = begun(problem.mixture, problem.params, problem.rows(slice(0, 50), np.full(50, 1e-9)))
    stream, run = learned(first, problem.rows(), Settings(memory=0, max_passes=2))
    step = Run(problem.mixture, problem.params, problem.rows(), Settings(memory=0))
    step.advance(2)
    if step.n_passes == run.n_passes == 2:  # logistic experts are not curved, and fits then take other steps
        assert_allclose(ravel(run.params), ravel(step.params), rtol=1e-6, atol=1e-6)
    assert_allclose(ravel(stream.mean), ravel(run.params), rtol=1e-9, atol=1e-9)
    sums = problem.mixture.sums(run.params, problem.rows())
    assert complete(stream.sums)
    assert_allclose(ravel(scaled(stream.sums, stream.weight)), ravel(sums), rtol=1e-6, atol=1e-5)
    assert stream.weight == pytest.approx(N_ROWS)


@pytest.mark.parametrize("gate", ["constant", "gaussian"])
def test_one_step_on_a_whole_batch_is_the_m_step(gate):
    problem = Problem("gaussian", gate)
    first = begun(problem.mixture, problem.params, problem.rows(slice(0, 50), np.full(50, 1e-9)))
    _, run = learned(first, problem.rows(), Settings(memory=0, max_passes=2))
    m_step = problem.mixture.m_step(problem.params, problem.mixture.sums(problem.params, problem.rows()))
    assert_allclose(ravel(run.params), ravel(m_step), rtol=1e-7, atol=1e-7)


@every
def test_the_same_rows_again_are_those_rows_twice(kind, gate, shape):
    """From the optimum of the first batch the way is short: the ridge counts half."""
    problem = Problem(kind, gate, shape)
    optimum = Run(problem.mixture, problem.params, problem.rows(), Settings(tol=1e-9)).advance(2000).params
    stream, run = learned(begun(problem.mixture, optimum, problem.rows()), problem.rows(), Settings())
    twice = (
        Run(problem.mixture, optimum, problem.rows(weight=np.full(N_ROWS, 2.0)), Settings(tol=1e-9))
        .advance(1000)
        .params
    )
    before, streamed, fitted = (
        problem.mixture.evaluate(params, problem.rows()).log_prob.mean() for params in (optimum, stream.params, twice)
    )
    assert before <= streamed <= fitted + 1e-5
    assert fitted - streamed < 2e-3
    assert run.converged


@every
def test_the_objective_of_past_and_batch_never_falls_and_has_its_gradient(kind, gate, shape):
    problem = Problem(kind, gate, shape)
    stream = begun(problem.mixture, problem.optimum(slice(0, 200)), problem.rows(slice(0, 200)))
    rows = problem.rows(slice(200, 400))
    m = problem.mixture
    both = Streamed(m.tree, m.gates, m.experts, past=scaled(stream.sums, 150.0), at=stream.params, emphasis=1.25)
    run = Run(both, stream.params, rows, Settings(memory=0)).advance(6)
    objectives = [entry["objective"] for entry in run.history]
    assert (np.diff(objectives) > 0).all()
    at, h = ravel(run.params), 1e-5
    for direction in np.random.default_rng(2).standard_normal((3, at.size)):

        def objective(step, direction=direction):
            params = unravel(run.params, at + step * direction)
            return both.objective(params, both.sums(params, rows))

        slope = (8 * (objective(h) - objective(-h)) - (objective(2 * h) - objective(-2 * h))) / (12 * h)
        assert slope == pytest.approx(run.point.gradient @ direction, abs=1e-4 * (1 + abs(slope)))


@pytest.mark.parametrize("kind", ["gaussian", "two classes", "poisson"])
def test_a_row_of_weight_two_is_that_row_twice(kind):
    problem = Problem(kind)
    stream = begun(problem.mixture, problem.optimum(slice(0, 200)), problem.rows(slice(0, 200)))
    count = np.random.default_rng(3).integers(1, 4, size=200)
    index = np.arange(200, 400)
    weighted, _ = learned(stream, problem.rows(index, count.astype(float)), Settings())
    repeated, _ = learned(stream, problem.rows(np.repeat(index, count)), Settings())
    assert weighted.weight == repeated.weight == 200 + count.sum()
    assert_allclose(ravel(weighted.mean), ravel(repeated.mean), rtol=1e-6, atol=1e-7)
    assert_allclose(ravel(weighted.sums), ravel(repeated.sums), rtol=1e-6, atol=1e-7)


def test_the_past_fades_by_weight_however_the_stream_is_cut():
    """With no step between them the sums of a batch and of its halves are the same, but for what halves fade."""
    problem = Problem()
    optimum = problem.optimum()
    stream = begun(problem.mixture, optimum, problem.rows(slice(0, 200)))
    still = Settings(max_passes=1)
    for cut in ([slice(200, 300)], [slice(200, 250), slice(250, 300)]):
        found, past = stream, scaled(stream.sums, 200.0)
        for index in cut:
            batch = problem.mixture.sums(optimum, problem.rows(index))
            kept = (found.weight / (found.weight + batch.weight)) ** FADING
            total = found.weight + batch.weight
            past = add(scaled(past, total / found.weight * kept), scaled(batch, total * (1 - kept) / batch.weight))
            found, run = learned(found, problem.rows(index), still)
            assert run.n_passes == 1
        assert_allclose(ravel(scaled(found.sums, found.weight)), ravel(past), rtol=1e-9, atol=1e-9)
        assert found.sums.weight == pytest.approx(1)


def test_the_mean_of_the_parameters_fades_more_slowly():
    problem = Problem()
    first = begun(problem.mixture, problem.optimum(slice(0, 200)), problem.rows(slice(0, 200)))
    second, _ = learned(first, problem.rows(slice(200, 400)), Settings())
    before = 0.5**MEAN_FADING
    assert_allclose(ravel(second.mean), before * ravel(first.params) + (1 - before) * ravel(second.params), rtol=1e-12)


@every
def test_a_stream_after_a_fit_begins_at_rest(kind, gate, shape):
    """The fit's rows are gone; what stands for them has no gradient at its optimum and its weight."""
    problem = Problem(kind, gate, shape)
    optimum = problem.optimum()
    stream = resumed(problem.mixture, optimum, problem.rows(slice(0, 10)), problem.rows(slice(0, 60)), 400.0)
    sums = scaled(stream.sums, 400.0)
    assert sums.weight == pytest.approx(400)
    assert_allclose(ravel(problem.mixture.gradient(optimum, sums)), 0, atol=1e-8)
    assert stream.params is optimum


def test_rows_that_are_not_finite_leave_the_stream():
    problem = Problem()
    stream = begun(problem.mixture, problem.optimum(), problem.rows())
    problem.y = problem.y * 1e200
    with np.errstate(all="ignore"):
        after, run = learned(stream, problem.rows(slice(0, 5)), Settings())
    assert after is stream
    assert not run.point.finite


def test_no_step_leads_to_where_the_batch_is_not_finite():
    """Counts in the thousands where rates near one were expected: a full Newton step would overflow."""
    problem = Problem("poisson")
    stream = begun(problem.mixture, problem.optimum(), problem.rows())
    problem.y = problem.y * 5000.0
    after, run = learned(stream, problem.rows(), Settings())
    assert run.point.finite
    assert np.isfinite(ravel(after.mean)).all()
    assert run.objective > run.history[0]["objective"]
