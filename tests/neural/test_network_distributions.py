"""What a regressor says of y: all of it is one mixture of normal distributions a row."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='torch is not installed: pip install "skmoe[neural]"')

from numpy.testing import assert_allclose, assert_array_equal  # noqa: E402
from scipy.integrate import trapezoid  # noqa: E402
from scipy.special import logsumexp, ndtr, softmax  # noqa: E402
from scipy.stats import norm  # noqa: E402
from small import GAPS, LABELS, OUTPUTS, THREE, Y, classifier, regressor  # noqa: E402


def parts_of(model, rows):
    """Weights (n_rows, n_parts), means and deviations (n_rows, n_parts, n_outputs) in units of y, by hand."""
    network = model._network
    read, encoding = network.read(model._raw(rows)), network.encoding
    _, n_members, k, n_answers = read.answers.shape
    weight, mean, scale = [], [], []
    for member in range(n_members):
        for slot in range(k):
            answers = read.answers[:, member, slot]
            weight.append(np.exp(read.log_weight[:, member, slot]) / n_members)
            mean.append(encoding.center + encoding.unit * answers[:, : n_answers // 2])
            v = answers[:, n_answers // 2 :]
            scale.append(
                network.temperature * encoding.unit * np.sqrt(network.architecture.scale_floor**2 + np.exp(2 * v))
            )
    return np.array(weight).T, *(np.array(values).transpose(1, 0, 2) for values in (mean, scale))


@pytest.fixture(scope="module", params=["one", "outputs", "soft", "one member", "many"])
def fitted(request):
    y = OUTPUTS if request.param == "outputs" else Y
    settings = {
        "soft": {"router": "soft"},
        "one member": {"n_members": 1, "top_k": 1},
        "many": {"n_members": 5, "top_k": 3},
    }.get(request.param, {})
    return regressor(**settings, max_epochs=8).fit(GAPS, y), y.reshape(len(y), -1)


def test_moments(fitted):
    model, y = fitted
    weight, mean, scale = parts_of(model, GAPS)
    assert_allclose(weight.sum(1), 1)
    expected = np.einsum("np,npo->no", weight, mean)
    second = np.einsum("np,npo->no", weight, scale**2 + (mean - expected[:, None]) ** 2)
    predicted, deviation = model.predict(GAPS, return_std=True)
    assert_allclose(predicted.reshape(y.shape), expected, rtol=1e-9)
    assert_allclose(model.predict_var(GAPS).reshape(y.shape), second, rtol=1e-9)
    assert_allclose(deviation**2, model.predict_var(GAPS))
    assert predicted.shape == deviation.shape == ((len(y), 2) if y.shape[1] > 1 else (len(y),))
    distribution = model.predict_dist(GAPS)
    assert_allclose(distribution.mean(), predicted, rtol=1e-9)
    assert_allclose(distribution.var(), model.predict_var(GAPS), rtol=1e-9)


def test_densities(fitted):
    model, y = fitted
    weight, mean, scale = parts_of(model, GAPS)
    each = norm.logpdf(y[:, None], mean, scale).sum(axis=2)
    expected = logsumexp(np.log(weight) + each, axis=1)
    passed = y if y.shape[1] > 1 else y[:, 0]
    assert_allclose(model.log_prob(GAPS, passed), expected, rtol=1e-9)
    assert_allclose(model.predict_dist(GAPS).logpdf(passed), expected, rtol=1e-9)


def test_quantiles(fitted):
    model, y = fitted
    weight, mean, scale = parts_of(model, GAPS)
    levels = np.array([0.05, 0.3, 0.5, 0.9])
    found = model.predict_quantile(GAPS, levels)
    n_rows, n_outputs = y.shape
    assert found.shape == ((n_rows, 4, n_outputs) if n_outputs > 1 else (n_rows, 4))
    found = found.reshape(n_rows, 4, n_outputs)
    for at, level in enumerate(levels):
        reached = np.einsum("np,npo->no", weight, ndtr((found[:, None, at] - mean) / scale))
        assert_allclose(reached, level, rtol=0, atol=1e-6)
    one = model.predict_quantile(GAPS, 0.3).reshape(n_rows, n_outputs)
    assert_allclose(one, found[:, 1], rtol=1e-9)
    interval = model.predict_interval(GAPS, coverage=0.8)
    assert_allclose(interval, model.predict_quantile(GAPS, [0.1, 0.9]), rtol=1e-6)
    assert (np.diff(interval, axis=1) > 0).all()


def test_draws(fitted):
    model, y = fitted
    rows = GAPS[:20]
    draws = model.sample(rows, 4000, random_state=0).reshape(20, 4000, y.shape[1])
    mean, deviation = (one.reshape(20, -1) for one in model.predict(rows, return_std=True))
    assert_allclose(draws.mean(1), mean, atol=6 * deviation.max() / np.sqrt(4000))
    assert_allclose(draws.std(1) / deviation, 1, atol=0.2)
    below = (draws <= model.predict_quantile(rows, 0.3).reshape(20, 1, -1)).mean(1)
    assert_allclose(below, 0.3, atol=0.05)
    assert (model.sample(rows, 3, random_state=1) == model.sample(rows, 3, random_state=1)).all()


def test_a_density_integrates_to_one():
    model = regressor(max_epochs=8).fit(GAPS, Y)
    grid = np.linspace(Y.min() - 12, Y.max() + 12, 20001)
    for row in range(5):
        density = np.exp(model.log_prob(np.repeat(GAPS[row : row + 1], len(grid), axis=0), grid))
        assert trapezoid(density, grid) == pytest.approx(1, abs=1e-4)
        assert trapezoid(density * grid, grid) == pytest.approx(model.predict(GAPS)[row], abs=1e-3)


def test_outputs_depend_on_each_other():
    """Given x by the choice of expert alone: the joint density is not the product of the marginal ones."""
    model = regressor(max_epochs=8).fit(GAPS, OUTPUTS)
    weight, mean, scale = parts_of(model, GAPS)
    marginal = logsumexp(np.log(weight)[..., None] + norm.logpdf(OUTPUTS[:, None], mean, scale), axis=1)
    assert np.abs(model.log_prob(GAPS, OUTPUTS) - marginal.sum(1)).max() > 1e-3
    for output in range(2):
        distribution = model.predict_dist(GAPS).marginal(output)
        assert_allclose(distribution.logpdf(OUTPUTS[:, output]), marginal[:, output], rtol=1e-8)


@pytest.mark.parametrize("shift", [(0.0, 1.0), (1e6, 1e3), (-5.0, 1e-6)], ids=str)
def test_units_of_the_response(shift):
    """Predictions are in units of y, and densities per unit of y."""
    center, unit = shift
    model, moved = regressor().fit(GAPS, Y), regressor().fit(GAPS, center + unit * Y)
    assert_allclose((moved.predict(GAPS) - center) / unit, model.predict(GAPS), rtol=0, atol=1e-4)
    assert_allclose(moved.predict_var(GAPS) / unit**2, model.predict_var(GAPS), rtol=1e-3)
    log_prob = moved.log_prob(GAPS, center + unit * Y) + np.log(unit)
    assert_allclose(log_prob, model.log_prob(GAPS, Y), rtol=0, atol=1e-2)


@pytest.mark.parametrize("far", [1e300, -1e300])
@pytest.mark.parametrize("y", [Y, OUTPUTS], ids=["one", "outputs"])
def test_at_the_ends_of_the_line_the_density_is_zero_without_a_warning(y, far):
    model = regressor(max_epochs=1).fit(GAPS, y)
    there = np.full_like(y, far)
    for rows in (GAPS, GAPS.astype(np.float32)):
        assert_array_equal(model.log_prob(rows, there), -np.inf)
        assert_array_equal(model.predict_dist(rows).logpdf(there), -np.inf)


def test_an_output_that_does_not_vary():
    y = np.column_stack([Y, np.full(len(Y), 7.0)])
    model = regressor().fit(GAPS, y)
    assert np.isfinite(model.log_prob(GAPS, y)).all()
    assert np.abs(model.predict(GAPS)[:, 1] - 7).max() < 3


def test_spread_has_a_floor():
    """However well rows are learned, an expert is never surer than a thousandth of the deviation of y."""
    X = np.linspace(0, 1, 40)[:, None]
    model = regressor(early_stopping=False, max_epochs=60, learning_rate=0.02, embedding="linear").fit(X, X[:, 0])
    assert model.predict_var(X).min() >= (1e-3 * X.std()) ** 2


@pytest.mark.parametrize("y", [LABELS, THREE], ids=["two", "three"])
def test_probabilities_of_classes(y):
    model = classifier(max_epochs=8).fit(GAPS, y)
    read = model._network.read(model._raw(GAPS))
    expected = np.einsum("nmk,nmkc->nc", np.exp(read.log_weight), softmax(read.answers, axis=-1)) / 2
    expected **= 1 / model._network.temperature
    expected /= expected.sum(axis=1, keepdims=True)
    proba = model.predict_proba(GAPS)
    assert_allclose(proba, expected, rtol=1e-9)
    assert_allclose(proba.sum(1), 1, rtol=1e-12)
    assert_allclose(model.predict_log_proba(GAPS), np.log(expected), rtol=1e-9, atol=1e-12)
    numbers = np.searchsorted(model.classes_, y)
    assert_allclose(model.log_prob(GAPS, y), np.log(expected[np.arange(len(y)), numbers]), rtol=1e-9, atol=1e-12)
    decision = model.decision_function(GAPS)
    if y is LABELS:
        assert_allclose(decision, np.log(expected[:, 1] / expected[:, 0]), atol=1e-9)
        assert ((decision > 0) == (model.predict(GAPS) == model.classes_[1])).all()
    else:
        assert (model.classes_[decision.argmax(1)] == model.predict(GAPS)).all()


@pytest.mark.filterwarnings("ignore::skmoe.exceptions.CollapseWarning")
def test_what_is_said_of_gates():
    model = regressor(n_blocks=2).fit(GAPS, Y)
    for block in (0, 1, -1):
        proba = model.gate_proba(GAPS, block)
        gated = model._network.gated(model._raw(GAPS), block % 2)
        assert_allclose(proba, gated.proba.mean(1))
        assert_allclose(proba.sum(1), 1)
        assert (model.apply(GAPS, block) == proba.argmax(1)).all()
        weights = gated.weights.reshape(-1, 4)
        assert_allclose(weights.sum(1), 1)
        assert ((weights > 0).sum(1) == 2).all()
        assert_allclose(model.routing_report(GAPS, block).usage, weights.mean(0))
    assert np.abs(model.gate_proba(GAPS, 0) - model.gate_proba(GAPS, 1)).max() > 1e-3
    assert_allclose(model.gate_proba(GAPS), model.gate_proba(GAPS, 1))


def test_single_precision_holds_any_units():
    """Means beside whose offset it has no digits left are told in double."""
    single = GAPS.astype(np.float32)
    for y in (Y + 1e9, 1e25 * Y, 1e-25 * Y):
        model = regressor().fit(single, y)
        double = single.astype(np.float64)
        assert_allclose(model.log_prob(single, y), model.log_prob(double, y), rtol=1e-4, atol=1e-3)
        assert_allclose(model.predict(single, return_std=True)[1], model.predict(double, return_std=True)[1], rtol=1e-3)
        assert_allclose(model.predict_quantile(single, 0.5), model.predict_quantile(double, 0.5), rtol=1e-3)
        assert_allclose(
            model.predict(single) - y.mean(), model.predict(double) - y.mean(), rtol=1e-3, atol=1e-3 * y.std()
        )
        assert np.abs(model.predict(single) - y).max() < 4 * y.std()
        assert model.predict(single).dtype == (np.float64 if y.mean() > 1e8 * y.std() else np.float32)
