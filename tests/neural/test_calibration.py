"""Temperatures: the likeliest, what they change, and what is judged by them."""

from __future__ import annotations

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='torch is not installed: pip install "skmoe[neural]"')

from numpy.testing import assert_allclose, assert_array_equal  # noqa: E402
from scipy.special import log_softmax  # noqa: E402
from scipy.stats import norm  # noqa: E402
from sklearn.datasets import load_breast_cancer  # noqa: E402
from sklearn.metrics import log_loss  # noqa: E402
from sklearn.model_selection import train_test_split  # noqa: E402
from small import GAPS, KINDS, LABELS, THREE, X, Y, answered, classifier, regressor  # noqa: E402

from skmoe.neural.calibration import (  # noqa: E402
    HOTTEST,
    PRIOR_SD,
    cooled,
    mean_log_prob,
    temperature_of_classes,
    temperature_of_mixtures,
)
from skmoe.neural.gaussian_mixtures import GaussianMixtures  # noqa: E402

KIND = pytest.mark.parametrize("kind", KINDS)

#: A row that stands for so many: beside them the prior is nothing.
MANY = 1e6


# -- the likeliest -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sure", [0.5, 1.0, 3.0])
def test_of_classes_that_are_drawn(sure):
    """Log-odds that are so many times too large are found out, to the accuracy of 100,000 draws."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(100_000, 3))
    code = (log_softmax(logits, axis=1) + rng.gumbel(size=logits.shape)).argmax(axis=1)
    found = temperature_of_classes(log_softmax(sure * logits, axis=1), code, np.ones(len(code)))
    assert found == pytest.approx(sure, rel=0.02)


def test_of_two_classes_in_closed_form():
    """All rows are given odds of 9, and weighted odds are 4: log 9 / log 4."""
    log_proba = np.log(np.tile([0.1, 0.9], (3, 1)))
    found = temperature_of_classes(log_proba, np.array([1, 1, 0]), MANY * np.array([3.0, 1.0, 1.0]))
    assert found == pytest.approx(np.log(9) / np.log(4), rel=1e-4)
    assert_allclose(np.exp(cooled(log_proba, found))[:, 1], 0.8, atol=1e-4)


def test_of_one_normal_distribution_it_is_the_deviation():
    rng = np.random.default_rng(0)
    y, weight = 5 + 2 * rng.normal(size=(50, 1)), rng.uniform(size=50)
    one = np.zeros((50, 1, 1))
    mixtures = GaussianMixtures(np.zeros((50, 1)), one, one + 0.3, np.array([5.0]), np.array([2.0]))
    deviation = np.sqrt(np.average((y[:, 0] - 5) ** 2, weights=weight)) / 2
    found = temperature_of_mixtures(mixtures, y, MANY * weight)
    assert found == pytest.approx(deviation / 0.3, rel=1e-4)
    assert_allclose(mixtures.widened(found).log_prob(y), norm(5, 0.6 * found).logpdf(y[:, 0]))


def test_of_few_rows_the_prior_counts():
    """The highest of the log probability and the log prior on a fine grid."""
    log_proba, code = np.log([[0.1, 0.9], [0.3, 0.7], [0.2, 0.8]]), np.array([1, 0, 1])
    weight = np.array([3.0, 1.0, 2.0])
    grid = np.linspace(-1, 1, 20_001)
    posterior = [
        weight.sum() * mean_log_prob(log_proba, code, weight, np.exp(step)) - step**2 / (2 * PRIOR_SD**2)
        for step in grid
    ]
    found = temperature_of_classes(log_proba, code, weight)
    assert np.log(found) == pytest.approx(grid[np.argmax(posterior)], abs=1e-4)


def test_rows_that_are_all_told_right_are_no_proof():
    """They ask for a temperature of zero, labels that were impossible for an infinite one."""
    log_proba = np.log(np.tile([0.1, 0.9], (20, 1)))
    assert 0.5 < temperature_of_classes(log_proba, np.ones(20, int), np.ones(20)) < 1
    impossible = np.array([[-np.inf, 0.0], [0.0, -np.inf]])
    assert temperature_of_classes(impossible, np.array([1, 1]), np.ones(2)) == HOTTEST


@pytest.mark.parametrize("factor", [0.5, 1.0, 4.0])
def test_the_slope_of_mixtures(factor):
    rng = np.random.default_rng(0)
    parts, y = rng.normal(size=(3, 5, 4, 2)), rng.normal(size=(5, 2))
    weight = log_softmax(parts[2, ..., 0], axis=1)
    mixtures = GaussianMixtures(weight, parts[0], np.exp(parts[1]), np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    up, down = (mixtures.widened(factor * np.exp(step)).log_prob(y) for step in (1e-5, -1e-5))
    assert_allclose(mixtures.widened(factor).slope(y), (up - down) / 2e-5, rtol=1e-6, atol=1e-8)


# -- in an estimator ---------------------------------------------------------------------------------------------------


@KIND
@pytest.mark.parametrize("scoring", [None, "own"])
def test_the_epoch_that_is_kept_is_calibrated(kind, scoring):
    """No other temperature gives the rows held out and the prior a higher density, whatever chose the epoch."""
    make, y = KINDS[kind]
    scoring = scoring and (lambda model, X, y: -abs(model.log_prob(X, y).mean()))
    rows = {"X_val": GAPS[80:], "y_val": y[80:]}
    model = make(max_epochs=20, learning_rate=0.02, scoring=scoring).fit(GAPS[:80], y[:80], **rows)
    temperature = model._network.temperature
    assert abs(np.log(temperature)) > 0.01
    found = model.log_prob(GAPS[80:], y[80:])
    assert model.validation_score_ == pytest.approx(found.mean() if scoring is None else -abs(found.mean()))
    posterior = found.sum() - 0.5 * (np.log(temperature) / PRIOR_SD) ** 2
    for factor in (0.97, 1.03):
        model._network.arrays["temperature"] = np.array(temperature * factor)
        other = model.log_prob(GAPS[80:], y[80:]).sum() - 0.5 * (np.log(temperature * factor) / PRIOR_SD) ** 2
        assert other < posterior


def test_it_changes_no_order_of_classes_and_no_means():
    labels, numbers = classifier().fit(X, THREE), regressor().fit(X, Y)
    before = labels.predict_proba(X), labels.predict(X), numbers.predict(X, return_std=True)
    for model in (labels, numbers):
        model._network.arrays["temperature"] = 2 * model._network.arrays["temperature"]
    assert_array_equal(labels.predict(X), before[1])
    assert_allclose(labels.predict_proba(X), np.sqrt(before[0]) / np.sqrt(before[0]).sum(1, keepdims=True), rtol=1e-6)
    assert_array_equal(numbers.predict(X), before[2][0])
    assert (numbers.predict(X, return_std=True)[1] > before[2][1]).all()


@KIND
@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_a_factor_of_all_weights_validates_alike(kind, factor):
    """Beside the prior of the temperature rows count, not their weights."""
    make, y = KINDS[kind]
    weight = np.random.default_rng(0).uniform(0.5, 2.0, 80)
    rows = {"X_val": GAPS[80:], "y_val": y[80:]}
    settings = {"max_epochs": 20, "learning_rate": 0.02}
    one, other = (
        make(**settings).fit(GAPS[:80], y[:80], weight, **rows, sample_weight_val=np.full(40, each))
        for each in (1.0, factor)
    )
    assert abs(np.log(one._network.temperature)) > 0.01
    assert other._network.temperature == pytest.approx(one._network.temperature, rel=1e-6)
    assert other.best_epoch_ == one.best_epoch_


@KIND
def test_nothing_is_calibrated_that_was_not_asked_for(kind):
    make, y = KINDS[kind]
    for settings in ({"calibrate": False}, {"early_stopping": False}):
        assert make(**settings).fit(GAPS, y)._network.temperature == 1.0


@KIND
def test_who_goes_on_without_rows_held_out_has_no_temperature(kind):
    """It was that of other parameters; where nothing is trained it stays."""
    make, y = KINDS[kind]
    model = make(warm_start=True, max_epochs=20, learning_rate=0.02).fit(GAPS, y)
    temperature = model._network.temperature
    assert temperature != 1.0
    assert model.set_params(max_epochs=0).fit(GAPS, y)._network.temperature == temperature
    model.set_params(max_epochs=2)
    assert copy.deepcopy(model).partial_fit(GAPS, y)._network.temperature == 1.0
    assert copy.deepcopy(model).set_params(early_stopping=False).fit(GAPS, y)._network.temperature == 1.0
    uncalibrated = model.set_params(calibrate=False).fit(GAPS, y)
    assert uncalibrated._network.temperature == (1.0 if uncalibrated.best_epoch_ else temperature)


@pytest.fixture
def one_thread():
    """Batches of eight rows are faster on one, above all beside other tests."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_a_table_whose_rows_are_all_told_right():
    """The fifty rows that are held out do not make the network surer than others bear out."""
    X, y = load_breast_cancer(return_X_y=True)
    X, other, y, told = train_test_split(X, y, test_size=0.4, random_state=0, stratify=y)
    losses = [
        log_loss(
            told,
            classifier(calibrate=way, batch_size="auto", width=32, n_bins=64, d_embedding=16)
            .fit(X, y)
            .predict_proba(other),
        )
        for way in (True, False)
    ]
    assert losses[0] < 1.2 * losses[1]


def test_probabilities_are_those_of_torch(monkeypatch):
    """Who reads the network with torch, as on a GPU, reads its temperature too."""
    model = classifier(max_epochs=20, learning_rate=0.02).fit(X, LABELS)
    assert model._network.temperature != 1.0
    before = answered(model, X)
    monkeypatch.setattr(type(model), "_predicts_on_processor", lambda self: False)
    for one, other in zip(before, answered(model, X), strict=True):
        assert_allclose(one, other, rtol=1e-9, atol=1e-12)
