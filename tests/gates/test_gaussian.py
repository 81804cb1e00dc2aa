"""The Gaussian gate against closed forms, scikit-learn, and the softmax that it may be."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from scipy.special import logsumexp, softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from skmoe import MoEClassifier, MoERegressor
from skmoe.experts import LinearExpert
from skmoe.families import Gaussian
from skmoe.gates import GaussianGate, SoftmaxGate
from skmoe.gates.constant import ConstantParams
from skmoe.gates.contrasts import contrasts
from skmoe.gates.gaussian import GaussianParams, softmax_from_gaussian
from skmoe.gates.normals import FORMS, NormalParams
from skmoe.inspection import ExpertDisplay, GateDisplay, explain
from skmoe.mixture import Mixture
from skmoe.records import ravel, unravel
from skmoe.rows.columns import Columns
from skmoe.rows.design import Design
from skmoe.rows.source import array_rows
from skmoe.training.loop import Run, Settings
from skmoe.training.starts import STARTS
from skmoe.tree import Tree

pytestmark = pytest.mark.filterwarnings("ignore::skmoe.exceptions.CollapseWarning")
unfinished = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
every_form = pytest.mark.parametrize("form", FORMS)
weighted = pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
both_kinds = pytest.mark.parametrize("make", [MoERegressor, MoEClassifier])


def clouds(n=240, seed=0, noise=0.3):
    """Three clouds of rows with a line each, and which cloud a row is of."""
    rng = np.random.default_rng(seed)
    cloud = rng.integers(3, size=n)
    Z = rng.standard_normal((n, 3)) @ np.array([[1, 0.5, 0], [0, 1, 0.3], [0, 0, 0.5]])
    X = (Z + np.array([[0, 0, 0], [4, 0, 2], [0, 5, 2]])[cloud]) * [1, 20, 0.01] + [0, 7, 3]
    slopes = np.array([[1, 2, 0], [-1, 0, 1], [0, 1, 3]])[cloud]
    return X, (Z * slopes).sum(axis=1) + noise * rng.standard_normal(n), cloud


def data_of(make, n=240, seed=0):
    X, y, _ = clouds(n, seed)
    if make is MoERegressor:
        return X, y
    return X, np.where(np.random.default_rng(seed).random(n) < 0.15, 1, y > np.median(y))


def model_of(make, form="full", n_experts=3, alpha=0.01, scale_floor=0.1, **kwargs):
    gate = GaussianGate(form, alpha=alpha, scale_floor=scale_floor)
    return make(n_experts, gate=gate, **{"n_init": 2, "random_state": 0, **kwargs})


def weights(n, seed=1):
    return np.random.default_rng(seed).exponential(size=n)


def moments(X, w):
    mean = w @ X / w.sum()
    return mean, (X - mean).T * w @ (X - mean) / w.sum()


def restricted(form, covariance):
    """The nearest covariance of a form, on standardised columns."""
    variance = np.diag(covariance)
    return {
        "full": covariance,
        "tied": covariance,
        "diag": np.diag(variance),
        "spherical": variance.mean() * np.eye(len(variance)),
    }[form]


# -- closed forms ------------------------------------------------------------------------------------------------------


@every_form
@weighted
def test_one_branch_is_the_mean_and_covariance(form, weighted):
    """And the objective is the log density of x and y, of standardised columns."""
    X, y, _ = clouds()
    w = weights(len(X)) if weighted else np.ones(len(X))
    model = model_of(MoERegressor, form, 1, alpha=0.0, scale_floor=1e-3).set_params(alpha=0.0).fit(X, y, w)
    mean, covariance = moments(X, w)
    sd = np.sqrt(np.diag(covariance))
    of_columns = restricted(form, covariance / np.outer(sd, sd))
    assert_allclose(model.gate_mean_, mean[None], rtol=1e-10)
    assert_allclose(model.gate_covariance_, (of_columns * np.outer(sd, sd))[None], rtol=1e-9, atol=1e-12)
    of_x = stats.multivariate_normal(np.zeros(3), of_columns).logpdf((X - mean) / sd)
    assert model.objective_ == pytest.approx(w @ (of_x + model.log_prob(X, y)), rel=1e-10)
    assert model.log_likelihood_ == pytest.approx(w @ model.log_prob(X, y), rel=1e-12)
    assert model.n_iter_ <= 5


def params_of(form, weight, mean, covariance):
    """Parameters of a gate from moments as scikit-learn keeps them."""
    n_branches, p = mean.shape
    whole = {
        "full": lambda: covariance,
        "tied": lambda: covariance[None],
        "diag": lambda: np.stack([np.diag(v) for v in covariance]),
        "spherical": lambda: covariance[:, None, None] * np.eye(p),
    }[form]()
    factor = np.linalg.inv(np.linalg.cholesky(whole))
    offset = np.einsum("kij,kj->ki", np.broadcast_to(factor, (n_branches, p, p)), mean)
    entries = {
        "full": lambda: factor[:, *np.tril_indices(p)][:, None],
        "tied": lambda: factor[:, *np.tril_indices(p)][:, None],
        "diag": lambda: factor[:, range(p), range(p)][:, :, None],
        "spherical": lambda: factor[:, :1, :1],
    }[form]()
    return GaussianParams(ConstantParams(contrasts(n_branches).T @ np.log(weight)), NormalParams(offset, entries))


@every_form
def test_a_step_of_em_is_that_of_scikit_learn(form):
    """Without y: the branches' densities alone say whom a row belongs to."""
    rng = np.random.default_rng(0)
    X = clouds()[0] / [1, 20, 0.01] - [0, 0, 300]  # scikit-learn takes raw squares
    mean, weight = X[rng.integers(len(X), size=3)], np.array([0.2, 0.5, 0.3])
    root = rng.standard_normal((3, 5, 3)) + np.eye(5, 3)
    each = np.einsum("kji,kjl->kil", root, root) / 3
    covariance = {"full": each, "tied": each[0], "diag": each[:, range(3), range(3)], "spherical": each[:, 0, 0]}[form]
    precision = {"full": np.linalg.inv, "tied": np.linalg.inv, "diag": np.reciprocal, "spherical": np.reciprocal}[form]
    learned = GaussianMixture(
        3, covariance_type=form, reg_covar=0, max_iter=1, weights_init=weight, means_init=mean,
        precisions_init=precision(covariance),
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        learned.fit(X)

    gate, design = GaussianGate(form, alpha=0.0, scale_floor=1e-6), Design(np.vstack([np.ones(len(X)), X.T]))
    params = params_of(form, weight, mean, covariance)
    forward = gate.forward(params, design)
    assert forward.log_marginal.mean() == pytest.approx(learned.lower_bound_, rel=1e-12)
    new = gate.m_step(params, gate.gather(params, design, np.exp(forward.log_prob), forward.cache))
    expected = params_of(form, learned.weights_, learned.means_, learned.covariances_)
    assert_allclose(new.weights.logits, expected.weights.logits, rtol=0, atol=1e-12)
    assert_allclose(new.normals.offset, expected.normals.offset, rtol=0, atol=1e-10)
    assert_allclose(new.normals.factor, expected.normals.factor, rtol=0, atol=1e-10)


@every_form
def test_experts_that_are_all_alike_leave_a_gaussian_mixture(form):
    """y that does not vary says nothing: the whole fit is scikit-learn's."""
    X, _, cloud = clouds()
    model = model_of(MoERegressor, form, alpha=0.0, scale_floor=1e-3, tol=1e-10, n_init=5).fit(X, np.ones(len(X)))
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    start = np.array([Z[cloud == k].mean(axis=0) for k in range(3)])
    learned = GaussianMixture(3, covariance_type=form, reg_covar=0, tol=1e-13, max_iter=2000, means_init=start).fit(Z)
    order = np.argsort(-learned.weights_)
    assert_allclose(model.gate_proba(X), learned.predict_proba(Z)[:, order], rtol=0, atol=1e-5)
    assert_allclose((model.gate_mean_ - X.mean(axis=0)) / X.std(axis=0), learned.means_[order], rtol=0, atol=1e-5)


class Clouds(NamedTuple):
    """A gate, parameters away from any optimum, a design, and masses."""

    gate: GaussianGate
    params: GaussianParams
    design: Design
    mass: np.ndarray

    @classmethod
    def of(cls, form, seed=0, **kwargs):
        rng = np.random.default_rng(seed)
        X, _, _ = clouds(60, seed)
        gate = GaussianGate(form, **kwargs)
        start = gate.start(3, 4)
        params = unravel(start, ravel(start) + 0.2 * rng.standard_normal(ravel(start).size))
        design = Columns.of(X, np.ones(len(X)), np.arange(X.shape[1])).design(X)
        return cls(gate, params, design, rng.exponential(size=(3, len(X))))

    def sums(self, params=None):
        params = self.params if params is None else params
        return self.gate.gather(params, self.design, self.mass, self.gate.forward(params, self.design).cache)

    def expected_objective(self, params):
        """Of rows whose branches are known in part: what an M-step raises."""
        forward = self.gate.forward(params, self.design)
        return (self.mass * (forward.log_prob + forward.log_marginal)).sum() - self.gate.penalty(params)


def perturbed(form, weight, mean, covariance, size, floor, rng):
    """Parameters near some moments, with eigenvalues above the floor."""
    noise = size * rng.standard_normal(covariance.shape)
    values, vectors = np.linalg.eigh(covariance + noise + noise.swapaxes(1, 2))
    raised = np.einsum("kij,kj,klj->kil", vectors, np.maximum(values, floor**2), vectors)
    variance = np.maximum(np.diagonal(covariance + noise, axis1=1, axis2=2), floor**2)
    near = {"full": raised, "tied": raised[0], "diag": variance, "spherical": variance[:, 0]}[form]
    return params_of(form, weight, mean + size * rng.standard_normal(mean.shape), near)


@every_form
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("floor", [0.3, 1.05])
def test_m_step_is_the_maximum_above_the_floor(form, seed, floor):
    """Eigenvalues below the floor are raised to it, and nothing else above it is better."""
    given, rng = Clouds.of(form, seed, alpha=0.5, scale_floor=floor), np.random.default_rng(seed)
    best = given.gate.m_step(given.params, given.sums())
    free = replace(given.gate, scale_floor=1e-6)
    eigenvalues = np.linalg.eigvalsh(free.moments(free.m_step(given.params, given.sums()))[1])
    mean, covariance, _ = given.gate.moments(best)
    assert (eigenvalues < floor**2).any() == (floor > 1)
    assert_allclose(np.linalg.eigvalsh(covariance), np.maximum(eigenvalues, floor**2), rtol=1e-12)
    weight, at_best = given.mass.sum(axis=1) / given.mass.sum(), given.expected_objective(best)
    assert at_best > given.expected_objective(given.params)
    for size in np.repeat([1e-3, 1e-2, 0.1, 0.5], 50):
        other = perturbed(form, weight, mean, covariance, size, floor, rng)
        assert given.expected_objective(other) < at_best


@every_form
@pytest.mark.parametrize("seed", range(5))
def test_shortened_steps_climb_and_stay_above_the_floor(form, seed):
    """The expected objective is concave in these coordinates, and the covariances above the floor are convex."""
    given = Clouds.of(form, seed, alpha=0.1, scale_floor=0.6)
    start = given.gate.m_step(given.params, given.sums())  # above the floor
    given = given._replace(params=start, mass=np.random.default_rng(seed + 50).exponential(size=given.mass.shape))
    sums = given.sums()
    end = given.gate.m_step(start, sums)
    a, b = ravel(start), ravel(end)
    way = [unravel(start, (1 - step) * a + step * b) for step in np.linspace(0, 1, 11)]
    values = [given.expected_objective(params) for params in way]
    assert (np.diff(values) > 0).all()
    assert (np.diff(values, 2) < 1e-9 * abs(values[0])).all()
    assert min(np.linalg.eigvalsh(given.gate.moments(params)[1]).min() for params in way) >= 0.6**2 * (1 - 1e-12)
    assert ravel(given.gate.gradient(start, sums)) @ (b - a) >= values[-1] - values[0]


@every_form
def test_precondition_is_the_expected_information(form):
    """At the maximum of the likelihood, where expected and observed information of normal densities are one."""
    given = Clouds.of(form, alpha=0.0, scale_floor=1e-3)
    best = given.gate.m_step(given.params, given.sums())
    vector, h = ravel(best), 1e-4

    def gradient(at):
        params = unravel(best, at)
        return ravel(given.gate.gradient(params, given.sums(params)))

    hessian = [(gradient(vector + e) - gradient(vector - e)) / (2 * h) for e in h * np.eye(vector.size)]
    columns = [ravel(given.gate.precondition(best, given.sums(best), unravel(best, row))) for row in hessian]
    assert_allclose(columns, -np.eye(vector.size), rtol=0, atol=1e-5)


@every_form
def test_a_branch_without_rows_stays_as_it_is(form):
    given = Clouds.of(form, alpha=0.0)
    mass = given.mass * [[1], [0], [1]]
    new = given.gate.m_step(given.params, given._replace(mass=mass).sums())
    assert np.isfinite(ravel(new)).all()
    old, kept = (given.gate.moments(params) for params in (given.params, new))
    assert_allclose(kept[0][1], old[0][1], rtol=0, atol=1e-12)
    if form != "tied":
        assert_allclose(kept[1][1], old[1][1], rtol=0, atol=1e-12)


def test_covariance_of_few_rows_is_drawn_to_the_identity():
    """(scatter + alpha I) / (mass + alpha), by hand."""
    given = Clouds.of("full", alpha=2.0, scale_floor=1e-3)
    Z = given.design.columns[1:].T
    new = given.gate.moments(given.gate.m_step(given.params, given.sums()))
    for mean, covariance, mass in zip(new.mean, new.covariance, given.mass, strict=True):
        expected, scatter = moments(Z, mass)
        assert_allclose(mean, expected, rtol=0, atol=1e-12)
        assert_allclose(covariance, (mass.sum() * scatter + 2 * np.eye(3)) / (mass.sum() + 2), rtol=0, atol=1e-12)


# -- the objective -----------------------------------------------------------------------------------------------------


@every_form
@weighted
def test_objective_is_the_joint_density_from_the_attributes(form, weighted):
    """Densities of x from gate_mean_ and gate_covariance_ in the user's units, with the Jacobian of standardising."""
    X, y, _ = clouds()
    w = weights(len(X)) if weighted else np.ones(len(X))
    model = model_of(MoERegressor, form, alpha=0.7, tol=1e-10).set_params(alpha=0.4).fit(X, y, w)
    assert_allclose(model.gate_weight_, model.expert_share_, atol=1e-6)  # where EM has converged
    log_x = np.column_stack(
        [
            stats.multivariate_normal(*pair).logpdf(X)
            for pair in zip(model.gate_mean_, model.gate_covariance_, strict=True)
        ]
    )
    log_y = stats.norm(X @ model.expert_coef_.T + model.expert_intercept_, model.expert_scale_).logpdf(y[:, None])
    sd = np.sqrt(np.diag(moments(X, w)[1]))
    joint = np.log(model.gate_weight_) + log_x + log_y
    assert_allclose(model.gate_proba(X), softmax(np.log(model.gate_weight_) + log_x, axis=1), rtol=0, atol=1e-10)
    ridge = 0.4 * ((model.expert_coef_ * sd / model.expert_scale_[:, None]) ** 2).sum()
    inner = model.gate_covariance_ / np.outer(sd, sd)
    drawn = [np.trace(np.linalg.inv(S)) + np.linalg.slogdet(S)[1] - 3 for S in inner]
    drawn = drawn[:1] if form == "tied" else drawn
    expected = w @ (logsumexp(joint, axis=1) + np.log(sd).sum()) - ridge / 2 - 0.7 * np.sum(drawn) / 2
    assert model.objective_ == pytest.approx(expected, rel=1e-9)
    assert model.log_likelihood_ == pytest.approx(w @ model.log_prob(X, y), rel=1e-12)
    assert model.objective_ < model.log_likelihood_


@unfinished
@pytest.mark.parametrize("seed", range(10))
def test_objective_never_falls(seed):
    """Twenty small random problems: any form, floor, expert and weights."""
    rng = np.random.default_rng(seed)
    for _ in range(20):
        n, p = rng.integers(15, 80), rng.integers(1, 5)
        X = rng.standard_t(3, (n, p)) * 10 ** rng.uniform(-3, 3, size=p)
        X[:, -1] = np.round(X[:, -1] / X[:, -1].std())  # rows share values
        X[:2, -1] += [1, 0]
        gate = GaussianGate(
            str(rng.choice(list(FORMS))),
            alpha=float(rng.choice([0.0, 0.01, 1.0])),
            scale_floor=float(rng.choice([1e-3, 0.1, 0.5])),
        )
        kwargs = {"gate": gate, "alpha": rng.choice([0.01, 1.0]), "n_init": 1, "max_iter": 60}
        kwargs |= {"random_state": int(rng.integers(1000)), "memory": int(rng.choice([0, 10]))}
        kind = str(rng.choice(["gaussian", "student_t", "poisson", "two classes", "three classes"]))
        n_experts = int(rng.integers(1, 5))
        if kind.endswith("classes"):
            y = np.arange(n) % (2 if kind == "two classes" else 3)
            model = MoEClassifier(n_experts, **kwargs)
        else:
            y = rng.poisson(3, n) if kind == "poisson" else rng.standard_t(2, n) + X[:, 0] / X[:, 0].std()
            model = MoERegressor(n_experts, expert=kind, **kwargs)
        model.fit(X, y, sample_weight=rng.exponential(size=n) if rng.random() < 0.5 else None)
        objective = np.array([entry["objective"] for entry in model.history_] + [model.objective_])
        assert np.isfinite(objective).all()
        assert (np.diff(objective) >= -1e-12 * np.abs(objective[1:])).all(), (kind, kwargs)
        inner = model._fitted.mixture.gates[0].moments(model._fitted.params.gates[0])[1]
        assert np.linalg.eigvalsh(inner).min() >= gate.scale_floor**2 * (1 - 1e-6)


def test_a_gaussian_gate_trains_by_em_alone():
    """Whatever the memory; also with logistic experts, which otherwise take score-only passes."""
    for make in (MoERegressor, MoEClassifier):
        X, y = data_of(make)
        a, b = (model_of(make, memory=memory).fit(X, y) for memory in (0, 10))
        assert_array_equal(a.gate_mean_, b.gate_mean_)
        assert a.n_iter_ == b.n_iter_
        task = a._fitted.mixture
        assert task.em_only
        chunks = array_rows(task, a._fitted.gate, a._fitted.expert, X, y[:, None].astype(float), np.ones(len(X)))
        run = Run(task, a._fitted.params, chunks, Settings())
        assert run.point.sums.experts[0].information is not None


# -- the tied gate is a softmax ----------------------------------------------------------------------------------------


@both_kinds
def test_tied_gate_is_a_softmax(make):
    X, y = data_of(make)
    model = model_of(make, "tied").fit(X, y)
    fitted = model._fitted
    gate, params, design = fitted.mixture.gates[0], fitted.params.gates[0], fitted.gate.design(X)
    log_prob = SoftmaxGate().forward(gate.as_softmax(params), design).log_prob
    assert_allclose(np.exp(log_prob).T, model.gate_proba(X), rtol=0, atol=1e-12)
    assert_allclose(softmax(X @ model.gate_coef_.T + model.gate_intercept_, axis=1), model.gate_proba(X), atol=1e-10)
    assert_allclose(model.gate_coef_.sum(axis=0), 0, atol=1e-9 * np.abs(model.gate_coef_).max())

    mixture = fitted.mixture
    other = Mixture(mixture.tree, (SoftmaxGate(),), mixture.experts)
    chunks = array_rows(mixture, fitted.gate, fitted.expert, X, y[:, None].astype(float), np.ones(len(X)))
    converted = other.evaluate(softmax_from_gaussian(mixture, fitted.params), chunks)
    assert_allclose(converted.log_prob, model.log_prob(X, y), rtol=0, atol=1e-10)


def test_slopes_of_the_tied_gate_by_hand():
    X, y, _ = clouds()
    model = model_of(MoERegressor, "tied").fit(X, y)
    precision = np.linalg.inv(model.gate_covariance_[0])
    slopes = model.gate_mean_ @ precision
    assert_allclose(model.gate_coef_, slopes - slopes.mean(axis=0), rtol=1e-8)
    differences = model.gate_proba(model.gate_mean_.mean(axis=0)[None])  # the intercepts, at some point
    logits = model.gate_mean_.mean(axis=0) @ model.gate_coef_.T + model.gate_intercept_
    assert_allclose(differences[0], softmax(logits), atol=1e-12)


@pytest.mark.parametrize("form", ["full", "diag", "spherical"])
def test_other_gates_are_no_softmax(form):
    X, y, _ = clouds()
    model = model_of(MoERegressor, form).fit(X, y)
    assert not hasattr(model, "gate_coef_")
    assert not hasattr(model, "gate_intercept_")
    with pytest.raises(ValueError, match=f"covariance='{form}' has log-odds that are not linear.*covariance='tied'"):
        model._fitted.mixture.gates[0].as_softmax(model._fitted.params.gates[0])


# -- the same fit, written another way ---------------------------------------------------------------------------------

UNITS = {
    "X times 1e10": lambda X, y: (X * 1e10, y),
    "X times 1e-10": lambda X, y: (X * 1e-10, y),
    "one column times 1e10": lambda X, y: (X * [1, 1e10, 1], y),
    "X plus 1e8": lambda X, y: (X + 1e8, y),
    "y times 1e10": lambda X, y: (X, y * 1e10),
    "y times 1e-10": lambda X, y: (X, y * 1e-10),
}


@every_form
@pytest.mark.parametrize("change", UNITS)
def test_units_do_not_matter(form, change):
    """Not to the objective either: densities of x are those of standardised columns."""
    X, y = (np.round(a * 2.0**20) / 2.0**20 for a in clouds()[:2])  # so that adding 1e8 loses nothing
    Xc, yc = UNITS[change](X, y)
    a, b = (model_of(MoERegressor, form, tol=1e-8).fit(*data) for data in ((X, y), (Xc, yc)))
    factor = yc.std() / y.std()
    assert_allclose(b.gate_proba(Xc), a.gate_proba(X), rtol=0, atol=1e-6)
    assert_allclose(b.predict(Xc) / factor, a.predict(X), rtol=0, atol=1e-6)
    assert b.objective_ + len(y) * np.log(factor) == pytest.approx(a.objective_, abs=1e-5)
    ratio = Xc.std(axis=0) / X.std(axis=0)
    assert_allclose(b.gate_covariance_ / np.outer(ratio, ratio), a.gate_covariance_, rtol=1e-4, atol=1e-9)
    inner = [(m.gate_mean_ - rows.mean(axis=0)) / rows.std(axis=0) for m, rows in ((a, X), (b, Xc))]
    assert_allclose(*inner, rtol=0, atol=1e-5)  # a mean of 1e8 has eight digits left


@every_form
@both_kinds
@pytest.mark.parametrize("combine", ["best", "average"])
def test_integer_weights_are_repeated_rows(make, form, combine):
    X, y = data_of(make, 120)
    count = np.random.default_rng(3).integers(0, 4, size=len(y))
    model = model_of(make, form, combine_inits=combine)
    a, mean = model.fit(X, y, sample_weight=count).gate_proba(X), model.gate_mean_
    objective = model.objective_
    model.fit(np.repeat(X, count, axis=0), np.repeat(y, count))
    assert model.objective_ == pytest.approx(objective, rel=1e-10)
    assert_allclose(model.gate_proba(X), a, rtol=0, atol=1e-7)
    assert_allclose(model.gate_mean_, mean, rtol=1e-6)


@every_form
def test_rows_of_weight_zero_are_absent(form):
    X, y, _ = clouds(100)
    wild, weight = np.vstack([X, 1e9 * np.ones((2, 3))]), np.r_[np.ones(100), 0, 0]
    model = model_of(MoERegressor, form)
    a = model.fit(X, y).gate_covariance_
    assert_array_equal(model.fit(wild, np.r_[y, 1e9, -1e9], sample_weight=weight).gate_covariance_, a)


def test_weights_times_c_are_the_data_c_times():
    X, y, _ = clouds()
    a = model_of(MoERegressor, alpha=0.2, tol=1e-9).set_params(alpha=0.5).fit(X, y)
    b = model_of(MoERegressor, alpha=2.0, tol=1e-8).set_params(alpha=5.0).fit(X, y, np.full(len(y), 10.0))
    assert_allclose(b.gate_covariance_, a.gate_covariance_, rtol=1e-5, atol=1e-9)
    assert b.objective_ == pytest.approx(10 * a.objective_, rel=1e-8)


@both_kinds
def test_bits_do_not_depend_on_threads(make):
    X, y = data_of(make)
    a, b = (model_of(make, n_init=4, n_jobs=n_jobs).fit(X, y) for n_jobs in (1, 3))
    assert_array_equal(a.gate_covariance_, b.gate_covariance_)
    assert_array_equal(a.gate_proba(X), b.gate_proba(X))


@every_form
@pytest.mark.parametrize("combine", ["best", "average"])
@both_kinds
def test_warm_start_continues(make, form, combine):
    """On the same rows, and in other units."""
    X, y = data_of(make)
    model = model_of(make, form, combine_inits=combine, tol=1e-6, warm_start=True).fit(X, y)
    n_iter, objective = model.n_iter_, model.objective_
    for rows in (X, X * [1e6, 1e-6, 1] + [0, 5, 1e3]):
        model.fit(rows, y)
        assert model.n_iter_ < n_iter / 2
        assert model.objective_ >= objective - 1e-9 * abs(objective)


@unfinished
@every_form
def test_warm_start_on_other_rows_begins_where_the_old_fit_stands(form):
    """The gate is the same; spherical densities take the mean of the variances in the new units."""
    X, y, _ = clouds()
    model = model_of(MoERegressor, form, max_iter=20, warm_start=True).fit(X, y)
    rows = X[:, 1] > np.quantile(X[:, 1], 0.3)
    old = model._fitted
    new = Columns.of(X[rows], np.ones(rows.sum()), np.arange(3))
    gate, params = old.mixture.gates[0], old.params.gates[0]
    moved = gate.restandardized(params, old.gate.units, new.units)
    (mean, covariance, _), (mean_there, covariance_there, _) = gate.moments(params), gate.moments(moved)
    ratio = old.gate.units.scale / new.units.scale
    inner = covariance * np.outer(ratio, ratio)
    if form == "spherical":
        inner = np.stack([np.diag(S).mean() * np.eye(3) for S in inner])
    assert_allclose(covariance_there, inner, rtol=0, atol=1e-12)
    at = mean * old.gate.units.scale + old.gate.units.center
    assert_allclose(mean_there * new.units.scale + new.units.center, at, rtol=1e-10)
    assert model.fit(X[rows], y[rows]).n_iter_ > 0


def test_warm_start_of_another_gate_begins_anew():
    X, y, _ = clouds()
    model = MoERegressor(3, warm_start=True, random_state=0).fit(X, y)
    for gate in (GaussianGate(), GaussianGate("tied"), GaussianGate("diag"), GaussianGate("spherical")):
        cold = MoERegressor(3, gate=gate, random_state=0).fit(X, y)
        assert model.set_params(gate=gate).fit(X, y).objective_ == cold.objective_


# -- where it begins ---------------------------------------------------------------------------------------------------


@every_form
@pytest.mark.parametrize("init", STARTS)
@both_kinds
def test_every_start_leads_upwards(make, init, form):
    X, y = data_of(make, 120)
    model = model_of(make, form, init=init, n_init=1, move_budget=1).fit(X, y)
    objective = [entry["objective"] for entry in model.history_]
    assert np.isfinite(objective).all()
    assert (np.diff(objective) >= -1e-12 * np.abs(objective[1:])).all()


@every_form
def test_groups_to_start_from(form):
    X, y, cloud = clouds()
    model = model_of(MoERegressor, form, tol=1e-8)
    given = model.fit(X, y, init_labels=cloud).objective_
    again = model.set_params(init=model_of(MoERegressor, form).fit(X, y, init_labels=cloud)).fit(X, y)
    assert again.objective_ == pytest.approx(given, abs=1e-5)


def test_coefficients_do_not_determine_it():
    X, y, _ = clouds()
    learned = model_of(MoERegressor, "tied").fit(X, y)
    experts = {"expert_coef": learned.expert_coef_, "expert_intercept": learned.expert_intercept_}
    experts["expert_scale"] = learned.expert_scale_
    model = model_of(MoERegressor, "tied", init=experts)
    assert model.fit(X, y).objective_ == pytest.approx(learned.objective_, abs=1e-2)
    model.set_params(init={**experts, "gate_coef": learned.gate_coef_})
    with pytest.raises(ValueError, match="a Gaussian gate is not determined by them"):
        model.fit(X, y)


@every_form
@pytest.mark.parametrize("coldness", [0.3, 1.0])
def test_gradient_of_the_tempered_objective(form, coldness):
    X, y, _ = clouds(60)
    weight = weights(60)
    columns = Columns.of(X, weight, np.arange(3))
    expert = LinearExpert(Gaussian()).adapted(y[:, None], weight)
    mixture = replace(Mixture.of(Tree.parse(3), GaussianGate(form, alpha=0.3), expert), coldness=coldness)
    chunks = array_rows(mixture, columns, columns, X, y[:, None], weight)
    start = mixture.start(4, 4)
    vector = ravel(start) + 0.1 * np.random.default_rng(0).standard_normal(ravel(start).size)

    def objective(at):
        params = unravel(start, at)
        return mixture.objective(params, mixture.sums(params, chunks))

    h = 1e-5
    expected = [(objective(vector + e) - objective(vector - e)) / (2 * h) for e in h * np.eye(vector.size)]
    params = unravel(start, vector)
    got = ravel(mixture.gradient(params, mixture.sums(params, chunks)))
    assert_allclose(got, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


# -- the estimators ----------------------------------------------------------------------------------------------------


@both_kinds
def test_the_name_is_the_full_gate_with_the_ridge_of_gates(make):
    X, y = data_of(make)
    named, made = (
        make(3, gate=gate, gate_alpha=0.3, random_state=0).fit(X, y) for gate in ("gaussian", GaussianGate(alpha=0.3))
    )
    assert_array_equal(named.gate_covariance_, made.gate_covariance_)


def test_clouds_are_found():
    """And a class or a line for each."""
    X, y, cloud = clouds(600)
    model = MoERegressor(3, gate="gaussian", random_state=0).fit(X, y)
    table = np.array([[np.sum((model.apply(X) == k) & (cloud == c)) for c in range(3)] for k in range(3)])
    assert table.max(axis=1).sum() > 0.98 * len(X)
    for k, c in enumerate(table.argmax(axis=1)):
        assert_allclose(model.gate_mean_[k], X[cloud == c].mean(axis=0), rtol=0.05, atol=0.05)


@every_form
@both_kinds
def test_attributes(make, form):
    X, y = data_of(make)
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = model_of(make, form, gate_features=["a", "c"]).fit(frame, y)
    assert model.gate_weight_.sum() == pytest.approx(1)
    assert model.gate_mean_.shape == (3, 2)
    assert model.gate_covariance_.shape == (3, 2, 2)
    assert (np.diff(model.expert_share_) <= 0).all()
    free = {"full": 9, "tied": 3, "diag": 6, "spherical": 3}[form]
    n_experts = 3 * (5 if make is MoERegressor else 4)
    assert model.n_parameters_ == 2 + 6 + free + n_experts
    assert hasattr(model, "gate_coef_") == (form == "tied")
    if form == "tied":
        assert model.gate_coef_.shape == (3, 3)
        assert not model.gate_coef_[:, 1].any()
    assert np.isfinite(model.bic(frame, y))
    assert len(model.summary()) == 3


@every_form
@pytest.mark.parametrize("n_experts", [1, 3])
@both_kinds
def test_an_average_is_the_mean_of_its_members(make, form, n_experts):
    X, y = data_of(make)
    model = model_of(make, form, n_experts, n_init=3, combine_inits="average").fit(X, y)
    log_prob = np.array([member.log_prob(X, y) for member in model.members_])
    assert_allclose(model.log_prob(X, y), logsumexp(log_prob, axis=0) - np.log(3), rtol=0, atol=1e-12)
    assert_allclose(model.gate_proba(X), np.hstack([m.gate_proba(X) for m in model.members_]) / 3, rtol=0, atol=1e-12)
    assert model.log_likelihood_ == pytest.approx(model.log_prob(X, y).sum(), rel=1e-12)
    assert model.objective_ == model.members_[0].objective_
    if n_experts > 1:
        assert_array_equal(model.gate_mean_, np.concatenate([m.gate_mean_ for m in model.members_]))
        assert hasattr(model, "gate_coef_") == (form == "tied")
    for member in model.members_:
        assert member.gate_covariance_.shape == (n_experts, 3, 3)


@every_form
def test_chunks_and_single_rows_predict_alike(form):
    X, y, _ = clouds()
    model = model_of(MoERegressor, form).fit(X, y)
    assert_allclose(np.vstack([model.gate_proba(row[None]) for row in X[:20]]), model.gate_proba(X[:20]), rtol=1e-12)


@every_form
def test_rows_far_from_all_branches_have_a_gate(form):
    X, y, _ = clouds()
    model = model_of(MoERegressor, form).fit(X, y)
    far = np.array([[1e100, 0, 0], [0, -1e200, 1e180], [1e6, 1e6, 1e6]])
    proba = model.gate_proba(far)
    assert_allclose(proba.sum(axis=1), 1, rtol=1e-12)


@every_form
@both_kinds
def test_displays_and_explanations(make, form):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    X, y = data_of(make)
    model = model_of(make, form).fit(X, y)
    GateDisplay.from_estimator(model, X, features=[0, 1])
    ExpertDisplay.from_estimator(model)
    why = explain(model, X[[7]], X)
    log_odds = np.log(model.gate_proba(np.vstack([X[7], X.mean(axis=0)])))
    log_odds -= log_odds.mean(axis=1, keepdims=True)
    assert why.routing.sum() == pytest.approx(why.part @ (log_odds[0] - log_odds[1]), rel=1e-8)
    matplotlib.pyplot.close("all")


# -- what users get wrong ----------------------------------------------------------------------------------------------

X, NUMBERS, _ = clouds(60)
NAMES = ["age", "amount", "hour"]
FRAME = pd.DataFrame(X, columns=NAMES)

BAD = {
    "tree": (X, {"n_experts": (2, 2)}, "flat mixtures only, but n_experts is a tree with 3 gates. Use n_experts=4"),
    "constant": (X * [1, 0, 1], {}, r"needs columns that vary, but these hold one value only: 1\. Drop them"),
    "constant, named": (FRAME.assign(amount=3.0), {"gate": GaussianGate("diag")}, "one value only: 'amount'"),
    "twice": (np.column_stack([X, 2 * X[:, 1] - 7]), {}, r"exact linear combination of those before it.*are: 3\. Drop"),
    "a sum, named": (
        FRAME.assign(total=FRAME.sum(axis=1), other=FRAME.age - FRAME.hour),
        {"gate": GaussianGate("tied")},
        r"covariance='tied'.*'total', 'other'\. Drop them.*GaussianGate\('diag'\)",
    ),
    "few rows": (
        np.random.default_rng(0).standard_normal((60, 70)),
        {},
        r"there are 60 for 70 columns\. Pass more rows",
    ),
}


@pytest.mark.parametrize(("data", "params", "sentence"), BAD.values(), ids=list(BAD))
@both_kinds
def test_what_a_gaussian_gate_cannot_serve(make, data, params, sentence):
    model = make(**{"n_experts": 2, "gate": "gaussian", "random_state": 0, "n_init": 1, **params})
    y = NUMBERS if make is MoERegressor else NUMBERS > 0
    with pytest.raises(ValueError, match=sentence):
        model.fit(data, y)
    assert not hasattr(model, "gate_mean_")


@pytest.mark.parametrize("form", ["diag", "spherical"])
def test_columns_by_themselves_may_be_collinear(form):
    wide = np.column_stack([X, X.sum(axis=1)])
    model = model_of(MoERegressor, form, 2).fit(wide, NUMBERS)
    assert np.isfinite(model.objective_)
    with pytest.raises(ValueError, match="3"):
        model.set_params(gate="gaussian").fit(wide, NUMBERS)
    assert model.gate_mean_.shape == (2, 4)  # as before


def test_collinear_columns_that_the_gate_does_not_see():
    wide = np.column_stack([X, X.sum(axis=1), np.ones(60)])
    assert MoERegressor(2, gate="gaussian", gate_features=[0, 1, 2]).fit(wide, NUMBERS).gate_mean_.shape == (2, 3)


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"covariance": "banana"}, r"covariance='banana': expected one of \['diag', 'full', 'spherical', 'tied'\]"),
        ({"alpha": -1.0}, "alpha=-1.0: expected a number of at least 0"),
        ({"alpha": float("nan")}, "alpha=nan: expected"),
        ({"scale_floor": 0.0}, "scale_floor=0.0: expected a number above 0"),
    ],
)
def test_settings(params, sentence):
    with pytest.raises(ValueError, match=sentence):
        GaussianGate(**params)


def test_experts_of_a_list_keep_their_place():
    X, y, _ = clouds()
    families = ["student_t", "gaussian", "gaussian"]
    model = MoERegressor(3, gate="gaussian", expert=families, random_state=0).fit(X, y)
    assert [repr(block.expert.family) for block in model._fitted.mixture.experts] == [
        "StudentT()",
        "Gaussian()",
        "Gaussian()",
    ]
    assert model.gate_mean_.shape == (3, 3)
