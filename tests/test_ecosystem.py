"""At home in scikit-learn: the tools that people put around estimators, around both of ours."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import BaggingRegressor, StackingClassifier, StackingRegressor, VotingClassifier
from sklearn.feature_selection import SelectFromModel
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss
from sklearn.model_selection import (
    GridSearchCV,
    TimeSeriesSplit,
    TunedThresholdClassifierCV,
    cross_val_predict,
    learning_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skmoe import MoEClassifier, MoERegressor

rng = np.random.default_rng(0)
X = rng.uniform(-1, 1, size=(300, 3))
number = np.abs(X[:, 0]) + 0.1 * rng.normal(size=300)  # the third column is noise
label = np.where(X[:, 0] * X[:, 1] > 0, "same", "opposite")
REGRESSOR = MoERegressor(2, n_init=2, random_state=0)
CLASSIFIER = MoEClassifier(2, n_init=2, alpha=0.1, gate_alpha=0.1, random_state=0)
BOTH = pytest.mark.parametrize(("model", "y"), [(REGRESSOR, number), (CLASSIFIER, label)], ids=["numbers", "labels"])


@BOTH
def test_cross_val_predict(model, y):
    predicted = cross_val_predict(model, X, y, cv=3)
    if y is number:
        assert np.corrcoef(predicted, y)[0, 1] > 0.8
    else:
        assert np.mean(predicted == y) > 0.85
        proba = cross_val_predict(model, X, y, cv=3, method="predict_proba")
        assert_allclose(proba.sum(axis=1), 1)


@BOTH
def test_permutation_importance_finds_the_columns_that_matter(model, y):
    importance = permutation_importance(model.fit(X, y), X, y, n_repeats=3, random_state=0).importances_mean
    assert importance.argmin() != 0
    assert importance[0] > 0.1
    assert abs(importance[2]) < 0.1


@BOTH
def test_partial_dependence(model, y):
    found = partial_dependence(model.fit(X, y), X, [0], grid_resolution=9)
    curve = found["average"][0]
    if y is number:  # |x| falls and rises
        assert curve[0] > curve[4] + 0.3
        assert curve[-1] > curve[4] + 0.3
    else:
        assert np.isfinite(curve).all()


@BOTH
def test_a_frozen_estimator_is_not_fitted_again(model, y):
    fitted = clone(model).fit(X, y)
    frozen = FrozenEstimator(fitted).fit(X[:50], y[::-1][:50])
    np.testing.assert_array_equal(frozen.predict(X), fitted.predict(X))
    np.testing.assert_array_equal(make_pipeline(clone(frozen)).predict(X), fitted.predict(X))


@BOTH
@pytest.mark.filterwarnings("ignore:.*has no mass:skmoe.exceptions.CollapseWarning")
def test_searches_over_the_shape_of_the_tree(model, y):
    search = GridSearchCV(model, {"n_experts": [1, 2, (2, 2)], "combine_inits": ["best", "average"]}, cv=2, n_jobs=2)
    assert search.fit(X, y).best_params_["n_experts"] != 1
    assert search.best_score_ > 0.7


@BOTH
def test_time_ordered_folds_and_learning_curves(model, y):
    sizes, _, scores = learning_curve(model, X, y, cv=TimeSeriesSplit(3), train_sizes=[30, 75])
    assert sizes.tolist() == [30, 75]
    assert np.isfinite(scores).all()


@BOTH
def test_mixed_columns_with_gaps_and_unseen_levels(model, y):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(place=rng.choice(["home", "away"], 300))
    frame.loc[::7, "c"] = np.nan
    columns = ColumnTransformer(
        [
            ("numbers", SimpleImputer(add_indicator=True), ["a", "b", "c"]),
            ("places", OneHotEncoder(sparse_output=False, handle_unknown="ignore"), ["place"]),
        ]
    ).set_output(transform="pandas")
    pipeline = make_pipeline(columns, model).fit(frame, y)
    assert list(pipeline[-1].feature_names_in_)[-2:] == ["places__place_away", "places__place_home"]
    assert len(pipeline.predict(frame.assign(place="moon"))) == 300


def test_calibrated_classifier():
    train, held = slice(0, 200), slice(200, 300)
    for model in (
        CalibratedClassifierCV(CLASSIFIER, cv=3),
        CalibratedClassifierCV(FrozenEstimator(CLASSIFIER.fit(X, label))),
    ):
        proba = model.fit(X[train], label[train]).predict_proba(X[held])[:, 1]
        assert brier_score_loss(label[held] == "same", proba) < 0.15


def test_tuned_threshold():
    tuned = TunedThresholdClassifierCV(CLASSIFIER, scoring="balanced_accuracy", cv=3).fit(X, label)
    assert 0 < tuned.best_threshold_ < 1
    assert np.mean(tuned.predict(X) == label) > 0.85


def test_stacking_and_voting():
    others = [("mixture", CLASSIFIER), ("line", LogisticRegression())]
    stack = StackingClassifier(others, cv=3).fit(X, label)
    assert stack.score(X, label) > 0.85
    assert VotingClassifier(others, voting="soft").fit(X, label).score(X, label) > 0.85
    assert StackingRegressor([("mixture", REGRESSOR)], cv=3).fit(X, number).score(X, number) > 0.8


def test_bagging_and_one_versus_rest():
    assert BaggingRegressor(REGRESSOR, n_estimators=3, random_state=0).fit(X, number).score(X, number) > 0.8
    thirds = np.digitize(number, [0.3, 0.6])
    assert OneVsRestClassifier(CLASSIFIER).fit(X, thirds).score(X, thirds) > 0.8


def test_transformed_target():
    """A mixture of log y, by its mean on the log scale."""
    positive = np.exp(number)
    model = TransformedTargetRegressor(REGRESSOR, func=np.log, inverse_func=np.exp).fit(X, positive)
    assert_allclose(model.predict(X), np.exp(clone(REGRESSOR).fit(X, number).predict(X)), rtol=1e-10)


def test_target_scaled_by_a_transformer_makes_no_difference():
    model = TransformedTargetRegressor(REGRESSOR, transformer=StandardScaler()).fit(X, number)
    assert_allclose(model.predict(X), clone(REGRESSOR).fit(X, number).predict(X), rtol=1e-6)


def test_select_from_model():
    """Coefficients of experts, as importances of columns."""
    strength = SelectFromModel(
        REGRESSOR, importance_getter=lambda m: np.abs(m.expert_coef_).max(axis=0), max_features=1
    )
    assert strength.fit(X, number).get_support().tolist() == [True, False, False]
