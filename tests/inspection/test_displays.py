"""What all displays have in common."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import MoERegressor
from skmoe.inspection import (
    BandDisplay,
    ConvergenceDisplay,
    ExpertDisplay,
    GateDisplay,
    RoutingDisplay,
    TreeDisplay,
)

#: Every display of one estimator and some rows.
MAKE = {
    "gate of one column": lambda m, X, y, **k: GateDisplay.from_estimator(m, X, features=0, grid_resolution=20, **k),
    "gate of two": lambda m, X, y, **k: GateDisplay.from_estimator(m, X, features=[0, 1], grid_resolution=20, **k),
    "experts": lambda m, X, y, **k: ExpertDisplay.from_estimator(m, X, y, **k),
    "convergence": lambda m, X, y, **k: ConvergenceDisplay.from_estimator(m, **k),
    "routing": lambda m, X, y, **k: RoutingDisplay.from_estimator(m, X, y, **k),
    "tree": lambda m, X, y, **k: TreeDisplay.from_estimator(m, X, y, **k),
    "tree of training": lambda m, X, y, **k: TreeDisplay.from_estimator(m, **k),
    "bands": lambda m, X, y, **k: BandDisplay.from_estimator(m, X, y, feature=0, grid_resolution=20, **k),
}
every = pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)


def drawn(figure):
    return np.asarray(figure.canvas.buffer_rgba()).copy()


def panels(display):
    return getattr(display, "axes_", (display.ax_,))


def texts(axes):
    from matplotlib.text import Text

    return [text.get_text() for ax in axes for text in ax.findobj(Text)]


@every
def test_drawn_twice_is_the_same(make, regressor, data, two_axes):
    display = make(regressor, *data, ax=two_axes[0])
    assert display.ax_.figure is display.figure_ is two_axes[0].figure
    first = panels(display)
    before = {name: value for name, value in vars(display).items() if not name.endswith("_")}
    assert display.plot(two_axes[1]) is display
    assert all(vars(display)[name] is value for name, value in before.items())
    display.figure_.canvas.draw()  # ticks get their texts
    assert texts(first) == texts(panels(display))
    assert [len(ax.findobj()) for ax in first] == [len(ax.findobj()) for ax in panels(display)]
    pictures = []
    for _ in range(2):
        display.plot()
        display.figure_.canvas.draw()
        pictures.append(drawn(display.figure_))
    np.testing.assert_array_equal(*pictures)
    assert pictures[0].std() > 5


@every
@pytest.mark.parametrize("kind", ["regressor", "average", "tree", "classifier"])
def test_every_kind_of_mixture(make, kind, data, request):
    X, y = data
    model = request.getfixturevalue(kind)
    if kind == "classifier":
        y = y > np.median(y)
        if make is MAKE["bands"]:
            with pytest.raises(TypeError, match=r"MoEClassifier predicts classes\. Use GateDisplay"):
                make(model, X, y)
            return
    display = make(model, X, y)
    display.figure_.canvas.draw()
    if hasattr(display, "labels"):
        expected = {"regressor": 3, "average": 2, "tree": 4, "classifier": 2}[kind]
        assert len(display.labels) == expected
        assert display.labels[1] == ("expert 1 (0.1)" if kind == "tree" else "expert 1")


@every
def test_a_search_over_a_pipeline_shows_its_best(make, data):
    X, y = data
    pipeline = make_pipeline(StandardScaler(), MoERegressor(2, n_init=1, random_state=0))
    search = GridSearchCV(pipeline, {"moeregressor__alpha": [0.1]}, cv=2).fit(X, y)
    inner = search.best_estimator_
    ours, theirs = vars(make(search, X, y)), vars(make(inner, X, y))
    for name in ("proba", "coef", "intervals", "entropy", "objectives"):
        if name in ours:
            np.testing.assert_equal(ours[name], theirs[name])


@every
def test_an_unfitted_estimator_is_refused(make, data):
    for model in (MoERegressor(), make_pipeline(StandardScaler(), MoERegressor())):
        with pytest.raises(NotFittedError):
            make(model, *data)


@pytest.mark.parametrize("display", [GateDisplay, ExpertDisplay, RoutingDisplay, BandDisplay, TreeDisplay])
def test_members_of_an_average(display, average, data):
    X = data[0]
    options = {"features": 0} if display is GateDisplay else {"feature": 0} if display is BandDisplay else {}
    one = display.from_estimator(average, X, **options)
    alone = display.from_estimator(average.members_[0], X, **options)
    assert one.labels == alone.labels == ["expert 0", "expert 1"]
    everything = display.from_estimator(average, X, member=None, **options)
    assert everything.labels == [f"expert {k} ({k // 2}.{k % 2})" for k in range(6)]
    with pytest.raises(ValueError, match=r"member=3: expected None .* or an int from 0 to 2 \(this estimator has 3"):
        display.from_estimator(average, X, member=3, **options)


@every
def test_a_figure_says_which_fit_of_an_average_it_shows(make, average, data):
    if make is MAKE["convergence"]:
        return  # shows all fits

    def fits(model, **options):
        display = make(model, *data, **options)
        return [text for text in texts(panels(display)) if "members_" in text]

    for member in (0, 2):
        (text,) = fits(average, member=member)
        assert f"members_[{member}], one of 3 fits" in text
    assert not fits(average, member=None)
    assert not fits(average.members_[1])


def test_import_does_not_load_matplotlib():
    script = "import sys, skmoe.inspection; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_without_matplotlib_a_sentence_says_what_to_install(regressor, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"pip install matplotlib"):
        ConvergenceDisplay.from_estimator(regressor)
