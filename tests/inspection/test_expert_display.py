"""ExpertDisplay against expert_coef_."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skmoe import MoERegressor
from skmoe.inspection import ExpertDisplay


def test_coefficients_per_sd_in_falling_order(regressor, data):
    X, _ = data
    display = ExpertDisplay.from_estimator(regressor)
    expected = regressor.expert_coef_ * X.std(axis=0)
    order = [int(name[1:]) for name in display.features]
    assert_allclose(display.coef, expected[:, order].T, rtol=1e-9)
    magnitude = regressor.expert_share_ @ np.abs(display.coef.T)
    assert (np.diff(magnitude) <= 0).all()
    assert sorted(order) == [0, 1, 2]


def test_the_users_units(regressor):
    display = ExpertDisplay.from_estimator(regressor, standardize=False)
    assert display.features == ["x0", "x1", "x2"]
    assert_allclose(display.coef, regressor.expert_coef_.T, rtol=1e-9)


def test_the_largest_are_kept(regressor):
    full, two = (ExpertDisplay.from_estimator(regressor, max_features=n) for n in (20, 2))
    assert two.features == full.features[:2]
    assert (two.n_hidden, full.n_hidden) == (1, 0)
    assert any("1 features with smaller ones not shown" in text.get_text() for text in two.ax_.texts)
    with pytest.raises(ValueError, match="max_features must be an int of at least 1, got 0"):
        ExpertDisplay.from_estimator(regressor, max_features=0)


def test_texts(regressor):
    display = ExpertDisplay.from_estimator(regressor)
    ticks = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert ticks == ["share", "scale", *display.features]
    assert [label.get_text() for label in display.ax_.get_xticklabels()] == ["0", "1", "2"]
    assert [float(t[:-1]) for t in display.facts["share"]] == (100 * regressor.expert_share_).round().tolist()
    numbers = {text.get_position(): text.get_text() for text in display.ax_.texts}
    for (j, k), value in np.ndenumerate(display.coef):
        assert float(numbers[k, j].replace("\N{MINUS SIGN}", "-")) == pytest.approx(value, abs=0.051)


def test_small_cells_have_no_numbers(regressor, two_axes):
    figure = two_axes[0].figure
    display = ExpertDisplay.from_estimator(regressor)
    roomy = len(display.ax_.texts)
    display.plot(figure.add_axes((0.4, 0.4, 0.04, 0.2)))
    assert len(display.ax_.texts) == roomy - display.coef.size


def test_binary_targets_and_rates(classifier, data):
    X, y = data
    positive = y > np.median(y)
    display = ExpertDisplay.from_estimator(classifier, X, positive)
    assert display.target is True
    h = classifier.responsibilities(X, positive)
    rate = h[positive].sum(axis=0) / h.sum(axis=0)
    assert [float(t[:-1]) / 100 for t in display.facts["rate of True"]] == pytest.approx(rate.tolist(), abs=0.0051)
    assert "scale" not in display.facts
    other = ExpertDisplay.from_estimator(classifier, target=False)
    assert_allclose(other.coef, -display.coef)
    assert list(other.facts) == ["share"]


def test_one_class_of_three(three_classes, data):
    display = ExpertDisplay.from_estimator(three_classes, target=2, standardize=False)
    assert_allclose(display.coef, three_classes.expert_coef_[:, :, 2].T, rtol=1e-9)
    with pytest.raises(ValueError, match=r"target=None: name the class to show, one of \[0, 1, 2\]"):
        ExpertDisplay.from_estimator(three_classes)


def test_a_regressor_has_no_target(regressor):
    with pytest.raises(ValueError, match=r"target=1: this MoERegressor has one output\. Leave target out"):
        ExpertDisplay.from_estimator(regressor, target=1)


def test_features_that_no_expert_sees_are_left_out(data):
    X, y = data
    X = np.column_stack([X, np.ones(len(X))])
    model = MoERegressor(2, expert_features=[0, 2, 3], n_init=1, random_state=0).fit(X, y)
    assert sorted(ExpertDisplay.from_estimator(model).features) == ["x0", "x2"]
    constant = MoERegressor(2, expert_features=[], n_init=1, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="The experts see no column that varies"):
        ExpertDisplay.from_estimator(constant)
