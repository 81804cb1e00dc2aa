"""Several outputs against Ridge, against fits of one output, and against sums over experts written by hand."""

from __future__ import annotations

import pickle
from functools import cache

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from scipy.special import logsumexp, softmax
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import DataConversionWarning
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

from skmoe import MoEClassifier, MoERegressor
from skmoe.scoring import interval_score, interval_scorer, neg_crps, neg_log_score

pytestmark = pytest.mark.filterwarnings("ignore::skmoe.exceptions.CollapseWarning")

NAMES = ["torque", "heat", "noise"]


@cache
def data(n=200):
    """Three outputs in very different units; two of them change their relation to x at the same place."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 3)) * [1, 20, 0.1]
    left = X[:, 0] < 0
    y = np.column_stack([np.abs(X[:, 0]), np.where(left, X[:, 1], -X[:, 1]), X[:, 2]])
    y += rng.standard_normal(y.shape) * np.where(left, 0.1, 0.3)[:, None] * [1, 20, 0.1]
    y = y * [1, 1e3, 1e-4] + [0, 1e5, 1]
    X.flags.writeable = y.flags.writeable = False
    return X, y


def model_of(n_experts=2, **params):
    return MoERegressor(n_experts, **{"n_init": 2, "random_state": 0, **params})


@cache
def fitted(n_experts=2, **params):
    return model_of(n_experts, **params).fit(*data())


# -- one expert --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [0.01, 5.0, 300.0])
def test_one_expert_is_ridge_with_several_outputs(alpha, weighted):
    X, y = data()
    w = np.random.default_rng(1).exponential(size=len(y)) if weighted else np.ones(len(y))
    mean = w @ X / w.sum()
    sd = np.sqrt(w @ (X - mean) ** 2 / w.sum())
    ridge = Ridge(alpha, solver="svd").fit((X - mean) / sd, y, sample_weight=w)
    model = MoERegressor(1, alpha=alpha, tol=1e-18).fit(X, y, sample_weight=w)
    size = y.std(axis=0)
    assert_allclose((model.predict(X) - ridge.predict((X - mean) / sd)) / size, 0, atol=1e-7)
    assert_allclose((model.expert_coef_[0].T * sd - ridge.coef_) / size[:, None], 0, atol=1e-7)
    rss = w @ (y - model.predict(X)) ** 2
    assert_allclose(model.expert_scale_[0] ** 2, (rss + alpha * (ridge.coef_**2).sum(axis=1)) / w.sum(), rtol=1e-8)


@pytest.mark.parametrize("expert", ["gaussian", "student_t", "poisson"])
def test_one_expert_is_a_fit_for_each_output(expert):
    X, y = data()
    y = np.rint(np.abs(y / y.std(axis=0))) if expert == "poisson" else y
    model = MoERegressor(1, expert=expert, alpha=0.5, tol=1e-12).fit(X, y)
    alone = [MoERegressor(1, expert=expert, alpha=0.5, tol=1e-12).fit(X, column) for column in y.T]
    size = y.std(axis=0)
    assert_allclose(model.predict(X) / size, np.column_stack([one.predict(X) for one in alone]) / size, rtol=1e-6)
    assert_allclose(model.expert_coef_[0], np.column_stack([one.expert_coef_[0] for one in alone]), rtol=1e-3)
    assert model.log_likelihood_ == pytest.approx(sum(one.log_likelihood_ for one in alone), rel=1e-7)
    assert model.objective_ == pytest.approx(sum(one.objective_ for one in alone), rel=1e-9)
    assert model.n_parameters_ == sum(one.n_parameters_ for one in alone)
    assert_allclose(model.log_prob(X, y), sum(one.log_prob(X, c) for one, c in zip(alone, y.T, strict=True)), atol=1e-5)


# -- the density -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_experts", [3, (2, 2)], ids=str)
def test_density_by_hand(n_experts):
    """Independent Gaussians given the expert, one expert for all outputs of a row."""
    X, y = data()
    model = fitted(n_experts)
    means = np.einsum("np,kpq->nkq", X, model.expert_coef_) + model.expert_intercept_
    log_density = stats.norm(means, model.expert_scale_).logpdf(y[:, None]).sum(axis=2)
    joint = np.log(model.gate_proba(X)) + log_density
    assert_allclose(model.predict_experts(X), means, rtol=1e-9)
    assert_allclose(model.log_prob(X, y), logsumexp(joint, axis=1), rtol=0, atol=1e-8)
    assert_allclose(model.responsibilities(X, y), softmax(joint, axis=1), rtol=0, atol=1e-8)
    sd, slopes = X.std(axis=0)[:, None], model.expert_coef_
    ridge = model.alpha * ((slopes * sd / model.expert_scale_[:, None]) ** 2).sum()
    gate_ridge = model.gate_alpha * ((model.gate_coef_ * X.std(axis=0)) ** 2).sum()
    assert model.log_likelihood_ == pytest.approx(logsumexp(joint, axis=1).sum(), rel=1e-10)
    assert model.objective_ == pytest.approx(model.log_likelihood_ - ridge / 2 - gate_ridge / 2, rel=1e-10)


@pytest.mark.parametrize("combine_inits", ["best", "average", "stack"])
def test_moments_and_marginals_by_hand(combine_inits):
    X, _ = data()
    model = fitted(combine_inits=combine_inits)
    gate, means = model.gate_proba(X)[..., None], model.predict_experts(X)
    mean = (gate * means).sum(axis=1)
    variance = (gate * (model.expert_scale_**2 + (means - mean[:, None]) ** 2)).sum(axis=1)
    got, std = model.predict(X, return_std=True)
    assert_allclose(got, mean, rtol=1e-9)
    assert_array_equal(model.predict(X), got)
    assert_allclose(std**2, variance, rtol=1e-8)
    assert_allclose(model.predict_var(X), variance, rtol=1e-8)
    quantiles = model.predict_quantile(X, [0.05, 0.5, 0.95])
    below = (
        gate[:, :, None] * stats.norm.cdf(quantiles[:, None], means[:, :, None], model.expert_scale_[:, None])
    ).sum(1)
    assert_allclose(below, np.tile([[0.05], [0.5], [0.95]], (len(X), 1, 3)), rtol=1e-7)
    assert_array_equal(model.predict_quantile(X, 0.5), quantiles[:, 1])
    assert_allclose(model.predict_interval(X, 0.9), quantiles[:, [0, 2]], rtol=1e-12)


def test_draws_of_a_row_come_from_one_expert():
    """What outputs have to do with each other: the covariance is that between the means of the experts."""
    X, _ = data()
    model, row = fitted(), data()[0][np.abs(data()[0][:, 0]).argmin()][None]
    draws = model.sample(row, 20_000, random_state=0)
    assert draws.shape == (1, 20_000, 3)
    assert_array_equal(draws, model.sample(row, 20_000, random_state=0))
    gate, means = model.gate_proba(row)[0], model.predict_experts(row)[0]
    assert gate.min() > 0.05
    off = means - gate @ means
    covariance = (off.T * gate) @ off + np.diag(gate @ model.expert_scale_**2)
    sd = np.sqrt(covariance.diagonal())
    assert_allclose(draws[0].mean(axis=0), gate @ means, atol=4.5 * sd.max() / np.sqrt(20_000))
    assert_allclose(np.cov(draws[0].T) / np.outer(sd, sd), covariance / np.outer(sd, sd), atol=0.05)
    assert model.sample(X[:7]).shape == (7, 1, 3)


# -- invariants --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("combine_inits", ["best", "average", "stack"])
def test_integer_weights_are_repeated_rows(combine_inits):
    X, y = data()
    count = np.random.default_rng(3).integers(0, 4, size=len(y))
    model = model_of(combine_inits=combine_inits)
    a, objective = model.fit(X, y, sample_weight=count).predict(X), model.objective_
    model.fit(np.repeat(X, count, axis=0), np.repeat(y, count, axis=0))
    assert objective == pytest.approx(model.objective_, rel=1e-10)
    assert_allclose(a / y.std(axis=0), model.predict(X) / y.std(axis=0), rtol=0, atol=1e-7)


def test_units_of_each_output_do_not_matter():
    X, y = data()
    a, b = (model_of(tol=1e-8).fit(X, z) for z in (y, (y - [0, 1e5, 1]) * [1e6, 1e-9, 1]))
    assert_allclose(b.predict(X) / [1e6, 1e-9, 1] + [0, 1e5, 1], a.predict(X), rtol=1e-6)
    assert_allclose(b.gate_proba(X), a.gate_proba(X), rtol=0, atol=1e-6)


def test_the_same_bits_for_any_number_of_threads():
    X, y = data()
    one, two = (model_of(n_jobs=n_jobs).fit(X, y) for n_jobs in (1, 2))
    assert_array_equal(one.predict(X), two.predict(X))


def test_predictions_over_several_chunks():
    X, y = data(5000)
    model = fitted()
    whole, parts = model.predict(X), [model.predict(part) for part in np.array_split(X, 7)]
    assert_allclose(whole, np.concatenate(parts), rtol=1e-12)
    assert_allclose(model.log_prob(X, y), model.predict_dist(X).logpdf(y), rtol=0, atol=1e-9)


def test_outputs_agree_on_the_gate():
    """A second output that says where the border is helps the first: the reason to fit them together."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(120, 1))
    first = np.abs(X[:, 0]) + 0.3 * rng.standard_normal(120)
    second = 5 * np.sign(X[:, 0]) + 0.3 * rng.standard_normal(120)
    truth = (X[:, 0] > 0).astype(float)
    proba = [MoERegressor(2, random_state=0).fit(X, y).gate_proba(X) for y in (first, np.column_stack([first, second]))]
    alone, together = (min(np.abs(p[:, k] - truth).mean() for k in (0, 1)) for p in proba)
    assert together < 0.02 < alone


# -- the door ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reader", [MoERegressor(2, n_init=1, random_state=0), RandomForestRegressor(3, random_state=0)]
)
def test_a_column_is_one_output_with_a_warning(reader):
    """As scikit-learn's forests do."""
    X, y = data()
    with pytest.warns(DataConversionWarning, match="column-vector"):
        column = clone(reader).fit(X, y[:, :1])
    assert_array_equal(column.predict(X), clone(reader).fit(X, y[:, 0]).predict(X))
    assert column.predict(X).shape == (len(X),)
    assert column.n_outputs_ == 1


def test_attributes_and_shapes():
    X, y = data()
    model = fitted(3)
    assert model.n_outputs_ == 3
    assert model.output_names_ == ["y0", "y1", "y2"]
    assert model.expert_coef_.shape == (3, 3, 3)
    assert model.expert_intercept_.shape == model.expert_scale_.shape == (3, 3)
    assert_allclose(model.scale_floor_, 1e-3 * y.std(axis=0))
    assert model.n_parameters_ == 2 * 4 + 3 * 3 * 5
    assert model.score(X, y) == pytest.approx(r2_score(y, model.predict(X)))
    assert fitted(3, combine_inits="average").members_[1].expert_coef_.shape == (3, 3, 3)
    one = MoERegressor(2, n_init=1).fit(X, y[:, 0])
    assert one.n_outputs_ == 1
    assert isinstance(one.scale_floor_, float)
    assert not hasattr(one, "output_names_")


@pytest.mark.parametrize("library", [pd, pl])
def test_names_of_outputs(library):
    X, y = data()
    frame = pd.DataFrame(y, columns=NAMES) if library is pd else pl.DataFrame(y, schema=NAMES)
    model = model_of().fit(X, frame)
    assert_array_equal(model.predict(X), fitted().predict(X))
    assert model.output_names_ == NAMES
    table = model.summary()
    assert list(table.columns) == [
        "share",
        *(f"{what} [{name}]" for name in NAMES for what in ("scale", "intercept", "x0", "x1", "x2")),
    ]
    assert_array_equal(table["scale [heat]"], model.expert_scale_[:, 1])
    assert_array_equal(table["intercept [noise]"], model.expert_intercept_[:, 2])
    assert_array_equal(table["x2 [torque]"], model.expert_coef_[:, 2, 0])
    assert not hasattr(model.fit(X, y[:, 0]), "output_names_")


def test_tags():
    tags = get_tags(MoERegressor()).target_tags
    assert tags.multi_output
    assert tags.single_output
    assert not get_tags(MoEClassifier()).target_tags.multi_output


@pytest.mark.parametrize(
    "expert", ["student_t", "poisson", ["gaussian", "student_t"], ["poisson", "gaussian"]], ids=str
)
def test_other_families(expert):
    X, y = data()
    y = np.rint(np.abs(y / y.std(axis=0)))
    model = model_of(expert=expert).fit(X, y)
    assert_allclose(model.log_prob(X, y), model.predict_dist(X).logpdf(y), rtol=1e-8)
    assert model.predict_interval(X[:9]).shape == (9, 2, 3)
    assert hasattr(model, "expert_scale_") == (expert != "poisson")
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))


def test_an_output_that_does_not_vary():
    X, y = data()
    model = model_of().fit(X, np.column_stack([y[:, 0], np.full(len(y), 7.0)]))
    assert_allclose(model.predict(X)[:, 1], 7.0, rtol=1e-9)
    assert np.isfinite(model.log_prob(X, np.column_stack([y[:, 0], np.full(len(y), 7.0)]))).all()


def test_warm_start():
    X, y = data()
    model = model_of(tol=1e-6, warm_start=True).fit(X, y)
    n_iter, objective = model.n_iter_, model.objective_
    assert model.fit(X, y).n_iter_ < n_iter / 2
    assert model.objective_ >= objective - 1e-9 * abs(objective)
    two = model.fit(X, y[:, :2]).predict(X)  # another number of outputs begins anew
    assert_array_equal(two, model_of(tol=1e-6).fit(X, y[:, :2]).predict(X))


# -- with scikit-learn -------------------------------------------------------------------------------------------------


def test_at_home_in_scikit_learn():
    X, y = data()
    pipeline = make_pipeline(StandardScaler(), model_of())
    search = GridSearchCV(pipeline, {"moeregressor__n_experts": [1, 2]}, cv=3, scoring=neg_log_score).fit(X, y)
    assert search.best_params_ == {"moeregressor__n_experts": 2}
    assert cross_val_predict(pipeline, X, y, cv=3).shape == y.shape
    scaled = TransformedTargetRegressor(model_of(), transformer=StandardScaler()).fit(X, y)
    assert_allclose(scaled.predict(X), fitted().predict(X), rtol=1e-6)
    one_by_one = MultiOutputRegressor(model_of()).fit(X, y)
    assert_allclose(one_by_one.predict(X)[:, 1], model_of().fit(X, y[:, 1]).predict(X))


@pytest.mark.parametrize("scorer", [neg_crps, interval_score, interval_scorer(0.5)], ids=repr)
def test_scores_of_outputs_are_averaged(scorer):
    X, y = data()
    model = fitted(1)
    alone = [scorer(MoERegressor(1).fit(X, column), X, column) for column in y.T]
    assert scorer(model, X, y) == pytest.approx(np.mean(alone), rel=1e-4)
    weight = np.arange(len(y)) % 3
    rows = np.repeat(np.arange(len(y)), weight)
    assert scorer(model, X, y, weight) == pytest.approx(scorer(model, X[rows], y[rows]))


def test_the_log_score_is_that_of_all_outputs_together():
    X, y = data()
    assert neg_log_score(fitted(), X, y) == pytest.approx(fitted().log_prob(X, y).mean())


@pytest.mark.parametrize("neural", [False, True])
def test_outputs_in_another_order_are_refused(neural):
    """Columns have names, which are those of the fit; what has other names or none is taken by its order."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    y = pd.DataFrame({"price": X[:, 0], "weight": 100 + X[:, 1]})
    if neural:
        pytest.importorskip("torch", reason="torch is not installed")
        from skmoe.neural import SparseMoERegressor

        model = SparseMoERegressor(2, n_members=1, width=8, max_epochs=1, random_state=0).fit(X, y)
        ask = [model.log_prob, model.partial_fit]
    else:
        model = MoERegressor(2, random_state=0).fit(X, y)
        ask = [model.log_prob, model.responsibilities]
    for method in ask:
        with pytest.raises(ValueError, match=r"y has the columns \['weight', 'price'\], but the fit was to \['price'"):
            method(X, y[["weight", "price"]])
    expected = model.log_prob(X, y)
    for same in (y.to_numpy(), y.set_axis(["a", "b"], axis=1)):
        assert_array_equal(model.log_prob(X, same), expected)
