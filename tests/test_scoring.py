"""Scorers: their values, the estimators that they reach into, and weights."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose
from scipy import stats
from sklearn.linear_model import LinearRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import MoEClassifier, MoERegressor
from skmoe.datasets import make_moe_classification, make_moe_regression
from skmoe.scoring import DistributionScorer, interval_score, interval_scorer, neg_crps, neg_log_score

X, y = make_moe_regression(n_samples=120, n_features=2, random_state=0)
WEIGHT = np.arange(120) % 3
REGRESSOR = MoERegressor(2, n_init=1, random_state=0).fit(X, y)
SCORERS = [neg_log_score, neg_crps, interval_score]


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def test_values_of_one_gaussian():
    """One expert is one normal distribution, whose scores scipy and Gneiting & Raftery (2007, eq. 21) give."""
    model = MoERegressor(1).fit(X, y)
    mean, sd = model.predict(X, return_std=True)
    z = (y - mean) / sd
    crps = sd * (z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi))
    low, high = stats.norm.interval(0.9, mean, sd)
    interval = (high - low) + 20 * (low - y) * (y < low) + 20 * (y - high) * (y > high)
    assert_allclose(neg_log_score(model, X, y), stats.norm.logpdf(y, mean, sd).mean())
    assert_allclose(neg_crps(model, X, y), -crps.mean())
    assert_allclose(interval_score(model, X, y), -interval.mean())


def test_log_score_of_classes_is_minus_the_log_loss():
    X, y = make_moe_classification(n_samples=120, random_state=0)
    model = MoEClassifier(2, n_init=1, random_state=0).fit(X, y)
    assert_allclose(neg_log_score(model, X, y), -log_loss(y, model.predict_proba(X)))


def test_other_coverages():
    low, high = REGRESSOR.predict_interval(X, 0.5).T
    distance = np.maximum(low - y, 0) + np.maximum(y - high, 0)
    assert_allclose(interval_scorer(0.5)(REGRESSOR, X, y), -(high - low + 4 * distance).mean())


@pytest.mark.parametrize("scorer", SCORERS, ids=repr)
def test_weights_are_counts(scorer):
    rows = np.repeat(np.arange(120), WEIGHT)
    assert_allclose(scorer(REGRESSOR, X, y, WEIGHT), scorer(REGRESSOR, X[rows], y[rows]))


@pytest.mark.parametrize("scorer", SCORERS, ids=repr)
def test_scorers_choose_in_a_grid_search_over_a_pipeline(scorer):
    grid = {"moeregressor__alpha": [1e-2, 1e4]}
    search = GridSearchCV(make_pipeline(StandardScaler(), MoERegressor(2, n_init=1)), grid, scoring=scorer, cv=3)
    assert search.fit(X, y).best_params_ == {"moeregressor__alpha": 1e-2}
    assert scorer(search, X, y) == search.score(X, y)


def test_several_at_once():
    found = cross_validate(MoERegressor(1), X, y, scoring={repr(s): s for s in SCORERS}, cv=2)
    assert all(np.isfinite(found[f"test_{scorer!r}"]).all() for scorer in SCORERS)


@pytest.mark.usefixtures("routing")
def test_weights_are_routed_where_they_are_asked_for():
    asking = neg_log_score.set_score_request(sample_weight=True)
    model = MoERegressor(1).set_fit_request(sample_weight=True)
    found = cross_validate(model, X, y, scoring={"a": asking}, cv=2, params={"sample_weight": WEIGHT})
    half = np.arange(120) < 60
    fitted = [MoERegressor(1).fit(X[part], y[part], WEIGHT[part]) for part in (~half, half)]
    expected = [neg_log_score(m, X[part], y[part], WEIGHT[part]) for m, part in zip(fitted, (half, ~half), strict=True)]
    assert_allclose(found["test_a"], expected)
    with pytest.raises(sklearn.exceptions.UnsetMetadataPassedError):
        cross_validate(model, X, y, scoring={"a": neg_log_score}, cv=2, params={"sample_weight": WEIGHT})


def test_weights_reach_the_scorer_of_a_search_without_routing():
    seen = []

    class Recording(DistributionScorer):
        def __call__(self, estimator, X, y, sample_weight=None):
            seen.append(sample_weight)
            return super().__call__(estimator, X, y, sample_weight)

    scorer = Recording(lambda model, X, y: model.log_prob(X, y), "recording")
    GridSearchCV(MoERegressor(1), {"alpha": [0.1]}, scoring=scorer, cv=2).fit(X, y, sample_weight=WEIGHT)
    if tuple(map(int, sklearn.__version__.split(".")[:2])) >= (1, 8):
        assert [len(weight) for weight in seen] == [60, 60]


def test_what_has_no_such_score_is_refused():
    with pytest.raises(TypeError, match="got LinearRegression"):
        neg_log_score(LinearRegression().fit(X, y), X, y)
    classifier = MoEClassifier(1).fit(X, y > 0)
    with pytest.raises(TypeError, match="neg_crps scores regressors, got MoEClassifier"):
        neg_crps(classifier, X, y > 0)
    for coverage in (1.5, 90, "a"):
        with pytest.raises(ValueError, match="coverage"):
            interval_scorer(coverage)


@pytest.mark.parametrize("scorer", SCORERS, ids=repr)
def test_rows_and_responses_of_other_numbers_are_refused(scorer):
    for n in (1, 7):
        with pytest.raises(ValueError, match=f"X has 120 rows, but y has {n}."):
            scorer(REGRESSOR, X, y[:n])


@pytest.mark.parametrize("scorer", [*SCORERS, interval_scorer(0.5)], ids=repr)
def test_scorers_and_searches_that_hold_them_are_pickled(scorer):
    search = GridSearchCV(MoERegressor(1), {"alpha": [0.1]}, scoring=scorer, cv=2).fit(X, y)
    assert pickle.loads(pickle.dumps(search)).score(X, y) == search.score(X, y) == scorer(search, X, y)
