"""Through pipelines, searches and frozen estimators to the mixture inside."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import MoERegressor
from skmoe._pipeline import inside

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 2)) * [1.0, 100.0]
y = X[:, 0] + rng.normal(size=60)
model = MoERegressor(2, n_init=1, random_state=0)


def test_a_bare_mixture_is_itself():
    fitted = model.fit(X, y)
    found = inside(fitted, X)
    assert found.model is fitted
    assert found.X is X
    assert found.names == ["x0", "x1"]


def test_rows_arrive_as_the_last_step_sees_them():
    pipeline = make_pipeline(StandardScaler(), model).fit(X, y)
    found = inside(pipeline, X)
    np.testing.assert_array_equal(found.X, pipeline[0].transform(X))
    assert found.model is pipeline[-1]
    assert inside(pipeline, None).X is None


def test_names_come_from_frames_and_from_steps():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=["age", "income"])
    assert inside(model.fit(frame, y), frame).names == ["age", "income"]
    assert inside(make_pipeline(StandardScaler(), model).fit(frame, y), frame).names == ["age", "income"]


@pytest.mark.parametrize("wrap", [FrozenEstimator, lambda p: GridSearchCV(p, {"alpha": [0.1]}, cv=2)])
def test_searches_and_frozen_estimators_are_opened(wrap):
    around = make_pipeline(StandardScaler(), wrap(model.fit(X, y))).fit(X, y)
    found = inside(around, X)
    np.testing.assert_array_equal(found.model.predict(found.X), around.predict(X))


def test_an_unfitted_search_says_that_it_is_not_fitted():
    with pytest.raises(NotFittedError, match="GridSearchCV"):
        inside(GridSearchCV(model, {"alpha": [0.1]}), X)


def test_anything_else_is_refused():
    with pytest.raises(TypeError, match="got LinearRegression"):
        inside(LinearRegression().fit(X, y), X)
