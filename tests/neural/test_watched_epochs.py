"""What is told of epochs while they go by: the history, lines of progress, scikit-learn's callbacks."""

from __future__ import annotations

import copy
import math
import pickle
import re

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='torch is not installed: pip install "skmoe[neural]"')

from sklearn.model_selection import GridSearchCV  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from small import KINDS, LABELS, X, Y, assert_same_answers, classifier, regressor  # noqa: E402

KIND = pytest.mark.parametrize("kind", KINDS)


# -- history -----------------------------------------------------------------------------------------------------------


@KIND
def test_history(kind):
    make, y = KINDS[kind]
    model = make(max_epochs=5, soft_start=0.4, n_iter_no_change=9).fit(X, y)
    assert [set(told) for told in model.history_] == [
        {"epoch", "loss", "k", "learning_rate", "seconds", "validation_score"}
    ] * 5
    assert [told["epoch"] for told in model.history_] == [1, 2, 3, 4, 5]
    assert [told["k"] for told in model.history_] == [4, 4, 2, 2, 2]
    assert model.n_iter_ == 5
    assert all(type(told["loss"]) is float and math.isfinite(told["loss"]) for told in model.history_)
    assert all(told["seconds"] > 0 for told in model.history_)


def test_the_learning_rate_falls_along_half_a_cosine():
    """Four batches an epoch, of 102 rows: the rate told is that of the last."""
    model = regressor(max_epochs=5, n_iter_no_change=9, learning_rate=0.01).fit(X, Y)
    steps = (4 * np.arange(5) + 3) / 20
    expected = 0.005 * (1 + np.cos(np.pi * steps))
    np.testing.assert_allclose([told["learning_rate"] for told in model.history_], expected)


@pytest.mark.parametrize(("soft_start", "n_soft"), [(0.0, 0), (0.01, 1), (0.5, 2), (1.0, 3)])
def test_the_soft_start_leaves_an_epoch(soft_start, n_soft):
    model = regressor(soft_start=soft_start, early_stopping=False).fit(X, Y)
    assert [told["k"] for told in model.history_] == [4] * n_soft + [2] * (4 - n_soft)
    assert model.top_k_ == 2


def test_a_router_of_all_experts_needs_no_soft_start():
    assert {told["k"] for told in regressor(router="soft").fit(X, Y).history_} == {4}
    assert {told["k"] for told in regressor(router="switch", soft_start=0.0).fit(X, Y).history_} == {1}


# -- lines -------------------------------------------------------------------------------------------------------------


def test_a_line_an_epoch(capsys):
    model = regressor(verbose=1).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    for line, told in zip(lines, model.history_, strict=True):
        expected = f"epoch {told['epoch']} of 4, loss {told['loss']:.4f}, {told['k']} experts a row"
        assert line == f"{expected}, validation {told['validation_score']:.4f}"
    classifier(verbose=2, early_stopping=False).fit(X, LABELS)
    assert re.fullmatch(r"(epoch \d of 4, loss -?\d+\.\d{4}, \d experts a row\n){4}", capsys.readouterr().out)


def test_a_bar_on_a_terminal(capsys, monkeypatch):
    import sys

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    regressor(verbose=1).fit(X, Y)
    shown = capsys.readouterr().out
    assert shown.count("\r") == 4
    assert shown.count("\n") == 1
    assert shown.endswith("\x1b[K\n")
    assert "[" + "#" * 10 + "." * 10 + "] epoch 2 of 4" in shown


def test_a_bar_that_is_interrupted_ends_its_line(capsys, monkeypatch):
    import sys

    def interrupt(model, X, y):
        if calls.pop():
            raise KeyboardInterrupt
        return 0.0

    calls = [True, False, False]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    with pytest.raises(KeyboardInterrupt):
        regressor(verbose=1, scoring=interrupt).fit(X, Y)
    shown = capsys.readouterr().out
    assert shown.count("\r") == 2
    assert shown.endswith("\x1b[K\n")


def test_silence(capsys):
    regressor().fit(X, Y).predict(X)
    assert capsys.readouterr() == ("", "")


# -- callbacks ---------------------------------------------------------------------------------------------------------

callback = pytest.importorskip("sklearn.callback", reason="scikit-learn has callbacks from 1.9 on")


class Recorder:
    """A callback that notes tasks, and keeps the estimator of each epoch."""

    def __init__(self, stop_after=np.inf):
        self.told, self.fitted, self.scores, self.stop_after = [], [], [], stop_after

    def setup(self, estimator, context):
        self.told.append("setup")

    def teardown(self, estimator, context):
        self.told.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.told.append(("begin", context.task_name))

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        self.told.append(("end", context.task_name))
        self.scores.append(fitted_estimator.log_prob(X, y).mean())
        self.fitted.append(fitted_estimator)
        return context.task_name == "epoch" and context.task_id + 1 >= self.stop_after


@KIND
def test_the_fit_and_its_epochs_are_tasks(kind):
    make, y = KINDS[kind]
    recorder = Recorder()
    model = make().set_callbacks(recorder).fit(X, y)
    epoch = [("begin", "epoch"), ("end", "epoch")]
    assert recorder.told == ["setup", ("begin", "fit"), *epoch * 4, ("end", "fit"), "teardown"]
    assert recorder.scores[-1] == model.log_prob(X, y).mean()
    assert_same_answers(recorder.fitted[model.best_epoch_ - 1], model, X, rtol=1e-6)
    assert len(set(recorder.scores[:4])) == 4


def test_a_batch_of_a_stream_is_a_fit_of_one_epoch():
    recorder = Recorder()
    model = regressor().set_callbacks(recorder).partial_fit(X, Y).partial_fit(X, Y)
    epoch = [("begin", "epoch"), ("end", "epoch")]
    assert recorder.told == ["setup", ("begin", "fit"), *epoch, ("end", "fit"), "teardown"] * 2
    assert recorder.scores[-1] == model.log_prob(X, Y).mean()
    assert set(vars(model)) - set(vars(regressor().partial_fit(X, Y))) == {"_skl_callbacks"}


def test_the_estimator_of_an_epoch_stays_as_it_was():
    """And can be pickled, although training goes on."""
    recorder = Recorder()
    regressor(early_stopping=False).set_callbacks(recorder).fit(X, Y)
    for fitted, score in zip(recorder.fitted, recorder.scores, strict=True):
        assert fitted.log_prob(X, Y).mean() == score
    early = recorder.fitted[0]
    read, again = (one.read(early._raw(X)) for one in (early._network, pickle.loads(pickle.dumps(early._network))))
    np.testing.assert_array_equal(read.answers, again.answers)


@pytest.mark.parametrize("early_stopping", [True, False])
@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_a_callback_may_stop_training(stop_after, early_stopping):
    """Also in the soft start, whose epochs are not kept else: what has been learned is better than nothing."""
    recorder = Recorder(stop_after)
    settings = {"max_epochs": 8, "soft_start": 0.25, "early_stopping": early_stopping, "learning_rate": 0.01}
    model = regressor(**settings).set_callbacks(recorder).fit(X, Y)
    assert model.n_iter_ == model.best_epoch_ == stop_after
    untrained = regressor(**{**settings, "max_epochs": 0}).fit(X, Y)
    assert model.log_prob(X, Y).mean() > untrained.log_prob(X, Y).mean()
    assert_same_answers(recorder.fitted[-1], model, X)


def test_nothing_is_left_behind():
    plain = regressor().fit(X, Y)
    model = regressor().set_callbacks(Recorder()).fit(X, Y)
    assert_same_answers(model, plain, X)
    assert set(vars(model)) - set(vars(plain)) == {"_skl_callbacks"}


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@KIND
def test_a_fit_that_is_interrupted_leaves_the_one_before(kind, error):
    make, y = KINDS[kind]

    class Failing(Recorder):
        def on_fit_task_end(self, estimator, context):
            if context.task_id == 1:
                raise error

    model = make().fit(X, y)
    before, state = copy.deepcopy(model), dict(vars(model))
    failing = Failing()
    with pytest.raises(error):
        model.set_callbacks(failing).fit(X[:50], y[:50])
    assert failing.told[-1] == "teardown"
    assert_same_answers(model, before, X)
    assert all(vars(model)[name] is value for name, value in state.items())


def test_a_score_that_is_interrupted_leaves_the_fit_before():
    calls = []

    def score(model, X, y):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return float(len(calls))

    model = regressor().fit(X, Y)
    before = copy.deepcopy(model)
    with pytest.raises(KeyboardInterrupt):
        model.set_params(scoring=score, width=20).fit(X[:60], Y[:60])
    assert len(calls) == 3
    assert_same_answers(model, before, X)
    new = regressor(scoring=lambda model, X, y: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        new.fit(X, Y)
    assert not [name for name in vars(new) if name.endswith("_") or name == "_network"]


def test_a_bar_over_a_grid_search(capsys):
    pytest.importorskip("rich")
    search = GridSearchCV(make_pipeline(StandardScaler(), regressor()), {"sparsemoeregressor__top_k": [1, 2]}, cv=2)
    search.set_callbacks(callback.ProgressBar(max_propagation_depth=None)).fit(X, Y)
    assert "SparseMoERegressor - fit" in capsys.readouterr().out


@pytest.mark.parametrize(("batch_size", "n_batches"), [(None, 1), (200, 1), (119, 2), (40, 3), (1, 120), ("auto", 15)])
def test_no_batch_is_larger_than_was_asked(batch_size, n_batches):
    model = regressor(batch_size=batch_size, early_stopping=False, max_epochs=1).partial_fit(X, Y)
    assert model._network.moments.n_steps == n_batches
