"""scikit-learn's callbacks (1.9 and later): what they are told, and that they leave nothing behind."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import MoEClassifier, MoERegressor
from skmoe.datasets import make_moe_classification, make_moe_regression

callback = pytest.importorskip("sklearn.callback", reason="scikit-learn has callbacks from 1.9 on")

X, y = make_moe_regression(n_samples=200, n_features=2, random_state=0)
labelled = make_moe_classification(n_samples=200, n_features=2, random_state=0)


class Recorder:
    """A callback that notes tasks, and what the estimator of each pass predicts."""

    def __init__(self, stop_after=np.inf):
        self.told, self.scores, self.stop_after = [], [], stop_after

    def setup(self, estimator, context):
        self.told.append(("setup", ()))

    def teardown(self, estimator, context):
        self.told.append(("teardown", ()))

    def on_fit_task_begin(self, estimator, context):
        self.told.append(("begin", self.path(context)))

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        self.told.append(("end", self.path(context)))
        self.scores.append(fitted_estimator.score(X, y))
        return context.task_name == "pass" and context.task_id >= self.stop_after

    @staticmethod
    def path(context):
        return (*(Recorder.path(context.parent) if context.parent else ()), context.task_name)


@pytest.mark.parametrize("combine", ["best", "average"])
@pytest.mark.parametrize("estimator", [(MoERegressor, (X, y)), (MoEClassifier, labelled)], ids=["numbers", "labels"])
def test_fit_starts_and_passes_are_tasks(estimator, combine):
    kind, data = estimator
    recorder = Recorder()
    model = kind(2, n_init=3, random_state=0, combine_inits=combine).set_callbacks(recorder).fit(*data)
    assert recorder.told[:2] == [("setup", ()), ("begin", ("fit",))]
    assert recorder.told[-2:] == [("end", ("fit",)), ("teardown", ())]
    assert recorder.told.count(("end", ("fit", "start"))) == 3 + len(model.move_objectives_)
    passes = recorder.told.count(("end", ("fit", "start", "pass")))
    assert passes == recorder.told.count(("begin", ("fit", "start", "pass")))
    assert passes >= len(model.history_) - 1
    assert recorder.scores[-1] == model.score(*data)


def test_a_callback_may_stop_the_passes_of_a_start():
    model = MoERegressor(2, n_init=1, random_state=0).set_callbacks(Recorder(stop_after=2)).fit(X, y)
    assert not model.converged_
    assert len(model.history_) == 3


def test_nothing_is_left_behind():
    plain = MoERegressor(2, n_init=2, random_state=0, combine_inits="average").fit(X, y)
    model = clone(plain).set_callbacks(Recorder()).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), plain.predict(X))
    assert set(vars(model)) - set(vars(plain)) == {"_skl_callbacks"}
    assert set(vars(model.members_[0])) == set(vars(plain.members_[0]))
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(model.members_)).pop(0).predict(X), model.members_[0].predict(X)
    )


def test_a_failing_callback_leaves_the_previous_fit():
    class Failing(Recorder):
        def on_fit_task_end(self, estimator, context):
            raise KeyboardInterrupt

    model = MoERegressor(2, n_init=1, random_state=0).fit(X, y)
    before = model.predict(X)
    failing = Failing()
    with pytest.raises(KeyboardInterrupt):
        model.set_callbacks(failing).fit(X[:50], y[:50])
    assert failing.told[-1] == ("teardown", ())
    np.testing.assert_array_equal(model.predict(X), before)


def test_a_bar_over_a_grid_search(capsys):
    pytest.importorskip("rich")
    pipeline = make_pipeline(StandardScaler(), MoERegressor(n_init=2, random_state=0))
    search = GridSearchCV(pipeline, {"moeregressor__n_experts": [1, 2]}, cv=2)
    search.set_callbacks(callback.ProgressBar(max_propagation_depth=None)).fit(X, y)
    assert "start #1" in capsys.readouterr().out
