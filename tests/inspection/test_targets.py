"""Figures and words of regressors with several outputs: one output at a time, by name or number."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skmoe import MoERegressor
from skmoe.inspection import BandDisplay, ExpertDisplay, ExplanationDisplay, GateDisplay, RoutingDisplay, explain


@pytest.fixture(scope="module")
def outputs(data):
    X, y = data
    return pd.DataFrame({"level": y, "slope": 1e3 * X[:, 1] * np.sign(X[:, 0])})


@pytest.fixture(scope="module")
def model(data, outputs):
    return MoERegressor(2, n_init=2, random_state=0).fit(data[0], outputs)


OF_ONE = {
    "experts": lambda m, X, y, **k: ExpertDisplay.from_estimator(m, **k),
    "bands": lambda m, X, y, **k: BandDisplay.from_estimator(m, X, y, feature=0, grid_resolution=9, **k),
    "explanation": lambda m, X, y, **k: ExplanationDisplay.from_estimator(m, X[:1], X, **k),
}
of_one = pytest.mark.parametrize("make", OF_ONE.values(), ids=OF_ONE)


@of_one
@pytest.mark.parametrize("target", [None, "height", 2, -1])
def test_the_output_has_to_be_named(make, model, data, outputs, target):
    with pytest.raises(ValueError, match=rf"target={target!r}: name the output to show, one of \['level', 'slope'\]"):
        make(model, data[0], outputs, target=target)


@of_one
def test_one_output_has_nothing_to_name(make, regressor, data):
    with pytest.raises(ValueError, match=r"target='level': this MoERegressor has one output\. Leave target out"):
        make(regressor, *data, target="level")


def test_coefficients_of_an_output(model, data):
    for target in ("slope", 1):
        display = ExpertDisplay.from_estimator(model, target=target, standardize=False)
        assert_allclose(display.coef, model.expert_coef_[:, :, 1].T, rtol=1e-12)
        assert display.facts["scale"] == [f"{scale:.2g}" for scale in model.expert_scale_[:, 1]]
        assert display.target == "slope"
        assert any(text.get_text().startswith("coefficient for slope, per unit") for text in display.ax_.texts)


def test_the_band_of_an_output(model, data, outputs):
    X, _ = data
    display = BandDisplay.from_estimator(model, X, outputs, feature=1, target="slope", grid_resolution=9)
    rows = np.tile(np.median(X, axis=0), (9, 1))
    rows[:, 1] = display.grid
    assert_allclose(display.mean, model.predict(rows)[:, 1])
    assert_allclose(display.median, model.predict_quantile(rows, 0.5)[:, 1])
    assert_allclose(display.intervals[0], model.predict_interval(rows, 0.9)[..., 1])
    assert_allclose(display.expert_means, model.predict_experts(rows)[..., 1])
    assert_array_equal(display.dots, np.column_stack([X[:, 1], outputs["slope"]]))
    assert display.ax_.get_ylabel() == "slope"
    with pytest.raises(ValueError, match=r"y has shape \(200,\), but the fit was to y of shape \(n_rows, 2\)"):
        BandDisplay.from_estimator(model, X, outputs["slope"], feature=1, target="slope")


def test_an_output_explained(model, data):
    X, _ = data
    why = explain(model, X[:1], X, target="slope")
    assert why.output == "slope"
    assert why.answer == model.predict(X[:1])[0, 1]
    assert why.base == pytest.approx(model.predict(X)[:, 1].mean())
    assert_allclose(why.alone, model.predict_experts(X[:1])[0, :, 1])
    assert_allclose(why.at_average + why.by_expert.sum(axis=1), why.alone)
    assert_allclose(why.part @ why.at_average + why.contributions.sum(), why.answer)
    assert str(why).startswith("Predicted slope ")


def test_gates_and_routing_are_those_of_all_outputs(model, data, outputs):
    X, _ = data
    assert GateDisplay.from_estimator(model, X, features=0, grid_resolution=9).proba.shape == (9, 2)
    report = RoutingDisplay.from_estimator(model, X, outputs).report
    assert_allclose(report.usage, model.responsibilities(X, outputs).mean(axis=0))
