"""Whole fits against closed forms, scikit-learn, and the same fit written another way."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from scipy.special import logsumexp, softmax
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge

import skmoe._estimator as shell
from skmoe import MoEClassifier, MoERegressor
from skmoe.experts import LinearExpert
from skmoe.families import Gaussian
from skmoe.gates import SoftmaxGate
from skmoe.gates.contrasts import contrasts
from skmoe.gates.softmax import SoftmaxParams
from skmoe.mixture import Mixture, Params
from skmoe.rows.columns import Columns
from skmoe.rows.source import array_rows
from skmoe.training.restarts import ranked
from skmoe.tree import Tree

pytestmark = pytest.mark.filterwarnings("ignore::skmoe.exceptions.CollapseWarning")
unfinished = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
weighted = pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])


def bent(n=200, p=3, seed=0):
    """A response with a kink and noise that differs on its two sides."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) * np.linspace(1, 20, p) + np.arange(p)
    noise = rng.standard_normal(n) * np.where(X[:, 0] > 0, 0.3, 0.1)
    return X, np.abs(X[:, 0]) + 0.02 * X[:, -1] + noise


def quadrants(n=300, n_classes=2, seed=0):
    """Classes that no single hyperplane divides, with some labels at random."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=(n, 3))
    y = (X[:, 0] * X[:, 1] > 0).astype(int) + (n_classes == 3) * (X[:, 2] > 0.3)
    return X, np.where(rng.random(n) < 0.1, rng.integers(n_classes, size=n), y)


def moments(X, w):
    mean = w @ X / w.sum()
    return mean, np.sqrt(w @ (X - mean) ** 2 / w.sum())


def model_of(kind, **kwargs):
    if kind == "regressor":
        return MoERegressor(random_state=0, **kwargs)
    return MoEClassifier(random_state=0, **{"alpha": 0.1, "gate_alpha": 0.1, **kwargs})


def data_of(kind, n=120, seed=0):
    return bent(n, seed=seed) if kind == "regressor" else quadrants(n, seed=seed)


both_kinds = pytest.mark.parametrize("kind", ["regressor", "classifier"])


# -- one expert is a model of scikit-learn -----------------------------------------------------------------------------


@weighted
@pytest.mark.parametrize("alpha", [0, 0.01, 5.0, 300.0])
def test_one_gaussian_expert_is_ridge(alpha, weighted):
    X, y = bent()
    w = np.random.default_rng(1).exponential(size=len(y)) if weighted else np.ones(len(y))
    mean, sd = moments(X, w)
    Z = (X - mean) / sd
    linear = (Ridge(alpha, solver="svd") if alpha else LinearRegression()).fit(Z, y, sample_weight=w)
    model = MoERegressor(1, alpha=alpha, tol=1e-18).fit(X, y, sample_weight=w if weighted else None)
    assert model.converged_
    assert_allclose(model.predict(X), linear.predict(Z), rtol=0, atol=1e-7)
    assert_allclose(model.expert_coef_[0] * sd, linear.coef_, rtol=0, atol=1e-7)
    assert_allclose(model.expert_intercept_[0], linear.intercept_ - linear.coef_ @ (mean / sd), rtol=0, atol=1e-7)
    rss = w @ (y - linear.predict(Z)) ** 2
    assert model.expert_scale_[0] ** 2 == pytest.approx((rss + alpha * linear.coef_ @ linear.coef_) / w.sum(), rel=1e-9)


@weighted
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("alpha", [0.05, 1.0, 40.0])
def test_one_classifier_expert_is_logistic_regression(alpha, n_classes, weighted):
    X, y = quadrants(n_classes=n_classes)
    w = np.random.default_rng(1).exponential(size=len(y)) if weighted else np.ones(len(y))
    mean, sd = moments(X, w)
    Z = (X - mean) / sd
    logistic = LogisticRegression(C=1 / alpha, solver="newton-cg", tol=1e-14, max_iter=1000).fit(Z, y, sample_weight=w)
    model = MoEClassifier(1, alpha=alpha, tol=1e-18).fit(X, y, sample_weight=w if weighted else None)
    assert model.converged_
    assert_allclose(model.predict_proba(X), logistic.predict_proba(Z), rtol=0, atol=1e-7)
    coef = model.expert_coef_[0] if n_classes == 2 else model.expert_coef_[0].T
    assert_allclose(np.atleast_2d(coef) * sd, logistic.coef_, rtol=0, atol=1e-6)


@pytest.mark.parametrize("gate_alpha", [0.02, 3.0])
def test_gate_of_two_branches_is_logistic_regression(gate_alpha):
    """Where y says without doubt which expert a row belongs to, the gate is a classifier of the rows."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 2)) * [1, 50]
    label = rng.random(300) < 1 / (1 + np.exp(1 - 2 * X[:, 0]))
    model = MoERegressor(2, gate_alpha=gate_alpha, expert_features=[], tol=1e-12, random_state=0)
    model.fit(X, 100.0 * label + rng.standard_normal(300))
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    logistic = LogisticRegression(C=2 / gate_alpha, solver="newton-cg", tol=1e-14).fit(Z, label)
    high = model.expert_intercept_.argmax()
    assert_allclose(model.gate_proba(X)[:, high], logistic.predict_proba(Z)[:, 1], rtol=0, atol=1e-6)
    assert_allclose(
        (model.gate_coef_[high] - model.gate_coef_[1 - high]) * X.std(axis=0), logistic.coef_[0], rtol=0, atol=1e-5
    )


# -- the objective -----------------------------------------------------------------------------------------------------


def log_gate(model, X):
    """Log prior of each expert from the attributes alone, node by node."""
    logits = X @ model.gate_coef_.T + model.gate_intercept_
    paths = [branch.path for branch in model.tree_.branches]
    log_prior = np.zeros((len(X), model.n_experts_))
    for parent in {path[:-1] for path in paths}:
        at = [i for i, path in enumerate(paths) if path[:-1] == parent]
        log_prob = logits[:, at] - logsumexp(logits[:, at], axis=1, keepdims=True)
        for i, column in zip(at, log_prob.T, strict=True):
            log_prior[:, list(model.tree_.branches[i].leaves)] += column[:, None]
    return log_prior


@weighted
@pytest.mark.parametrize("n_experts", [1, 3, (2, 2), ((2, 1), 3)], ids=str)
def test_objective_is_that_of_the_manual(n_experts, weighted):
    """log-likelihood and ridges from the fitted attributes, in the user's units."""
    X, y = bent()
    w = np.random.default_rng(1).exponential(size=len(y)) if weighted else np.ones(len(y))
    model = MoERegressor(n_experts, alpha=0.7, gate_alpha=0.4, n_init=1, random_state=0)
    model.fit(X, y, sample_weight=w)
    log_density = stats.norm(X @ model.expert_coef_.T + model.expert_intercept_, model.expert_scale_).logpdf(y[:, None])
    log_prob = logsumexp(log_gate(model, X) + log_density, axis=1)
    sd = moments(X, w)[1]
    ridge = 0.7 * ((model.expert_coef_ * sd / model.expert_scale_[:, None]) ** 2).sum()
    gate_ridge = 0.4 * ((model.gate_coef_ * sd) ** 2).sum()
    assert_allclose(model.log_prob(X, y), log_prob, rtol=0, atol=1e-10)
    assert_allclose(model.gate_proba(X), np.exp(log_gate(model, X)), rtol=0, atol=1e-12)
    assert_allclose(model.responsibilities(X, y), softmax(log_gate(model, X) + log_density, axis=1), rtol=0, atol=1e-10)
    assert model.log_likelihood_ == pytest.approx(w @ log_prob, rel=1e-12)
    assert model.objective_ == pytest.approx(w @ log_prob - ridge / 2 - gate_ridge / 2, rel=1e-12)
    assert_allclose(model.expert_share_, w @ model.responsibilities(X, y) / w.sum(), rtol=1e-9)


@unfinished
@pytest.mark.parametrize("seed", range(10))
def test_objective_never_falls(seed):
    """Twenty small random problems: any gate, expert, tree, memory and weights."""
    rng = np.random.default_rng(seed)
    for _ in range(20):
        n, p = rng.integers(10, 80), rng.integers(1, 5)
        X = rng.standard_normal((n, p)) * 10 ** rng.uniform(-3, 3, size=p)
        shape = [1, 2, 3, (2, 2), ((2, 1), 2)][rng.integers(5)]
        kwargs = {
            "gate": rng.choice(["softmax", "constant", "equal"]),
            "alpha": rng.choice([0.0, 0.01, 1.0]),
            "gate_alpha": rng.choice([1e-4, 0.01, 1.0]),
            "memory": int(rng.choice([0, 10])),
            "n_init": 1,
            "max_iter": 60,
            "random_state": int(rng.integers(1000)),
        }
        kind = rng.choice(["gaussian", "student_t", "poisson", "mixed", "two classes", "three classes"])
        if kind.endswith("classes"):
            y = np.arange(n) % (2 if kind == "two classes" else 3)
            model = MoEClassifier(shape, **kwargs)
        else:
            y = rng.poisson(3, n) if kind == "poisson" else rng.standard_t(2, n) + X[:, 0] / X[:, 0].std()
            leaves = Tree.parse(shape).n_leaves
            model = MoERegressor(
                shape, expert=(["student_t", "gaussian"] * leaves)[:leaves] if kind == "mixed" else kind, **kwargs
            )
        model.fit(X, y, sample_weight=rng.exponential(size=n) if rng.random() < 0.5 else None)
        objective = np.array([entry["objective"] for entry in model.history_] + [model.objective_])
        assert np.isfinite(objective).all()
        assert (np.diff(objective) >= -1e-12 * np.abs(objective[1:])).all(), (kind, shape, kwargs)
        passes = [entry["pass"] for entry in model.history_]
        assert passes == sorted(passes)
        assert passes[-1] <= model.n_iter_ <= 60 + 20  # a line search may end beyond the last pass


# -- the same fit, written another way ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expert", "n_experts"),
    [("gaussian", 3), ("gaussian", (2, 2)), ("student_t", 2), ("poisson", 2), (None, 3)],
    ids=str,
)
def test_chunks_do_not_matter(expert, n_experts, monkeypatch):
    if expert is None:
        X, y = quadrants(n_classes=3)
        model = MoEClassifier(n_experts, n_init=2, random_state=0)
    else:
        X, y = bent()
        model = MoERegressor(n_experts, expert=expert, n_init=2, random_state=0)
        y = np.rint(3 * abs(y)) if expert == "poisson" else y
    objectives = []
    for size in (7, 64, 10**6):
        monkeypatch.setattr(shell, "array_rows", partial(array_rows, chunk_rows=size))
        objectives.append(model.fit(X, y).objective_)
    assert_allclose(objectives, objectives[-1], rtol=1e-8)


UNITS = {
    "X times 1e10": lambda X, y: (X * 1e10, y),
    "X times 1e-10": lambda X, y: (X * 1e-10, y),
    "one column times 1e10": lambda X, y: (X * [1, 1e10, 1], y),
    "X plus 1e8": lambda X, y: (X + 1e8, y),
    "y times 1e10": lambda X, y: (X, y * 1e10),
    "y times 1e-10": lambda X, y: (X, y * 1e-10),
    "y plus 1e8": lambda X, y: (X, y + 1e8),
}


@pytest.mark.parametrize("change", UNITS)
@pytest.mark.parametrize(("expert", "n_experts"), [("gaussian", 3), ("gaussian", (2, 2)), ("student_t", 3)], ids=str)
def test_units_do_not_matter(expert, n_experts, change):
    X, y = (np.round(a * 2.0**20) / 2.0**20 for a in bent())  # so that adding 1e8 loses nothing
    Xc, yc = UNITS[change](X, y)
    a, b = (MoERegressor(n_experts, expert=expert, tol=1e-8, random_state=0).fit(*data) for data in ((X, y), (Xc, yc)))
    factor, shift = yc.std() / y.std(), yc.mean() - y.mean() * (yc.std() / y.std())
    assert_allclose((b.predict(Xc) - shift) / factor / y.std(), a.predict(X) / y.std(), rtol=0, atol=1e-6)
    assert_allclose(b.predict_var(Xc) / yc.var(), a.predict_var(X) / y.var(), rtol=0, atol=1e-6)
    assert_allclose(b.gate_proba(Xc), a.gate_proba(X), rtol=0, atol=1e-6)
    assert b.log_likelihood_ + len(y) * np.log(factor) == pytest.approx(a.log_likelihood_, abs=1e-5)


def test_units_do_not_matter_to_a_classifier():
    X, y = quadrants()
    a = MoEClassifier(3, tol=1e-8, random_state=0).fit(X, y).predict_proba(X)
    moved = X * [1e10, 1e-10, 1] + [1e12, 0, -50]
    b = MoEClassifier(3, tol=1e-8, random_state=0).fit(moved, np.where(y == 1, "yes", "no"))
    assert_allclose(b.predict_proba(moved), a, rtol=0, atol=1e-6)


def test_a_tree_of_two_choices_is_a_flat_gate():
    """With the same lower gate v on both sides of a root u, leaf (i, j) has logit u_i + v_j."""
    rng = np.random.default_rng(0)
    X, y = bent()
    weight = np.ones(len(y))
    expert = LinearExpert(Gaussian()).adapted(y[:, None], weight)
    tree, flat = (Mixture.of(Tree.parse(shape), SoftmaxGate(), expert) for shape in ((2, 2), 4))
    columns = Columns.of(X, weight, np.arange(3))
    u, v = rng.standard_normal((2, 1, 1, 4))
    start = flat.start(4, 4).experts[0]
    experts = (start._replace(coef=start.coef + rng.standard_normal(start.coef.shape)),)
    basis = contrasts(2)
    sums = ((basis @ u)[0, :, None] + (basis @ v)[0, None, :]).reshape(4, 4)
    of_tree, of_flat = (
        mixture.evaluate(Params(gates, experts), array_rows(mixture, columns, columns, X, y[:, None], weight))
        for mixture, gates in (
            (tree, (SoftmaxParams(u), SoftmaxParams(v), SoftmaxParams(v))),
            (flat, (SoftmaxParams((contrasts(4).T @ sums)[None]),)),
        )
    )
    assert_allclose(of_tree.log_prob, of_flat.log_prob, rtol=0, atol=1e-12)
    assert_allclose(of_tree.responsibilities, of_flat.responsibilities, rtol=0, atol=1e-12)


# -- weights -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("combine", ["best", "average", "stack"])
@pytest.mark.parametrize("n_experts", [3, (2, 2)], ids=str)
@both_kinds
def test_integer_weights_are_repeated_rows(kind, n_experts, combine):
    X, y = data_of(kind)
    count = np.random.default_rng(3).integers(0, 4, size=len(y))
    # Stacked fits are trained once more on each fold, with sums in another order: as equal as `tol` makes them.
    tol, atol = (1e-10, 1e-5) if combine == "stack" else (1e-4, 1e-7)
    model = model_of(kind, n_experts=n_experts, combine_inits=combine, n_init=4, tol=tol)
    predict = "predict" if kind == "regressor" else "predict_proba"
    weighted = model.fit(X, y, sample_weight=count)
    a, objective = getattr(weighted, predict)(X), weighted.objective_
    repeated = model.fit(np.repeat(X, count, axis=0), np.repeat(y, count))
    assert objective == pytest.approx(repeated.objective_, rel=1e-10)
    assert_allclose(a, getattr(repeated, predict)(X), rtol=0, atol=atol)


@pytest.mark.parametrize("combine", ["best", "average", "stack"])
@both_kinds
def test_rows_of_weight_zero_are_absent(kind, combine):
    """To the last bit, whatever they hold; a class that only they have is no class."""
    X, y = data_of(kind)
    wild = np.vstack([X[:40], 1e9 * np.ones((2, X.shape[1])), X[40:]])
    labels = np.concatenate([y[:40], [17, -5], y[40:]])
    weight = np.concatenate([np.ones(40), [0, 0], np.ones(len(y) - 40)])
    model = model_of(kind, n_experts=3, n_init=3, combine_inits=combine)
    a = model.fit(X, y, sample_weight=np.ones(len(y))).predict_experts(X)
    assert_array_equal(model.fit(wild, labels, sample_weight=weight).predict_experts(X), a)


@both_kinds
def test_weights_times_c_are_the_data_c_times(kind):
    """and the ridges count 1/c."""
    X, y = data_of(kind)
    a = model_of(kind, n_experts=2, alpha=0.5, gate_alpha=0.2, tol=1e-9).fit(X, y)
    b = model_of(kind, n_experts=2, alpha=5.0, gate_alpha=2.0, tol=1e-8).fit(X, y, sample_weight=np.full(len(y), 10.0))
    assert b.objective_ == pytest.approx(10 * a.objective_, rel=1e-9)
    assert_allclose(b.expert_coef_, a.expert_coef_, rtol=0, atol=1e-4)


# -- runs --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("expert", ["gaussian", "student_t"])
@pytest.mark.parametrize("n_experts", [3, (2, 2)], ids=str)
def test_plain_em_converges_with_more_columns_than_rows(n_experts, expert):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((15, 30)), rng.integers(3, size=15).astype(float)
    for seed in range(2):
        model = MoERegressor(n_experts, expert=expert, memory=0, random_state=seed).fit(X, y)
        assert model.converged_
        assert model.n_iter_ < 1000
        assert model.decrement_ < model.tol


@pytest.mark.parametrize("expert", ["gaussian", "student_t"])
@pytest.mark.parametrize("n_experts", [5, (2, 2)], ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_runs_converge_though_experts_die(n_experts, expert, seed):
    """More experts than the data call for: some end without mass, and must not stop the others."""
    X, y = bent(seed=seed)
    model = MoERegressor(n_experts, expert=expert, alpha=0.7, gate_alpha=0.4, n_init=6, combine_inits="average")
    assert [m.converged_ for m in model.set_params(random_state=seed).fit(X, y).members_] == [True] * 6


@pytest.mark.parametrize("combine", ["best", "average", "stack"])
@both_kinds
def test_the_same_bits_for_any_number_of_threads(kind, combine):
    X, y = data_of(kind)
    one, two = (model_of(kind, combine_inits=combine, n_jobs=n_jobs).fit(X, y) for n_jobs in (1, 2))
    assert_array_equal(one.start_objectives_, two.start_objectives_)
    assert_array_equal(one.predict_experts(X), two.predict_experts(X))
    assert_array_equal(one.gate_proba(X), two.gate_proba(X))
    assert one.history_ == two.history_


def test_parameters_may_be_numpy_numbers():
    """As they come out of a search over np.arange."""
    X, y = bent(80)
    plain = {"n_experts": 3, "memory": 5, "n_init": 2, "max_iter": 300, "top_k": 2, "alpha": 0.5, "random_state": 1}
    a, b = (
        MoERegressor(**{name: kind(value) for name, value in plain.items()}).fit(X, y).predict(X)
        for kind in (lambda value: value, lambda value: np.asarray(value)[()])
    )
    assert_array_equal(a, b)


@both_kinds
def test_best_of_the_starts_is_kept(kind):
    X, y = data_of(kind)
    model = model_of(kind, n_experts=3, n_init=6).fit(X, y)
    assert model.start_objectives_.shape == (6,)
    assert len(set(model.start_objectives_.round(6))) > 1
    assert model.objective_ == model.start_objectives_.max() == pytest.approx(model.history_[-1]["objective"])
    assert not hasattr(model, "members_")


def test_ties_between_starts_keep_their_order():
    """Rounding must not decide which start is kept."""
    objectives = (1.0, 1.0 + 1e-12, 5.0, 5.0 * (1 - 1e-12), 1.1, -2.0)
    assert ranked([SimpleNamespace(objective=value) for value in objectives]) == [2, 3, 4, 0, 1, 5]
    assert ranked([SimpleNamespace(objective=value) for value in (-5.0, -5.0 + 1e-12)]) == [0, 1]


@pytest.mark.parametrize("n_experts", [4, (2, 3), ((2, 1), 3)], ids=str)
@both_kinds
def test_experts_stand_in_falling_order_of_their_share(kind, n_experts):
    X, y = data_of(kind)
    model = model_of(kind, n_experts=n_experts).fit(X, y)
    assert model.expert_share_.sum() == pytest.approx(1)
    for of_branches in model.tree_.branch_mass(model.expert_share_):
        assert (np.diff(of_branches) <= 1e-9).all()


def test_a_list_of_experts_keeps_its_order():
    X, y = bent()
    model = MoERegressor(3, expert=["student_t", "gaussian", Gaussian()], random_state=0).fit(X, y)
    assert [type(block.expert.family).name for block in model._fitted.mixture.experts] == [
        "student_t",
        "gaussian",
        "gaussian",
    ]
    assert (np.diff(model.expert_share_) > 0).any()


# -- averages and top_k ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_experts", [1, 3, (2, 2)], ids=str)
@both_kinds
def test_an_average_is_the_mean_of_its_members(kind, n_experts):
    X, y = data_of(kind)
    model = model_of(kind, n_experts=n_experts, n_init=3, combine_inits="average").fit(X, y)
    size = Tree.parse(n_experts).n_leaves
    assert len(model.members_) == 3
    assert model.n_experts_ == 3 * size
    log_prob = np.array([member.log_prob(X, y) for member in model.members_])
    assert_allclose(model.log_prob(X, y), logsumexp(log_prob, axis=0) - np.log(3), rtol=0, atol=1e-12)
    assert model.log_likelihood_ == pytest.approx(model.log_prob(X, y).sum(), rel=1e-12)
    assert_allclose(model.gate_proba(X), np.hstack([m.gate_proba(X) for m in model.members_]) / 3, rtol=0, atol=1e-12)
    assert_allclose(model.expert_coef_, np.concatenate([m.expert_coef_ for m in model.members_]), rtol=1e-12)
    predict = "predict" if kind == "regressor" else "predict_proba"
    assert_allclose(
        getattr(model, predict)(X),
        np.mean([getattr(m, predict)(X) for m in model.members_], axis=0),
        rtol=0,
        atol=1e-12,
    )
    objectives = [member.objective_ for member in model.members_]
    assert_allclose(objectives, sorted(model.start_objectives_, reverse=True), rtol=1e-8)
    assert model.objective_ == objectives[0]
    assert model.n_iter_ == sum(member.n_iter_ for member in model.members_)
    with pytest.raises(ValueError, match=r"an average of 3 fits is none. Use members_\[0\].bic"):
        model.bic(X, y)


@pytest.mark.parametrize("combine", ["best", "average", "stack"])
@both_kinds
def test_top_k(kind, combine):
    """The k most probable experts, renormalised, in predictions only."""
    X, y = data_of(kind)
    model = model_of(kind, n_experts=4, n_init=2, combine_inits=combine).fit(X, y)
    predict = model.predict if kind == "regressor" else model.predict_proba
    gate, experts, log_prob = model.gate_proba(X), model.predict_experts(X), model.log_prob(X, y)
    falling = np.sort(gate, axis=1)[:, ::-1]
    for k in (1, 2, model.n_experts_, 100):
        model.set_params(top_k=k)
        clear = slice(None) if k >= model.n_experts_ else falling[:, k - 1] > falling[:, k] + 1e-12  # no tie
        kept = gate * (gate >= falling[:, [min(k, model.n_experts_) - 1]])
        weight = kept / kept.sum(axis=1, keepdims=True)
        expected = np.einsum("nk,nk...->n...", weight, experts)
        assert_allclose(predict(X)[clear], expected[clear], rtol=0, atol=1e-10)
        assert_array_equal(model.gate_proba(X), gate)
        assert_array_equal(model.log_prob(X, y), log_prob)
    model.set_params(top_k=1)
    assert_allclose(predict(X), experts[np.arange(len(X)), model.apply(X)], rtol=0, atol=1e-12)


# -- warm start --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("combine", ["best", "average", "stack"])
@pytest.mark.parametrize("n_experts", [3, (2, 2), (3, (2, 1))], ids=str)
@both_kinds
def test_warm_start_continues(kind, n_experts, combine):
    """On the same rows it is there already, whatever order the branches were given in."""
    X, y = data_of(kind)
    model = model_of(kind, n_experts=n_experts, combine_inits=combine, n_init=3, tol=1e-6, warm_start=True).fit(X, y)
    n_iter, objective, share = model.n_iter_, model.objective_, model.expert_share_
    model.fit(X, y)
    assert model.n_iter_ < n_iter / 2
    assert model.objective_ >= objective - 1e-9 * abs(objective)
    assert_allclose(model.expert_share_, share, atol=1e-2)


@unfinished
@pytest.mark.parametrize("n_experts", [3, (2, 2)], ids=str)
@both_kinds
def test_warm_start_on_other_rows_begins_where_the_old_fit_stands(kind, n_experts):
    X, y = data_of(kind, n=200)
    model = model_of(kind, n_experts=n_experts, alpha=1e-9, gate_alpha=1e-9, max_iter=20, warm_start=True).fit(X, y)
    rows = X[:, 1] > np.quantile(X[:, 1], 0.3)  # other means and scales of every column, and of y
    before = model.log_prob(X[rows], y[rows]).sum()
    assert model.fit(X[rows], y[rows]).history_[0]["objective"] == pytest.approx(before, rel=1e-4)


@pytest.mark.parametrize("n_experts", [3, (2, 2)], ids=str)
@both_kinds
def test_warm_start_continues_in_other_units(kind, n_experts):
    X, y = data_of(kind)
    model = model_of(kind, n_experts=n_experts, n_init=3, warm_start=True).fit(X, y)
    n_iter, objective = model.n_iter_, model.objective_
    model.fit(X * [1e6, 1e-6, 1] + [0, 5, 1e3], y)
    assert model.n_iter_ < n_iter / 2
    assert model.objective_ >= objective - 1e-6 * abs(objective)


@pytest.mark.parametrize("n_experts", [2, 4, (2, 2)], ids=str)
def test_warm_start_of_another_shape_begins_anew(n_experts):
    X, y = bent()
    model = MoERegressor(3, warm_start=True, random_state=0).fit(X, y)
    cold = MoERegressor(n_experts, random_state=0).fit(X, y)
    assert model.set_params(n_experts=n_experts).fit(X, y).objective_ == cold.objective_
    assert model.n_iter_ == cold.n_iter_


def test_warm_start_keeps_the_tree_of_a_list_of_experts():
    """Each expert of the list stays on its leaf."""
    X, y = bent()
    model = MoERegressor(((2, 1), 1), expert=["gaussian", "student_t", "gaussian"], warm_start=True, random_state=0)
    tree, objective, n_iter = model.fit(X, y).tree_, model.objective_, model.n_iter_
    model.fit(X, y)
    assert model.tree_ == tree
    assert model.objective_ >= objective - 1e-9 * abs(objective)
    assert model.n_iter_ < n_iter / 2
    model = MoERegressor(3, warm_start=True, random_state=0).fit(X, y)  # one family first, then a list
    model.set_params(n_experts=((2, 1), 1), expert=["gaussian", "student_t", "gaussian"])
    assert model.fit(X, y).tree_ == tree


# -- criteria ----------------------------------------------------------------------------------------------------------


@weighted
def test_criteria(weighted):
    X, y = bent()
    w = np.random.default_rng(1).integers(0, 3, len(y)) if weighted else np.ones(len(y))
    model = MoERegressor((2, 2), expert_features=[0, 1], random_state=0).fit(X, y, sample_weight=w)
    n_parameters = 3 * 4 + 4 * (3 + 1)  # three gates of one contrast, four experts with a scale
    assert model.n_parameters_ == n_parameters
    weight = w if weighted else None
    log_likelihood = w @ model.log_prob(X, y)
    entropy = w @ stats.entropy(model.responsibilities(X, y), axis=1)
    bic = -2 * log_likelihood + n_parameters * np.log(w.sum())
    assert model.aic(X, y, weight) == pytest.approx(-2 * log_likelihood + 2 * n_parameters, rel=1e-12)
    assert model.bic(X, y, weight) == pytest.approx(bic, rel=1e-12)
    assert model.icl(X, y, weight) == pytest.approx(bic + 2 * entropy, rel=1e-10)
    assert model.log_likelihood_ == pytest.approx(log_likelihood, rel=1e-12)
