"""One battery for every gate and every expert block, in every shape of tree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from registry import EXPERTS, FLAT, GATES
from scipy.linalg import block_diag

from skmoe.gates import softmax
from skmoe.mixture import Mixture, Params, Sums
from skmoe.model import FittedMixture
from skmoe.records import ravel, unravel
from skmoe.rows.columns import Columns
from skmoe.rows.design import Design
from skmoe.rows.source import Rows, array_rows
from skmoe.training.loop import Run, Settings
from skmoe.tree import Tree


class Problem(NamedTuple):
    """A mixture, a point in its parameters, and rows."""

    mixture: Mixture
    params: Params
    gate: Columns
    expert: Columns
    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray

    def rows(self, size: int = 10**6) -> Rows:
        return array_rows(self.mixture, self.gate, self.expert, self.X, self.y, self.weight, chunk_rows=size)

    def sums(self, params: Params | None = None, size: int = 10**6, **kwargs: Any) -> Sums:
        return self.mixture.sums(self.params if params is None else params, self.rows(size), **kwargs)

    def objective(self, params: Params) -> float:
        return self.mixture.objective(params, self.sums(params, information=False))

    def log_prob(self) -> np.ndarray:
        return self.mixture.evaluate(self.params, self.rows()).log_prob


def blocks_for(expert: str, y: np.ndarray, weight: np.ndarray) -> Any:
    block = EXPERTS[expert].expert
    return [one.adapted(y, weight) for one in block] if isinstance(block, list) else block.adapted(y, weight)


def make(gate: str, expert: str, shape: Any, n_rows: int = 100, seed: int = 0) -> Problem:
    """A random problem in which gates and experts see different columns and weights differ."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows, 3)) * [1, 10, 0.1] + [0, 5, 0]
    y = EXPERTS[expert].draw(rng, (X - X.mean(axis=0)) / X.std(axis=0))
    weight = rng.uniform(0.2, 2.5, n_rows)
    mixture = Mixture.of(Tree.parse(shape), GATES[gate], blocks_for(expert, y, weight))
    start = mixture.start(4, 3)
    params = unravel(start, ravel(start) + 0.4 * rng.standard_normal(ravel(start).size))
    gate_columns, expert_columns = (Columns.of(X, weight, np.array(index)) for index in ([0, 1, 2], [0, 2]))
    return Problem(mixture, params, gate_columns, expert_columns, X, y, weight)


CASES = [
    (gate, expert, shape)
    for gate, expert in product(GATES, EXPERTS)
    for shape in EXPERTS[expert].shapes
    if not (gate in FLAT and isinstance(shape, tuple))
]
every_case = pytest.mark.parametrize(("gate", "expert", "shape"), CASES, ids=str)


def differences(function: Callable[[Any], Any], record: Any, h: float = 1e-5) -> np.ndarray:
    """Derivatives of an array in every coordinate of a record, by central differences, the coordinates last.

    Of fourth order, because a Gaussian gate is steep where a factor of its covariance is near zero.
    """
    at = ravel(record)

    def rise(step):
        return function(unravel(record, at + step)) - function(unravel(record, at - step))

    return np.stack([8 * rise(e) - rise(2 * e) for e in h * np.eye(at.size)], -1) / (12 * h)


def entries(record: Any) -> Iterator[Any]:
    """The arrays of a record, in order; None where one is missing."""
    if isinstance(record, tuple):
        for part in record:
            yield from entries(part)
    else:
        yield record


def assert_same_sums(got: Sums, expected: Sums) -> None:
    """Equal up to rounding of the largest entry of each array."""
    for a, b in zip(entries(got), entries(expected), strict=True):
        assert_allclose(a, b, rtol=0, atol=1e-12 * np.abs(b).max(initial=0.0))


def move(a: Params, step: float, b: Params) -> Params:
    """A step of the way from a to b."""
    return unravel(a, (1 - step) * ravel(a) + step * ravel(b))


# -- gradient and information ------------------------------------------------------------------------------------------


@every_case
def test_gradient_is_the_derivative_of_the_penalised_objective(gate, expert, shape):
    problem = make(gate, expert, shape)
    expected = differences(problem.objective, problem.params)
    got = ravel(problem.mixture.gradient(problem.params, problem.sums()))
    assert_allclose(got, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("n_branches", [2, 3, 5])
def test_full_softmax_information_is_the_hessian(n_branches):
    problem = make("softmax", "gaussian", n_branches)
    gate, params, design = problem.mixture.gates[0], problem.params.gates[0], problem.rows().chunk(0).gate
    mass = np.random.default_rng(1).exponential(size=(n_branches, len(problem.X)))

    def gathered(at):
        return gate.gather(at, design, mass, gate.forward(at, design).cache)

    hessian = differences(lambda at: gathered(at).score.ravel(), params)
    information = gathered(params).information.reshape(hessian.shape)
    assert_allclose(information, -hessian, rtol=0, atol=1e-7 * np.abs(hessian).max())


@pytest.mark.parametrize("expert", ["gaussian", "gaussian, two outputs", "poisson", "bernoulli", "three classes"])
def test_information_of_linear_predictors_is_the_hessian(expert):
    """Canonical links: what is expected is what is observed. One diagonal block an expert and output."""
    problem = make("equal", expert, 2)
    block, params, chunk = problem.mixture.experts[0].expert, problem.params.experts[0], problem.rows().chunk(0)
    mass = np.random.default_rng(1).exponential(size=(2, len(problem.X)))

    def gathered(at):
        cache = block.forward(at, chunk.expert, chunk.responses[0]).cache
        return block.gather(at, chunk.expert, chunk.responses[0], mass, cache)

    n = params.coef.size
    hessian = differences(lambda at: next(a for a in entries(gathered(at)) if a.size == n).ravel(), params)[:, :n]
    information = gathered(params).information
    n_blocks = 2 * params.coef.shape[1] if expert != "three classes" else 2
    blocks = information.reshape(n_blocks, n // n_blocks, n // n_blocks)
    assert_allclose(block_diag(*blocks), -hessian, rtol=0, atol=1e-7 * np.abs(hessian).max())


@every_case
def test_a_pass_for_the_score_only(gate, expert, shape):
    problem = make(gate, expert, shape)
    full, lean = problem.sums(), problem.sums(information=False)
    assert lean.log_likelihood == full.log_likelihood
    assert_array_equal(*(ravel(problem.mixture.gradient(problem.params, sums)) for sums in (full, lean)))
    for block in (*lean.gates, *lean.experts):
        assert all(getattr(block, name, None) is None for name in ("information", "curvature"))


# -- sums over rows ----------------------------------------------------------------------------------------------------


@every_case
def test_sums_do_not_depend_on_chunks(gate, expert, shape):
    problem = make(gate, expert, shape)
    for size in (7, 64):
        assert_same_sums(problem.sums(size=size), problem.sums())


@every_case
def test_mass_counts_rows(gate, expert, shape):
    """A row of weight 0 is not there; a row of weight 2 is there twice."""
    problem = make(gate, expert, shape)
    count = np.random.default_rng(2).integers(3, size=len(problem.X))
    rows = np.repeat(np.arange(len(count)), count)
    repeated = problem._replace(X=problem.X[rows], y=problem.y[rows], weight=np.ones(len(rows)))
    assert_same_sums(problem._replace(weight=count.astype(float)).sums(), repeated.sums())


# -- spending ----------------------------------------------------------------------------------------------------------


@every_case
def test_precondition_is_linear_symmetric_and_positive(gate, expert, shape):
    problem = make(gate, expert, shape)
    sums, rng = problem.sums(), np.random.default_rng(3)

    def precondition(vector):
        return ravel(problem.mixture.precondition(problem.params, sums, unravel(problem.params, vector)))

    u, v = rng.standard_normal((2, ravel(problem.params).size))
    Pu, Pv = precondition(u), precondition(v)
    size = np.linalg.norm(Pu) + np.linalg.norm(Pv)
    assert_allclose(precondition(2 * u - 3 * v), 2 * Pu - 3 * Pv, rtol=0, atol=1e-12 * size)
    assert v @ Pu == pytest.approx(u @ Pv, abs=1e-12 * size * np.linalg.norm(v))
    assert u @ Pu > 0
    assert v @ Pv > 0


@pytest.mark.parametrize("gate", ["softmax", "constant"])
@pytest.mark.parametrize("n_branches", [2, 4])
def test_precondition_of_gates_inverts_the_hessian(gate, n_branches):
    """Of the penalised expected objective, the responsibilities held fixed: its M-step is a Newton step."""
    problem = make(gate, "gaussian", n_branches)
    block, params, design = problem.mixture.gates[0], problem.params.gates[0], problem.rows().chunk(0).gate
    mass = np.random.default_rng(1).exponential(size=(n_branches, len(problem.X)))

    def gathered(at):
        return block.gather(at, design, mass, block.forward(at, design).cache)

    hessian = differences(lambda at: ravel(block.gradient(at, gathered(at))), params)
    columns = [ravel(block.precondition(params, gathered(params), unravel(params, h))) for h in hessian.T]
    assert_allclose(columns, -np.eye(len(hessian)), rtol=0, atol=1e-6)


@every_case
@pytest.mark.parametrize("seed", range(3))
def test_m_step_climbs(gate, expert, shape, seed):
    """A short way along it the objective rises, by what the gradient promises."""
    problem = make(gate, expert, shape, seed=seed)
    sums = problem.sums()
    new = problem.mixture.m_step(problem.params, sums)
    gradient = ravel(problem.mixture.gradient(problem.params, sums))
    slope = gradient @ (ravel(new) - ravel(problem.params))
    assert slope > 0
    h = 1e-4
    risen = problem.objective(move(problem.params, h, new)) - problem.objective(problem.params)
    assert risen / h == pytest.approx(slope, rel=0.05)


CLOSED = [case for case in CASES if case[0] != "softmax" and EXPERTS[case[1]].closed]


@pytest.mark.parametrize(("gate", "expert", "shape"), CLOSED, ids=str)
@pytest.mark.parametrize("seed", range(5))
def test_closed_m_step_is_the_maximum(gate, expert, shape, seed):
    """At the new parameters the expected objective is flat, and the objective has not fallen."""
    problem = make(gate, expert, shape, seed=seed)
    h = problem.mixture.evaluate(problem.params, problem.rows()).responsibilities.T
    new = problem.mixture.m_step(problem.params, problem.sums())
    assert problem.objective(new) >= problem.objective(problem.params)
    gradient = ravel(problem.mixture.gradient(new, problem.sums(new, responsibilities=[h])))
    assert_allclose(gradient, 0, atol=1e-9 * problem.weight.sum())


# -- sums of rows that are gone ----------------------------------------------------------------------------------------


def near(problem: Problem, size: float = 0.2) -> Params:
    """Parameters near those of a problem."""
    at = ravel(problem.params)
    return unravel(problem.params, at + size * np.random.default_rng(5).standard_normal(at.size))


@pytest.mark.parametrize(("gate", "expert", "shape"), CLOSED, ids=str)
def test_sums_of_closed_blocks_are_recentred_exactly(gate, expert, shape):
    """As gathered anew from the rows at the new parameters, with the responsibilities of the old ones."""
    problem = make(gate, expert, shape)
    new, evaluation = near(problem), problem.mixture.evaluate(problem.params, problem.rows())
    given = [evaluation.responsibilities.T]
    old, again = (problem.sums(at, responsibilities=given) for at in (problem.params, new))
    assert_same_sums(problem.mixture.recentred(old, problem.params, new), again)


@pytest.mark.parametrize("gate", ["softmax", "constant"])
@pytest.mark.parametrize("expert", ["poisson", "bernoulli", "three classes"])
def test_sums_of_canonical_links_are_recentred_to_first_order(gate, expert):
    """Their information is the derivative of the score, so an error falls with the square of the way."""
    problem = make(gate, expert, 2)
    given = [problem.mixture.evaluate(problem.params, problem.rows()).responsibilities.T]
    errors = []
    for size in (1e-2, 1e-3):
        new = near(problem, size)
        moved, again = (
            problem.mixture.gradient(new, sums)
            for sums in (
                problem.mixture.recentred(problem.sums(), problem.params, new),
                problem.sums(new, responsibilities=given),
            )
        )
        errors.append(np.abs(ravel(moved) - ravel(again)).max())
    assert errors[1] < 0.015 * errors[0]


@every_case
def test_what_recentred_sums_gain_has_their_gradient(gate, expert, shape):
    problem = make(gate, expert, shape)
    mixture, sums, new = problem.mixture, problem.sums(), near(problem)

    def objective(at):
        return mixture.objective(at, mixture.recentred(sums, problem.params, at))

    expected = differences(objective, new)
    got = ravel(mixture.gradient(new, mixture.recentred(sums, problem.params, new)))
    assert_allclose(got, expected, rtol=0, atol=1e-6 * np.abs(expected).max())
    assert objective(problem.params) == pytest.approx(mixture.objective(problem.params, sums), rel=1e-13)


@every_case
def test_balanced_sums_have_no_gradient(gate, expert, shape):
    """And the M-step stays where it is."""
    problem = make(gate, expert, shape)
    if gate in FLAT:  # parameters above the floor of the covariances
        problem = problem._replace(params=problem.mixture.m_step(problem.params, problem.sums()))
    mixture, params, sums = problem.mixture, problem.params, problem.sums()
    balanced = mixture.balanced(params, sums)
    scale = np.abs(ravel(mixture.gradient(params, sums))).max()
    assert_allclose(ravel(mixture.gradient(params, balanced)), 0, atol=1e-11 * max(scale, 1))
    assert_allclose(ravel(mixture.m_step(params, balanced)), ravel(params), rtol=0, atol=1e-8)


@pytest.mark.parametrize("expert", ["gaussian", "three classes"])
def test_blocks_of_information_recentre_what_they_majorise(expert, monkeypatch):
    """With one block a branch sums lose more on the way than with all pairs, and their gradient is right."""
    problem = make("softmax", expert, 4)
    mixture, new = problem.mixture, near(problem)
    full = mixture.recentred(problem.sums(), problem.params, new).log_likelihood
    monkeypatch.setattr(softmax, "FULL_INFORMATION", 0)
    sums = problem.sums()

    def objective(at):
        return mixture.objective(at, mixture.recentred(sums, problem.params, at))

    assert mixture.recentred(sums, problem.params, new).log_likelihood < full
    got = ravel(mixture.gradient(new, mixture.recentred(sums, problem.params, new)))
    assert_allclose(got, differences(objective, new), rtol=0, atol=1e-6 * np.abs(got).max())


def test_constant_gate_takes_the_shares():
    problem = make("constant", "gaussian", 3)
    params = problem.mixture.m_step(problem.params, problem.sums())
    share = problem.mixture.share(problem.params, problem.rows())
    assert_allclose(np.exp(problem.mixture.log_prior(params, problem.rows().chunk(0).gate))[:, 0], share, rtol=1e-12)


@pytest.mark.parametrize("expert", ["gaussian", "three classes"])
def test_block_diagonal_information_takes_shorter_steps_to_the_same_end(expert, monkeypatch):
    """The blocks majorise the information of all pairs, so their inverse is below its inverse; so does damping."""
    problem = make("softmax", expert, (4, 2))
    rng = np.random.default_rng(4)
    vectors = rng.standard_normal((20, ravel(problem.params).size))

    def lengths(mixture):
        sums = problem._replace(mixture=mixture).sums()
        steps = [mixture.precondition(problem.params, sums, unravel(problem.params, v)) for v in vectors]
        return np.array([v @ ravel(step) for v, step in zip(vectors, steps, strict=True)])

    full, damped = lengths(problem.mixture), lengths(problem.mixture.damped())
    monkeypatch.setattr(softmax, "FULL_INFORMATION", 0)
    blocks = lengths(problem.mixture)
    assert (blocks < full * (1 - 1e-3)).all()
    assert (damped < full * (1 - 1e-6)).all()


@pytest.mark.parametrize(("expert", "shape"), [("gaussian", 3), ("gaussian", (2, 3)), ("three classes", 1)])
def test_block_diagonal_information_trains_to_the_same_optimum(expert, shape, monkeypatch):
    """From a start near an optimum, because there are many; one expert over classes has only one."""
    problem = make("softmax", expert, shape, n_rows=300)

    def run(start):
        return Run(problem.mixture, start, problem.rows(), Settings(tol=1e-10)).advance(2000)

    optimum = run(problem.params).point.vector
    near = unravel(problem.params, optimum + 0.02 * np.random.default_rng(4).standard_normal(optimum.size))
    full = run(near)
    monkeypatch.setattr(softmax, "FULL_INFORMATION", 0)
    blocks = run(near)
    assert full.converged
    assert blocks.converged
    assert full.n_passes < blocks.n_passes
    assert blocks.objective == pytest.approx(full.objective, rel=1e-10)


# -- parameters --------------------------------------------------------------------------------------------------------


@every_case
def test_rearranging_leaves_the_density(gate, expert, shape):
    problem = make(gate, expert, shape)
    before = problem.mixture.evaluate(problem.params, problem.rows())
    tree = problem.mixture.tree
    for ordering in (tree.ordered(np.random.default_rng(5).random(tree.n_leaves)), tree.canonical()):
        mixture, params = problem.mixture.rearranged(problem.params, ordering)
        after = mixture.evaluate(params, problem.rows())
        leaves = ordering.leaves if expert != "mixed" else slice(None)
        assert_allclose(after.log_prob, before.log_prob, rtol=0, atol=1e-12)
        assert_allclose(after.responsibilities, before.responsibilities[:, leaves], rtol=0, atol=1e-12)


@pytest.mark.parametrize("gate", GATES)
def test_permuted_branches(gate):
    problem = make(gate, "gaussian", 4)
    block, params, design = problem.mixture.gates[0], problem.params.gates[0], problem.rows().chunk(0).gate
    order = np.array([2, 0, 3, 1])
    permuted = block.permuted(params, order)
    assert_allclose(
        block.forward(permuted, design).log_prob, block.forward(params, design).log_prob[order], rtol=0, atol=1e-12
    )
    z = np.array([0.3, -1.0, 0.5])
    assert_allclose(block.slopes(permuted, z), block.slopes(params, z)[order], rtol=0, atol=1e-12)
    coef, moments = block.coef(params, 4), block.moments(params)
    assert coef is not None or moments is not None
    if coef is not None:
        assert_allclose(block.coef(permuted, 4), coef[order], rtol=0, atol=1e-12)
        assert_allclose(coef.sum(axis=0), 0, atol=1e-12)
    if moments is not None:
        for new, old in zip(block.moments(permuted), moments, strict=True):
            assert_allclose(new, old[order], rtol=0, atol=1e-12)


@pytest.mark.parametrize("gate", GATES)
def test_slopes_are_the_derivative_of_the_log_odds(gate):
    problem = make(gate, "gaussian", 4)
    block, params = problem.mixture.gates[0], problem.params.gates[0]

    def log_odds(z):
        log_prob = block.forward(params, Design(np.concatenate([[1.0], z])[:, None])).log_prob[:, 0]
        return log_prob - log_prob.mean()

    z = np.array([0.3, -1.0, 0.5])
    slopes = block.slopes(params, z)
    assert_allclose(slopes, differences(log_odds, z), rtol=0, atol=1e-8)
    assert_allclose(slopes.sum(axis=0), 0, atol=1e-12)


@pytest.mark.parametrize("gate", GATES)
def test_training_counts_the_joint_density_where_the_gate_models_x(gate):
    problem = make(gate, "gaussian", 3)
    forward = problem.mixture.gates[0].forward(problem.params.gates[0], problem.rows().chunk(0).gate)
    assert_array_equal(forward.log_joint, forward.log_prob + forward.log_marginal)
    assert_allclose(np.exp(forward.log_prob).sum(axis=0), 1, rtol=1e-12)
    assert np.any(forward.log_marginal) == (problem.mixture.gates[0].moments(problem.params.gates[0]) is not None)
    expected = problem.weight @ (problem.log_prob() + forward.log_marginal)
    assert problem.sums().log_likelihood == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("expert", [name for name in EXPERTS if name != "mixed"])
def test_taken_experts(expert):
    problem = make("equal", expert, 4)
    block, params, chunk = problem.mixture.experts[0].expert, problem.params.experts[0], problem.rows().chunk(0)
    order = np.array([2, 0, 2])
    taken, every = (
        block.forward(p, chunk.expert, chunk.responses[0]).log_prob for p in (block.take(params, order), params)
    )
    assert_allclose(taken, every[order], rtol=0, atol=1e-12)


@every_case
def test_restandardized_parameters_are_the_same_density(gate, expert, shape):
    """The units of other rows: other columns, other weights, and for responses on the real line another unit of y.

    Columns that share a variance can be followed only where their units all change alike.
    """
    problem = make(gate, expert, shape)
    rng = np.random.default_rng(6)
    X, weight = 3 * problem.X - [4, 1, 0.2], rng.exponential(size=len(problem.X))
    weight = problem.weight if gate == "spherical" else weight
    y = 5 * problem.y + 3 if EXPERTS[expert].real else problem.y
    mixture = Mixture.of(problem.mixture.tree, GATES[gate], blocks_for(expert, y, weight))
    gate_columns, expert_columns = (Columns.of(X, weight, old.index) for old in (problem.gate, problem.expert))
    fitted = FittedMixture(problem.mixture, problem.params, problem.gate, problem.expert)
    params = fitted.restandardized(mixture, gate_columns, expert_columns)
    again = problem._replace(mixture=mixture, params=params, gate=gate_columns, expert=expert_columns)
    assert_allclose(again.log_prob(), problem.log_prob(), rtol=0, atol=1e-10)
