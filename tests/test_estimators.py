"""The public names: what attributes and methods mean, computed by hand from the other public names."""

from __future__ import annotations

import pickle
from functools import cache

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from scipy.special import expit, logsumexp, softmax
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from skmoe import MoEClassifier, MoERegressor
from skmoe.datasets import make_moe_classification, make_moe_regression
from skmoe.families import Family, Gaussian, Poisson, StudentT, Terms
from skmoe.families.links import Identity
from skmoe.gates import ConstantGate, EqualGate, SoftmaxGate
from skmoe.routing import RoutingReport, routing_report

#: Classifiers with their default ridge often keep fewer experts than they were given.
pytestmark = pytest.mark.filterwarnings("ignore::skmoe.exceptions.CollapseWarning")

NAMES = ["age", "amount", "hour", "day"]
SHAPES = pytest.mark.parametrize("n_experts", [1, 3, (2, 3), ((2, 2), 3)], ids=str)
KINDS = pytest.mark.parametrize("kind", ["numbers", "counts", "two classes", "three classes"])


@cache
def data_of(kind):
    """Rows with columns of very different units, the third of them constant."""
    if "classes" in kind:
        n_classes = {"two classes": 2, "three classes": 3}[kind]
        X, y = make_moe_classification(240, 4, n_classes=n_classes, random_state=0)
        y = np.array(["fraud", "none", "review"])[y]
    else:
        X, y = make_moe_regression(240, 4, noise=0.3, random_state=0)
        y = np.round(np.exp(np.clip(y, None, 3))) if kind == "counts" else 1e3 * y + 1e5
    X = X * [1.0, 1e4, 0.0, 1e-3] + [0.0, 5e4, 7.0, 1.0]
    X.flags.writeable = y.flags.writeable = False
    return X, y


def model_of(kind, n_experts=3, **params):
    params = {"n_init": 2, "random_state": 0, **params}
    if "classes" in kind:
        return MoEClassifier(n_experts, **{"alpha": 0.1, "gate_alpha": 0.1, **params})
    return MoERegressor(n_experts, **({"expert": "poisson"} if kind == "counts" else {}), **params)


@cache
def fitted(kind, n_experts=3, **params):
    return model_of(kind, n_experts, **params).fit(*data_of(kind))


def n_leaves(n_experts):
    return {1: 1, 3: 3, (2, 3): 6, ((2, 2), 3): 7}[n_experts]


def coefficients(kind):
    """Free coefficients of one expert on 4 columns, its scale included."""
    return {"numbers": 6, "counts": 5, "two classes": 5, "three classes": 10}[kind]


# -- fitted attributes -------------------------------------------------------------------------------------------------


@KINDS
@SHAPES
@pytest.mark.parametrize("combine_inits", ["best", "average", "stack"])
def test_attributes(kind, n_experts, combine_inits):
    X, y = data_of(kind)
    model = fitted(kind, n_experts, combine_inits=combine_inits)
    n_members = 2 if combine_inits != "best" else 1
    k = n_leaves(n_experts) * n_members
    n_branches = {1: 1, 3: 3, (2, 3): 8, ((2, 2), 3): 11}[n_experts] * n_members
    if n_members == 2:
        n_branches += 2 if n_experts != 1 else 0  # the root; a single expert hangs under it without a gate of its own
    classes = (3,) if kind == "three classes" else ()

    assert model.n_experts_ == model.tree_.n_leaves == k
    assert len(model.tree_.branches) == n_branches
    assert model.gate_coef_.shape == (n_branches, 4)
    assert model.gate_intercept_.shape == (n_branches,)
    assert model.expert_coef_.shape == (k, 4, *classes)
    assert model.expert_intercept_.shape == (k, *classes)
    assert model.expert_share_.shape == (k,)
    assert_allclose(model.expert_share_, model.responsibilities(X, y).mean(axis=0), atol=1e-12)
    assert model.n_features_in_ == 4
    assert model.start_objectives_.shape == (2,)
    assert hasattr(model, "members_") == (combine_inits != "best")
    for name in ("expert_scale_", "scale_floor_"):
        assert hasattr(model, name) == (kind == "numbers")
    if kind == "numbers":
        assert model.expert_scale_.shape == (k,)
        assert model.scale_floor_ == pytest.approx(1e-3 * y.std())
        assert (model.expert_scale_ > model.scale_floor_).all()
    for name in ("log_likelihood_", "objective_", "decrement_"):
        assert isinstance(getattr(model, name), float), name
    assert model.log_likelihood_ == pytest.approx(model.log_prob(X, y).sum())
    assert model.converged_ is True
    assert model.decrement_ < model.tol


@KINDS
@SHAPES
def test_history(kind, n_experts):
    model = fitted(kind, n_experts)
    passes, objectives, decrements = (
        np.array([step[name] for step in model.history_]) for name in ("pass", "objective", "decrement")
    )
    assert (np.diff(passes) > 0).all()
    assert (np.diff(objectives) >= -1e-12 * np.abs(objectives[1:])).all()
    assert (passes[-1], objectives[-1], decrements[-1]) == (model.n_iter_, model.objective_, model.decrement_)
    assert (decrements[:-1] > 0).all()
    formed = [step["information"] for step in model.history_]
    # Logistic experts are trained by gradients alone; others form the information, but not in every pass.
    assert not any(formed) if "classes" in kind and n_experts != 1 else formed[0]


@KINDS
@pytest.mark.parametrize(
    ("n_experts", "gate", "n_logits"),
    [(1, "softmax", 0), (3, "softmax", 10), ((2, 3), "softmax", 25), (3, "constant", 2), (3, "equal", 0)],
)
def test_n_parameters(kind, n_experts, gate, n_logits):
    model = fitted(kind, n_experts, gate=gate)
    assert model.n_parameters_ == n_leaves(n_experts) * coefficients(kind) + n_logits


def test_n_parameters_of_subsets_of_columns_and_other_families():
    X, y = data_of("numbers")
    model = MoERegressor(2, expert=["gaussian", "student_t"], gate_features=[0], expert_features=[0, 1], n_init=1)
    assert model.fit(X, y).n_parameters_ == 2 + (3 + 1) + (3 + 2)


def test_average_has_the_parameters_of_its_members():
    model = fitted("numbers", combine_inits="average")
    assert model.n_parameters_ == sum(member.n_parameters_ for member in model.members_)


# -- coefficients, in the user's units, are the model ------------------------------------------------------------------


def nodes_of(n_experts):
    """The branches (rows of gate_coef_) of each node, and for each leaf the branches on its way."""
    return {
        1: ([[0]], [[0]]),
        3: ([[0, 1, 2]], [[0], [1], [2]]),
        (2, 3): ([[0, 1], [2, 3, 4], [5, 6, 7]], [[0, 2], [0, 3], [0, 4], [1, 5], [1, 6], [1, 7]]),
    }[n_experts]


SUBSETS = pytest.mark.parametrize(
    ("gate_features", "expert_features"),
    [(None, None), ([0, 2], [1, 2, 3]), (["hour", "age"], slice("age", "amount")), ("day", [])],
    ids=str,
)


@KINDS
@SUBSETS
@pytest.mark.parametrize("n_experts", [1, 3, (2, 3)], ids=str)
def test_coefficients_reproduce_predictions(kind, n_experts, gate_features, expert_features):
    X, y = data_of(kind)
    frame = pd.DataFrame(X, columns=NAMES)
    model = model_of(kind, n_experts, gate_features=gate_features, expert_features=expert_features).fit(frame, y)

    nodes, ways = nodes_of(n_experts)
    logits, proba = X @ model.gate_coef_.T + model.gate_intercept_, np.empty((len(X), len(model.gate_coef_)))
    for branches in nodes:
        proba[:, branches] = softmax(logits[:, branches], axis=1)
        assert_allclose(model.gate_coef_[branches].sum(axis=0), 0, atol=1e-9 * (1 + np.abs(model.gate_coef_).max()))
        assert_allclose(model.gate_intercept_[branches].sum(), 0, atol=1e-9 * (1 + np.abs(logits).max()))
    assert_allclose(model.gate_proba(frame), np.column_stack([proba[:, way].prod(axis=1) for way in ways]), atol=1e-10)
    assert_array_equal(model.apply(frame), model.gate_proba(frame).argmax(axis=1))

    eta = np.einsum("nj,kj...->nk...", X, model.expert_coef_) + model.expert_intercept_
    by_hand = {
        "numbers": lambda: eta,
        "counts": lambda: np.exp(eta),
        "two classes": lambda: np.stack([expit(-eta), expit(eta)], axis=2),
        "three classes": lambda: softmax(eta, axis=2),
    }[kind]()
    assert_allclose(model.predict_experts(frame), by_hand, rtol=1e-9, atol=1e-10)
    if kind == "three classes":
        assert_allclose(model.expert_coef_.sum(axis=2), 0, atol=1e-9 * (1 + np.abs(model.expert_coef_).max()))

    everywhere = np.arange(4)
    seen = {"hour": 2, "age": 0, "day": 3}
    gate_sees = everywhere if gate_features is None else [seen.get(one, one) for one in np.atleast_1d(gate_features)]
    expert_sees = (
        [0, 1] if isinstance(expert_features, slice) else everywhere if expert_features is None else expert_features
    )
    for coef, sees in ((model.gate_coef_, gate_sees), (model.expert_coef_, expert_sees)):
        unseen = sorted({*range(4), 2} - set(sees)) + [2]  # column 2 does not vary
        assert not coef[:, unseen].any()


@KINDS
def test_prediction_mixes_the_experts(kind):
    X, _ = data_of(kind)
    model = fitted(kind)
    mixed = np.einsum("nk,nk...->n...", model.gate_proba(X), model.predict_experts(X))
    assert_allclose(model.predict_proba(X) if "classes" in kind else model.predict(X), mixed, rtol=1e-10)


@KINDS
def test_log_prob_and_responsibilities_by_hand(kind):
    X, y = data_of(kind)
    model = fitted(kind, (2, 3))
    experts = model.predict_experts(X)
    joint = (
        np.log(model.gate_proba(X))
        + {
            "numbers": lambda: stats.norm.logpdf(y[:, None], experts, model.expert_scale_),
            "counts": lambda: stats.poisson.logpmf(y[:, None], experts),
            "two classes": lambda: np.log(experts[np.arange(len(y)), :, (y == "none").astype(int)]),
            "three classes": lambda: np.log(experts[np.arange(len(y)), :, np.searchsorted(model.classes_, y)]),
        }[kind]()
    )
    assert_allclose(model.log_prob(X, y), logsumexp(joint, axis=1), rtol=1e-9, atol=1e-9)
    assert_allclose(model.responsibilities(X, y), softmax(joint, axis=1), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kind", ["numbers", "counts"])
@pytest.mark.parametrize("combine_inits", ["best", "average", "stack"])
def test_log_prob_is_that_of_the_predictive_distribution(kind, combine_inits):
    X, y = data_of(kind)
    model = fitted(kind, combine_inits=combine_inits)
    assert_allclose(model.log_prob(X, y), model.predict_dist(X).logpdf(y), rtol=1e-10, atol=1e-10)


@KINDS
def test_criteria_by_hand(kind):
    X, y = data_of(kind)
    model, w = fitted(kind), np.random.default_rng(0).integers(0, 3, size=len(y))
    log_likelihood, entropy = w @ model.log_prob(X, y), w @ stats.entropy(model.responsibilities(X, y), axis=1)
    bic = -2 * log_likelihood + model.n_parameters_ * np.log(w.sum())
    assert model.aic(X, y, w) == pytest.approx(-2 * log_likelihood + 2 * model.n_parameters_)
    assert model.bic(X, y, sample_weight=w) == pytest.approx(bic)
    assert model.icl(X, y, sample_weight=w) == pytest.approx(bic + 2 * entropy)


def test_number_of_experts_by_bic_in_one_line():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(300, 1))
    y = np.abs(X[:, 0]) + 0.05 * rng.standard_normal(300)
    best = min((MoERegressor(k, random_state=0).fit(X, y) for k in range(1, 5)), key=lambda m: m.bic(X, y))
    assert best.n_experts_ == 2


# -- the regressor -----------------------------------------------------------------------------------------------------


def test_forms_of_prediction():
    X, y = data_of("numbers")
    model, n = fitted("numbers"), len(y)
    dist = model.predict_dist(X)
    mean, std = model.predict(X, return_std=True)
    assert_allclose(mean, model.predict(X), rtol=1e-12)
    assert_allclose(std**2, model.predict_var(X), rtol=1e-10)
    assert_allclose(dist.var(), model.predict_var(X), rtol=1e-10)
    assert model.predict_quantile(X, 0.3).shape == (n,)
    quantiles = model.predict_quantile(X, [0.05, 0.5, 0.95])
    assert quantiles.shape == (n, 3)
    assert_allclose(dist.cdf(quantiles), np.tile([0.05, 0.5, 0.95], (n, 1)), atol=1e-8)
    assert_allclose(model.predict_interval(X, coverage=0.9), quantiles[:, [0, 2]], rtol=1e-9)
    assert model.predict_experts(X).shape == (n, 3)
    assert model.score(X, y) == pytest.approx(r2_score(y, mean))
    assert len(dist) == n


@pytest.mark.parametrize("kind", ["numbers", "counts"])
def test_variance_is_total(kind):
    """Within experts plus between them."""
    X, _ = data_of(kind)
    model = fitted(kind)
    gate, mean, experts = model.gate_proba(X), model.predict(X)[:, None], model.predict_experts(X)
    within = model.expert_scale_**2 if kind == "numbers" else experts
    assert_allclose(model.predict_var(X), (gate * (within + (experts - mean) ** 2)).sum(axis=1), rtol=1e-9)


def test_one_expert_is_one_normal_distribution():
    X, _ = data_of("numbers")
    model = fitted("numbers", 1)
    normal = stats.norm(model.predict(X), model.expert_scale_[0])
    assert_allclose(model.predict_quantile(X, 0.9), normal.ppf(0.9), rtol=1e-9)
    assert_allclose(model.predict_dist(X).entropy(), normal.entropy(), rtol=1e-5)


@KINDS
def test_samples(kind):
    X, _ = data_of(kind)
    model, rows = fitted(kind), X[:6]
    draws = model.sample(rows, 4000, random_state=0)
    assert draws.shape == (6, 4000)
    assert_array_equal(draws, model.sample(rows, 4000, random_state=0))
    assert not np.array_equal(draws, model.sample(rows, 4000, random_state=1))
    assert model.sample(rows).shape == (6, 1)
    if "classes" in kind:
        p = model.predict_proba(rows)
        seen = (draws[:, :, None] == model.classes_).mean(axis=1)
        assert (np.abs(seen - p) <= 4.5 * np.sqrt(p * (1 - p) / 4000) + 1e-12).all()
    else:
        mean, std = model.predict(rows, return_std=True)
        assert (np.abs(draws.mean(axis=1) - mean) < 4.5 * std / np.sqrt(4000)).all()
        for level, quantile in zip((0.1, 0.5, 0.9), model.predict_quantile(rows, [0.1, 0.5, 0.9]).T, strict=True):
            below, atom = (draws < quantile[:, None]).mean(axis=1), (draws == quantile[:, None]).mean(axis=1)
            assert (below - 0.03 < level).all()
            assert (level < below + atom + 0.03).all()


# -- the classifier ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["two classes", "three classes"])
@pytest.mark.parametrize("top_k", [None, 1])
def test_forms_of_classification(kind, top_k):
    X, y = data_of(kind)
    model = model_of(kind, top_k=top_k).fit(X, y)
    assert model.classes_.tolist() == ["fraud", "none", "review"][: len(model.classes_)]
    proba, decision = model.predict_proba(X), model.decision_function(X)
    assert proba.shape == (len(y), len(model.classes_))
    assert_allclose(proba.sum(axis=1), 1, rtol=1e-12)
    assert_allclose(np.exp(model.predict_log_proba(X)), proba, rtol=1e-10)
    assert_array_equal(model.predict(X), model.classes_[proba.argmax(axis=1)])
    if kind == "two classes":
        assert_allclose(expit(decision), proba[:, 1], rtol=1e-9)
        assert_array_equal(model.predict(X), model.classes_[(decision > 0).astype(int)])
    else:
        assert_allclose(softmax(decision, axis=1), proba, rtol=1e-9)
    assert model.score(X, y) == pytest.approx(accuracy_score(y, model.predict(X)))
    if top_k is None:
        codes = np.searchsorted(model.classes_, y)
        assert_allclose(model.log_prob(X, y), model.predict_log_proba(X)[np.arange(len(y)), codes], rtol=1e-9)


@pytest.mark.parametrize("labels", [[False, True], [7, -3], [0.0, 1.0], ["b", "a"]], ids=str)
def test_kinds_of_labels(labels):
    X, y = data_of("two classes")
    coded = (y == "none").astype(int)
    y = np.array(labels)[coded]
    model = model_of("two classes").fit(X, y)
    assert_array_equal(model.classes_, np.sort(labels))
    assert model.predict(X).dtype == y.dtype
    assert model.score(X, y) > 0.8
    assert set(model.sample(X[:9], 20, random_state=0).ravel().tolist()) == set(labels)
    reference = fitted("two classes").predict_proba(X)[:, 1]
    assert_allclose(model.predict_proba(X)[:, int(labels[1] > labels[0])], reference, atol=1e-3)


@pytest.mark.parametrize("kind", ["two classes", "three classes"])
@pytest.mark.parametrize("weighted", [False, True])
def test_balanced_classes(kind, weighted):
    """By their weighted counts; they take part in training, never in the log-likelihood."""
    X, y = data_of(kind)
    w = np.random.default_rng(0).integers(0, 3, size=len(y)) if weighted else np.ones(len(y), dtype=int)
    model = model_of(kind, class_weight="balanced").fit(X, y, sample_weight=w)
    counts = {label: w[y == label].sum() for label in model.classes_}
    explicit = {label: w.sum() / (len(counts) * count) for label, count in counts.items()}
    by_dict = model_of(kind, class_weight=explicit).fit(X, y, sample_weight=w)
    by_rows = model_of(kind, class_weight="balanced").fit(np.repeat(X, w, axis=0), np.repeat(y, w))
    factors = np.array([explicit[label] for label in y])
    by_weight = model_of(kind).fit(X, y, sample_weight=w * factors)
    for other in (by_dict, by_rows, by_weight):
        assert_allclose(model.predict_log_proba(X), other.predict_log_proba(X), atol=1e-3)
        assert model.objective_ == pytest.approx(other.objective_, rel=1e-6)
    assert model.log_likelihood_ == pytest.approx(w @ model.log_prob(X, y))
    assert by_weight.log_likelihood_ == pytest.approx((w * factors) @ model.log_prob(X, y), rel=1e-4)


def test_class_weight_raises_the_recall_of_a_rare_class():
    X, y = make_moe_classification(600, 3, random_state=1)
    rare = y * (np.arange(600) % 5 == 0)
    plain, balanced = (MoEClassifier(2, class_weight=w, random_state=0).fit(X, rare) for w in (None, "balanced"))
    assert balanced.predict(X)[rare == 1].mean() > plain.predict(X)[rare == 1].mean() + 0.2


# -- tables and reports ------------------------------------------------------------------------------------------------


@KINDS
@pytest.mark.parametrize("combine_inits", ["best", "average", "stack"])
def test_summary(kind, combine_inits):
    X, y = data_of(kind)
    frame = pd.DataFrame(X, columns=NAMES)
    model = model_of(kind, combine_inits=combine_inits).fit(frame, y)
    table = model.summary()
    assert table.index.name == "expert"
    assert table.index.tolist() == list(range(model.n_experts_))
    assert_array_equal(table["share"], model.expert_share_)
    if kind == "numbers":
        assert_array_equal(table["scale"], model.expert_scale_)
    suffixes = [f" [{label}]" for label in model.classes_] if kind == "three classes" else [""]
    coef = model.expert_coef_.reshape(model.n_experts_, 4, -1)
    intercept = model.expert_intercept_.reshape(model.n_experts_, -1)
    for c, suffix in enumerate(suffixes):
        assert_array_equal(table[f"intercept{suffix}"], intercept[:, c])
        assert_array_equal(table[[f"{name}{suffix}" for name in NAMES]], coef[:, :, c])
    assert table.shape[1] == 1 + (kind == "numbers") + len(suffixes) * 5
    assert "x3" in " ".join(fitted(kind).summary().columns)


def test_summary_keeps_all_columns_whatever_features_are_called():
    X, y = data_of("numbers")
    model = model_of("numbers").fit(pd.DataFrame(X, columns=["share", "scale", "intercept", "expert"]), y)
    table = model.summary()
    assert table.shape == (3, 7)
    for column in (model.expert_share_, model.expert_scale_, model.expert_intercept_, *model.expert_coef_.T):
        assert (table.to_numpy() == column[:, None]).all(axis=0).any()


@KINDS
def test_routing_report(kind):
    X, y = data_of(kind)
    model = fitted(kind)
    for report, proba in (
        (model.routing_report(X), model.gate_proba(X)),
        (model.routing_report(X, y), model.responsibilities(X, y)),
    ):
        assert isinstance(report, RoutingReport)
        assert_allclose(report.usage, proba.mean(axis=0), rtol=1e-12)
        assert_allclose(report.chosen, np.bincount(proba.argmax(axis=1), minlength=3) / len(y))
        assert report.entropy == pytest.approx(stats.entropy(proba, axis=1).mean())
        assert str(report) == str(routing_report(proba))
    assert_allclose(report.usage, model.expert_share_, atol=1e-12)


def test_repr():
    assert repr(MoERegressor()) == "MoERegressor()"
    assert repr(MoEClassifier((2, 3), alpha=2.0)) == "MoEClassifier(alpha=2.0, n_experts=(2, 3))"
    assert repr(MoERegressor(expert=StudentT())) == "MoERegressor(expert=StudentT())"
    for model in (MoERegressor(3), fitted("numbers"), make_pipeline(StandardScaler(), fitted("three classes"))):
        assert "MoE" in model._repr_html_()
    lines = str(fitted("numbers", (2, 3)).tree_).splitlines()
    assert [line[:16].rstrip() for line in lines[:4]] == ["6 experts", "all rows", "├── branch 0", "│   ├── expert 0"]


@pytest.mark.parametrize("combine_inits", ["best", "average", "stack"])
def test_verbose_prints_a_line_a_start_or_move(combine_inits, capsys):
    X, y = data_of("numbers")
    model = model_of("numbers", n_init=4, move_budget=3, combine_inits=combine_inits, verbose=1).fit(X, y)
    lines = sorted(capsys.readouterr().out.splitlines())
    moves = [f"move {i}" for i in range(1, len(model.move_objectives_) + 1)] if combine_inits == "best" else []
    assert [line.split(":")[0] for line in lines] == [*moves, *(f"start {i} of 4" for i in range(1, 5))]
    for line, objective in zip(lines, [*model.move_objectives_, *model.start_objectives_], strict=True):
        assert f"objective {objective:.6g}" in line
    model_of("numbers").fit(X, y)
    assert capsys.readouterr().out == ""


# -- parameters --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "same_as"),
    [
        ({"expert": StudentT()}, {"expert": "student_t"}),
        ({"expert": Gaussian()}, {}),
        ({"gate": SoftmaxGate(alpha=0.5)}, {"gate_alpha": 0.5}),
        ({"gate": ConstantGate()}, {"gate": "constant"}),
        ({"gate": EqualGate()}, {"gate": "equal"}),
        ({"n_experts": (3,)}, {}),
        ({"n_experts": ((3,), 3)}, {"n_experts": (2, 3)}),
        ({"gate_features": [True, True, False, True]}, {"gate_features": [0, 1, -1]}),
        ({"gate_features": lambda X: [0, 3]}, {"gate_features": [3, 0]}),
        ({"gate_features": [0, 1, 2, 3]}, {}),
        ({"init": ["hyperplanes", "tilt"]}, {"init": "auto"}),
        ({"init": ["tilt"]}, {"init": "tilt"}),
        ({"top_k": 9}, {}),
        ({"random_state": np.random.RandomState(0)}, {}),
        ({"n_jobs": 2}, {}),
    ],
    ids=lambda params: ", ".join(params) or "default",
)
def test_two_ways_to_say_the_same(params, same_as):
    X, y = data_of("numbers")
    one, other = (model_of("numbers", **p).fit(X, y) for p in (params, same_as))
    assert_array_equal(one.predict(X), other.predict(X))
    assert_array_equal(one.gate_coef_, other.gate_coef_)
    assert one.history_ == other.history_


@KINDS
@pytest.mark.parametrize("n_experts", [3, (2, 3)], ids=str)
def test_gates_that_ignore_x(kind, n_experts):
    X, y = data_of(kind)
    constant, equal = (fitted(kind, n_experts, gate=gate, n_init=3) for gate in ("constant", "equal"))
    k = n_leaves(n_experts)
    assert_allclose(equal.gate_proba(X), np.full((len(y), k), 1 / k), rtol=1e-12)
    assert_array_equal(constant.gate_proba(X), np.tile(constant.gate_proba(X[:1]), (len(y), 1)))
    for model in (constant, equal):
        assert not model.gate_coef_.any()
        assert not np.ptp(model.apply(X))
    # At the maximum the mixing weights are the shares.
    assert_allclose(constant.gate_proba(X)[0], constant.expert_share_, atol=2e-3)


def test_random_state():
    X, y = data_of("numbers")
    one, again, other = (model_of("numbers", n_init=3, random_state=s).fit(X, y) for s in (0, 0, 1))
    assert_array_equal(one.start_objectives_, again.start_objectives_)
    assert_array_equal(one.predict(X), again.predict(X))
    assert not np.array_equal(one.start_objectives_, other.start_objectives_)
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    model_of("numbers").fit(X, y).sample(X, random_state=3)
    assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_experts_of_several_families():
    X, y = data_of("counts")
    model = model_of("numbers", 2, expert=["gaussian", "poisson"]).fit(X, y)
    assert np.isfinite(model.expert_scale_[0])
    assert np.isnan(model.expert_scale_[1])
    eta = X @ model.expert_coef_.T + model.expert_intercept_
    assert_allclose(model.predict_experts(X), np.column_stack([eta[:, 0], np.exp(eta[:, 1])]), rtol=1e-9)
    joint = np.log(model.gate_proba(X))
    joint[:, 0] += stats.norm.logpdf(y, eta[:, 0], model.expert_scale_[0])
    joint[:, 1] += stats.poisson.logpmf(y, np.exp(eta[:, 1]))
    assert_allclose(model.log_prob(X, y), logsumexp(joint, axis=1), rtol=1e-9)
    assert model.summary()["scale"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    "expert", [["gaussian", "student_t"], [StudentT(), Gaussian()], [Poisson(), "poisson"]], ids=str
)
@pytest.mark.parametrize("combine_inits", ["best", "average", "stack"])
def test_lists_of_experts(expert, combine_inits):
    X, y = data_of("counts")
    model = model_of("numbers", 2, expert=expert, combine_inits=combine_inits).fit(X, y)
    assert model.n_experts_ == (2 if combine_inits == "best" else 4)
    assert_allclose(model.log_prob(X, y), model.predict_dist(X).logpdf(y), rtol=1e-9)
    single = model_of("numbers", 1, expert=expert[0] if expert[0] != "gaussian" else "student_t").fit(X, y)
    assert model.log_likelihood_ > single.log_likelihood_


class UnitGaussian(Family):
    """A Gaussian whose variance is known to be one, as a user would write it."""

    name = "unit_gaussian"
    location_scale = False

    def links(self, scale_floor):
        return {"eta": Identity()}

    def check_response(self, y):
        pass

    def base_measure(self, y):
        return np.asarray(-0.5 * np.log(2 * np.pi))

    def log_prob(self, y, theta):
        return -0.5 * (y - theta[0]) ** 2

    def terms(self, y, theta, *, curvature=True):
        return Terms((y - theta[0],), (np.ones_like(theta[0]),) if curvature else None)

    def start(self, mean, sd):
        return (mean,)

    def mean(self, theta):
        return theta[0]

    def variance(self, theta):
        return np.ones_like(theta[0])

    def cdf(self, y, theta):
        return stats.norm.cdf(y, theta[0])

    def ppf(self, q, theta):
        return stats.norm.ppf(q, theta[0])

    def sample(self, theta, rng):
        return theta[0] + rng.standard_normal(theta[0].shape)


def test_family_of_a_user():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(400, 1))
    y = 20 * np.abs(X[:, 0]) + rng.standard_normal(400)
    ridge = make_pipeline(StandardScaler(), Ridge(alpha=3.0)).fit(X, y)
    single = MoERegressor(1, expert=UnitGaussian(), alpha=3.0).fit(X, y)
    assert_allclose(single.predict(X), ridge.predict(X), rtol=1e-9)

    model = MoERegressor(2, expert=UnitGaussian(), random_state=0).fit(X, y)
    assert_allclose(np.sort(model.expert_coef_.ravel()), [-20, 20], atol=1.0)
    assert not hasattr(model, "expert_scale_")
    dist = model.predict_dist(X)
    assert_allclose(model.log_prob(X, y), dist.logpdf(y), rtol=1e-10)
    assert_allclose(dist.cdf(model.predict_quantile(X, 0.9)), 0.9, atol=1e-8)
    assert model.predict_interval(X).shape == model.sample(X, 2, random_state=0).shape == (400, 2)
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))
    average = MoERegressor(2, expert=UnitGaussian(), n_init=2, combine_inits="average", random_state=0).fit(X, y)
    assert average.predict(X).shape == (400,)


# -- containers of X ---------------------------------------------------------------------------------------------------


@KINDS
@pytest.mark.parametrize(
    "convert",
    [
        lambda X: X.astype(np.float32),
        lambda X: np.rint(X).astype(np.int64),
        lambda X: np.asfortranarray(X),
        lambda X: np.repeat(X, 2, axis=1)[:, ::2],
        lambda X: X.astype(object),
        lambda X: X.tolist(),
        lambda X: pd.DataFrame(X, columns=NAMES),
        lambda X: pl.DataFrame(X, schema=NAMES),
    ],
    ids=["float32", "int", "Fortran", "strided", "object", "list", "pandas", "polars"],
)
def test_containers(kind, convert):
    X, y = data_of(kind)
    given = convert(X)
    model = model_of(kind).fit(given, y)
    plain = np.ascontiguousarray(np.asarray(given, dtype=np.float64))
    reference = model_of(kind).fit(plain, y)
    assert_array_equal(model.predict(given), reference.predict(plain))
    assert_array_equal(model.log_prob(given, y), reference.log_prob(plain, y))
    assert model.gate_proba(given).dtype == np.float64
    assert model.start_objectives_.tolist() == reference.start_objectives_.tolist()
    if hasattr(given, "columns"):
        assert model.feature_names_in_.tolist() == NAMES
    else:
        assert not hasattr(model, "feature_names_in_")


@pytest.mark.parametrize("library", [pd, pl])
def test_response_and_weights_as_series(library):
    X, y = data_of("three classes")
    w = np.arange(len(y)) % 3
    model = model_of("three classes").fit(X, library.Series(y), sample_weight=library.Series(w))
    reference = model_of("three classes").fit(X, y, sample_weight=w)
    assert_array_equal(model.predict_proba(X), reference.predict_proba(X))
    assert_array_equal(model.log_prob(X, library.Series(y)), reference.log_prob(X, y))


# -- with scikit-learn -------------------------------------------------------------------------------------------------


@KINDS
@pytest.mark.parametrize("combine_inits", ["best", "average", "stack"])
def test_clone_and_pickle(kind, combine_inits):
    X, y = data_of(kind)
    model = fitted(kind, combine_inits=combine_inits)
    twin = clone(model)
    assert twin.get_params() == model.get_params()
    assert not [name for name in vars(twin) if name.endswith("_") or name.startswith("_")]
    back = pickle.loads(pickle.dumps(model))
    assert_array_equal(back.predict(X), model.predict(X))
    assert_array_equal(back.log_prob(X, y), model.log_prob(X, y))
    assert back.history_ == model.history_
    assert_array_equal(back.fit(X, y).predict(X), model.predict(X))


@KINDS
def test_members_are_estimators(kind):
    X, y = data_of(kind)
    model = fitted(kind, combine_inits="average")
    for member in model.members_:
        check_is_fitted(member)
        assert type(member) is type(model)
        assert member.n_experts_ == 3
        assert member.predict(X).shape == y.shape
        assert member.log_likelihood_ == pytest.approx(member.log_prob(X, y).sum())
        assert np.isfinite(member.bic(X, y))
        assert member.summary().shape[0] == 3
        assert_array_equal(pickle.loads(pickle.dumps(member)).predict(X), member.predict(X))
        assert not hasattr(clone(member).fit(X, y), "members_")
    assert [member.objective_ for member in model.members_] == sorted(model.start_objectives_, reverse=True)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_columns_by_name_in_a_pipeline(library):
    X, y = data_of("numbers")
    frame = pd.DataFrame(X, columns=NAMES) if library == "pandas" else pl.DataFrame(X, schema=NAMES)
    model = model_of("numbers", gate_features=["amount"], expert_features=lambda X: ["age", "day"])
    pipeline = make_pipeline(StandardScaler(), model).set_output(transform=library).fit(frame, y)
    last = pipeline[-1]
    assert last.feature_names_in_.tolist() == NAMES
    assert last.gate_coef_.any(axis=0).tolist() == [False, True, False, False]
    assert last.expert_coef_.any(axis=0).tolist() == [True, False, False, True]
    by_index = model_of("numbers", gate_features=[1], expert_features=[0, 3]).fit(X, y)
    assert_allclose(pipeline.predict(frame), by_index.predict(X), rtol=1e-3)


def test_search_in_a_pipeline():
    X, y = data_of("two classes")
    pipeline = Pipeline([("scale", StandardScaler()), ("moe", model_of("two classes"))])
    grid = {"moe__n_experts": [1, (2, 2)], "moe__gate": ["softmax", ConstantGate()], "moe__alpha": [0.1]}
    search = GridSearchCV(pipeline, grid, cv=2, scoring="neg_log_loss", error_score="raise").fit(X, y)
    assert search.best_params_["moe__n_experts"] == (2, 2)
    proba = cross_val_predict(search.best_estimator_, X, y, cv=2, method="predict_proba")
    assert proba.shape == (len(y), 2)
    assert accuracy_score(y, search.classes_[proba.argmax(axis=1)]) > 0.7


@pytest.mark.parametrize("kind", ["numbers", "two classes"])
def test_weights_are_routed(kind):
    X, y = data_of(kind)
    w = np.arange(len(y)) % 3
    with sklearn.config_context(enable_metadata_routing=True):
        model = model_of(kind).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), model)
        result = cross_validate(
            pipeline, X, y, cv=2, params={"sample_weight": w}, return_estimator=True, return_indices=True
        )
    train, test = (result["indices"][part][0] for part in ("train", "test"))
    Z = StandardScaler().fit(X[train]).transform(X)
    by_hand = model_of(kind).fit(Z[train], y[train], sample_weight=w[train])
    assert_array_equal(result["estimator"][0].predict(X), by_hand.predict(Z))
    assert result["test_score"][0] == by_hand.score(Z[test], y[test], sample_weight=w[test])


def test_standard_deviation_is_routed():
    X, y = data_of("numbers")
    with sklearn.config_context(enable_metadata_routing=True):
        model = model_of("numbers").set_predict_request(return_std=True)
        pipeline = make_pipeline(StandardScaler(), model).fit(X, y)
        mean, std = pipeline.predict(X, return_std=True)
    assert_allclose(mean, pipeline.predict(X))
    assert (std > 0).all()


# -- warm start --------------------------------------------------------------------------------------------------------


@KINDS
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_warm_start_goes_on_until_converged(kind):
    X, y = data_of(kind)
    model = model_of(kind, warm_start=True, max_iter=15).fit(X, y)
    objectives = [model.objective_]
    while not model.converged_ and len(objectives) < 30:
        objectives.append(model.fit(X, y).objective_)
    assert model.converged_
    assert (np.diff(objectives) >= -1e-9).all()
    assert model.fit(X, y).start_objectives_.shape == (1,)


def test_warm_start_with_other_classes_begins_anew():
    X, y = data_of("three classes")
    model = model_of("three classes", warm_start=True).fit(X, y == "fraud")
    assert_array_equal(model.fit(X, y).predict(X), fitted("three classes").predict(X))
