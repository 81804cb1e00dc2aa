"""The estimators inside of scikit-learn: searches, pipelines, splits, routed weights."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='torch is not installed: pip install "skmoe[neural]"')

import sklearn  # noqa: E402
from joblib import cpu_count, parallel_config  # noqa: E402
from numpy.testing import assert_allclose, assert_array_equal  # noqa: E402
from sklearn.calibration import CalibratedClassifierCV  # noqa: E402
from sklearn.compose import TransformedTargetRegressor  # noqa: E402
from sklearn.ensemble import BaggingRegressor, VotingClassifier  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_validate  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import FunctionTransformer, StandardScaler  # noqa: E402
from small import GAPS, LABELS, OUTPUTS, THREE, WHOLE, X, Y, classifier, regressor  # noqa: E402

from skmoe.neural import TopK  # noqa: E402


def threads(model, rows, y):
    """A scorer that tells how many threads torch has where it is called."""
    import torch

    return torch.get_num_threads()


@pytest.fixture(scope="module")
def search():
    grid = {"n_experts": [2, 4], "top_k": [1, 2], "router": ["topk", "soft", TopK(k=1)]}
    scoring = {"score": "neg_log_loss", "threads": threads}
    estimator = classifier(max_epochs=2, batch_size=None, early_stopping=False)
    return GridSearchCV(estimator, grid, cv=2, n_jobs=2, scoring=scoring, refit="score", error_score="raise").fit(
        X, LABELS
    )


def test_a_search_by_two_processes(search):
    assert len(search.cv_results_["params"]) == 12
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(np.unique(search.cv_results_["mean_test_score"].round(9))) > 6
    best = search.best_estimator_
    assert best.n_experts_ == search.best_params_["n_experts"]
    assert_allclose(search.predict_proba(X).sum(1), 1)


def test_the_same_by_one_process(search):
    alone = GridSearchCV(**{**search.get_params(deep=False), "n_jobs": 1}).fit(X, LABELS)
    assert_allclose(alone.cv_results_["mean_test_score"], search.cv_results_["mean_test_score"], rtol=1e-6)


def test_processes_do_not_crowd_the_cores(search):
    """joblib gives each its share of the cores, and training does not take more."""
    share = max(cpu_count() // 2, 1)
    found = np.concatenate([search.cv_results_[f"split{split}_test_threads"] for split in (0, 1)])
    assert_array_equal(found, np.full(24, found[0]))
    assert 1 <= found[0] <= share


def test_threads_train_side_by_side():
    """And each as it does alone: nothing is shared between two fits."""
    model = regressor(max_epochs=2)
    with parallel_config("threading", n_jobs=2):
        side_by_side = cross_validate(model, X, Y, cv=3, return_estimator=True)
    one_by_one = cross_validate(model, X, Y, cv=3, return_estimator=True)
    for one, other in zip(side_by_side["estimator"], one_by_one["estimator"], strict=True):
        assert_allclose(one.predict(X), other.predict(X), rtol=1e-6)


def test_pipelines_and_wrappers():
    scaled = make_pipeline(StandardScaler(), regressor()).fit(GAPS, Y)
    plain = regressor().fit(GAPS, Y)
    assert_allclose(scaled.predict(GAPS), plain.predict(GAPS), atol=1e-3)  # units do not matter
    logged = TransformedTargetRegressor(regressor(), func=np.exp, inverse_func=np.log).fit(X, Y)
    assert np.isfinite(logged.predict(X)).all()
    bag = BaggingRegressor(regressor(max_epochs=1), n_estimators=2, random_state=0).fit(X, Y)
    assert np.ptp([member.predict(X) for member in bag.estimators_], axis=0).max() > 0
    vote = VotingClassifier([("a", classifier()), ("b", classifier(router="soft"))], voting="soft").fit(X, THREE)
    assert_allclose(vote.predict_proba(X), np.mean([one.predict_proba(X) for one in vote.estimators_], axis=0))
    calibrated = CalibratedClassifierCV(classifier(max_epochs=1), cv=2).fit(X, LABELS)
    assert_allclose(calibrated.predict_proba(X).sum(1), 1)


@pytest.mark.parametrize("y", [Y, OUTPUTS], ids=["one", "outputs"])
def test_predictions_of_splits(y):
    predicted = cross_val_predict(regressor(max_epochs=2), X, y, cv=2)
    assert predicted.shape == y.shape
    first = regressor(max_epochs=2).fit(X[60:], y[60:])
    assert_allclose(predicted[:60], first.predict(X[:60]))


@pytest.mark.parametrize(("kind", "y"), [(regressor, Y), (classifier, LABELS)], ids=["regressor", "classifier"])
def test_routed_weights_arrive(kind, y):
    with sklearn.config_context(enable_metadata_routing=True):
        model = kind(early_stopping=False).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        pipeline = make_pipeline(FunctionTransformer(), model)
        search = GridSearchCV(pipeline, {f"{type(model).__name__.lower()}__top_k": [2]}, cv=2, error_score="raise")
        routed = search.fit(X, y, sample_weight=WHOLE).best_estimator_
        weighted, plain = kind(early_stopping=False).fit(X, y, WHOLE), kind(early_stopping=False).fit(X, y)
    assert_array_equal(routed.predict(X), weighted.predict(X))
    a, b = (model.log_prob(X, y) for model in (weighted, plain))
    assert np.abs(a - b).max() > 1e-3


def test_rows_to_validate_by_are_routed():
    with sklearn.config_context(enable_metadata_routing=True):
        model = regressor().set_fit_request(X_val=True, y_val=True)
        routed = make_pipeline(model).fit(X[:80], Y[:80], X_val=X[80:], y_val=Y[80:])[-1]
    direct = regressor().fit(X[:80], Y[:80], X_val=X[80:], y_val=Y[80:])
    assert routed.validation_score_ == direct.validation_score_


def test_scores_of_probabilities_and_decisions():
    found = cross_validate(
        classifier(max_epochs=2), X, LABELS == "same", cv=2, scoring=["roc_auc", "neg_log_loss", "average_precision"]
    )
    assert all(np.isfinite(values).all() for values in found.values())
