"""RoutingDisplay against skmoe.routing."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import routing
from skmoe.inspection import RoutingDisplay


@pytest.mark.parametrize("with_y", [False, True])
def test_gate_and_responsibilities(with_y, regressor, data):
    X, y = data
    proba = regressor.responsibilities(X, y) if with_y else regressor.gate_proba(X)
    display = RoutingDisplay.from_estimator(regressor, X, y if with_y else None)
    usage, entropies = display.axes_
    assert display.of == ("responsibilities" if with_y else "gate")
    assert_allclose([bar.get_width() for bar in usage.patches], proba.mean(axis=0), rtol=1e-12)
    chosen = np.bincount(proba.argmax(axis=1), minlength=3) / len(X)
    assert_allclose(usage.lines[0].get_xdata(), chosen)
    assert_allclose(display.entropy, routing.row_entropy(proba))
    assert sum(bar.get_height() for bar in entropies.patches) == pytest.approx(1.0)
    assert entropies.lines[0].get_xdata()[0] == pytest.approx(routing.gate_entropy(proba))
    title = usage.get_legend().get_title().get_text()
    assert title == f"{routing.effective_experts(proba):.2f} effective experts of 3"


def test_rows_are_in_their_bins():
    """Even rows of three experts lie at log 3, the right end; rows of one expert at zero."""
    display = RoutingDisplay.from_proba(np.array([[1.0, 0, 0], [0, 1.0, 0], [1 / 3] * 3]))
    heights = [bar.get_height() for bar in display.axes_[1].patches]
    assert_allclose([heights[0], heights[-1]], [2 / 3, 1 / 3])


def test_weights_count_rows():
    proba, count = np.array([[0.9, 0.1], [0.5, 0.5]]), np.array([3, 1])
    weighted = RoutingDisplay.from_proba(proba, sample_weight=count)
    repeated = RoutingDisplay.from_proba(np.repeat(proba, count, axis=0))
    assert_allclose(weighted.report.usage, repeated.report.usage)
    for ours, theirs in zip(weighted.axes_, repeated.axes_, strict=True):
        assert_allclose(
            [p.get_height() * p.get_width() for p in ours.patches],
            [p.get_height() * p.get_width() for p in theirs.patches],
        )


def test_a_pair_of_axes_or_one_of_any_shape(two_axes):
    import matplotlib.pyplot as plt

    proba = np.array([[0.9, 0.1], [0.5, 0.5]])
    assert RoutingDisplay.from_proba(proba, ax=two_axes).axes_ == tuple(two_axes)
    for size, side_by_side in (((8, 3), True), ((3.5, 5), False)):
        first, second = RoutingDisplay.from_proba(proba, ax=plt.subplots(figsize=size)[1]).axes_
        first, second = (ax.get_window_extent() for ax in (first, second))
        assert bool(first.x1 < second.x0) is side_by_side
        assert bool(first.y0 > second.y1) is not side_by_side
    with pytest.raises(ValueError, match="ax must be None, one Axes, or a pair"):
        RoutingDisplay.from_proba(proba, ax=[1, 2, 3])


def test_what_is_no_probability_is_refused():
    for proba in ([0.5, 0.5], [[0.5, 0.6]], [[1.5, -0.5]], np.empty((0, 2))):
        with pytest.raises(ValueError, match="proba must hold probabilities"):
            RoutingDisplay.from_proba(proba)


def test_a_single_expert():
    assert RoutingDisplay.from_proba(np.ones((4, 1))).report.effective_experts == 1.0


# The estimators on torch have a gate, so their routing is drawn like that of any mixture.


@pytest.fixture(scope="module")
def network(data):
    pytest.importorskip("torch", reason="skmoe.neural needs torch")
    from skmoe.neural import SparseMoERegressor

    return SparseMoERegressor(3, n_members=2, width=16, max_epochs=2, random_state=0).fit(*data)


def test_the_gate_of_the_head(network, data):
    display = RoutingDisplay.from_estimator(network, data[0])
    assert_allclose(display.report.usage, network.gate_proba(data[0]).mean(axis=0))
    assert display.labels == ["expert 0", "expert 1", "expert 2"]
    assert display.of == "gate"


def test_in_a_pipeline_and_a_search(network, data):
    X, y = data
    for around in (make_pipeline(StandardScaler(), network), GridSearchCV(network, {"balance": [0.1]}, cv=2)):
        fitted = clone(around).fit(X, y)
        inner = fitted[-1] if hasattr(fitted, "steps") else fitted.best_estimator_
        rows = fitted[0].transform(X) if hasattr(fitted, "steps") else X
        display = RoutingDisplay.from_estimator(fitted, X)
        assert_allclose(display.report.usage, inner.gate_proba(rows).mean(axis=0))


def test_a_classifier_and_rows_with_gaps(data):
    pytest.importorskip("torch", reason="skmoe.neural needs torch")
    from skmoe.neural import SparseMoEClassifier

    X, y = data[0].copy(), data[1] > np.median(data[1])
    X[::7, 1] = np.nan
    model = SparseMoEClassifier(2, n_members=1, width=16, max_epochs=1, random_state=0).fit(X, y)
    assert RoutingDisplay.from_estimator(model, X).report.usage.sum() == pytest.approx(1.0)


def test_responsibilities_are_refused(network, data):
    with pytest.raises(ValueError, match=r"SparseMoERegressor has none\. Leave y out"):
        RoutingDisplay.from_estimator(network, *data)


def test_an_unfitted_one_is_refused(network, data):
    with pytest.raises(NotFittedError):
        RoutingDisplay.from_estimator(clone(network), data[0])


def test_a_layer_by_its_probabilities():
    torch = pytest.importorskip("torch", reason="skmoe.neural needs torch")
    from skmoe.neural import MoELayer

    layer = MoELayer(2, n_experts=4).eval()
    layer(torch.randn(20, 2))
    proba = layer.routing.probs.detach()
    assert_allclose(RoutingDisplay.from_proba(proba).report.usage, proba.double().mean(0), rtol=1e-6)


def test_what_has_no_gate_is_refused(data):
    with pytest.raises(TypeError, match=r"SparseMoERegressor or SparseMoEClassifier, .* got LinearRegression"):
        RoutingDisplay.from_estimator(LinearRegression().fit(*data), data[0])


def test_import_does_not_load_torch():
    script = "import sys, skmoe, skmoe.inspection; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
