"""Routing metrics against values computed by hand."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from skmoe import routing
from skmoe.exceptions import CollapseWarning

LOG2, LOG3 = np.log(2), np.log(3)

#: Rows, and by hand: usage, entropy of a row, effective experts, mutual information, load_cv, max_violation.
BY_HAND = {
    "all rows alike": ([[0.5, 0.5], [0.5, 0.5]], [0.5, 0.5], LOG2, 2, 0, 0, 0),
    "each row its own": ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], [1 / 3] * 3, 0, 3, LOG3, 0, 0),
    "one for all": ([[1, 0], [1, 0], [1, 0]], [1, 0], 0, 1, 0, 1, 1),
    "one and a half": (
        [[1, 0], [0.5, 0.5]],
        [0.75, 0.25],
        LOG2 / 2,
        4 / 3**0.75,  # exp(H(3/4, 1/4)) = 4 / 3^(3/4)
        np.log(4) - 0.75 * LOG3 - LOG2 / 2,
        0.5,
        0.5,
    ),
    "a single expert": ([[1], [1]], [1], 0, 1, 0, 0, 0),
}
NAMES = ("expert_usage", "gate_entropy", "effective_experts", "mutual_information", "load_cv", "max_violation")


@pytest.mark.parametrize("name", BY_HAND)
def test_by_hand(name):
    proba, *values = BY_HAND[name]
    for function, value in zip(NAMES, values, strict=True):
        assert_allclose(getattr(routing, function)(np.array(proba)), value, rtol=1e-12, atol=1e-12, err_msg=function)


@pytest.fixture(params=range(3))
def random(request):
    rng = np.random.default_rng(request.param)
    return rng.dirichlet(np.full(4, 0.3), size=30), rng.integers(0, 3, size=30)


def test_against_scipy(random):
    proba, _ = random
    usage = proba.mean(axis=0)
    assert_allclose(routing.expert_usage(proba), usage, rtol=1e-12)
    assert routing.gate_entropy(proba) == pytest.approx(stats.entropy(proba, axis=1).mean())
    assert routing.effective_experts(proba) == pytest.approx(np.exp(stats.entropy(usage)))
    # Mutual information is the mean divergence of the rows from the usage.
    assert routing.mutual_information(proba) == pytest.approx(stats.entropy(proba, usage[None], axis=1).mean())
    assert routing.load_cv(proba) == pytest.approx(stats.variation(usage))
    assert routing.max_violation(proba) == pytest.approx(4 * usage.max() - 1)


@pytest.mark.parametrize("function", NAMES)
def test_weights_count_rows(function, random):
    proba, count = random
    read = getattr(routing, function)
    assert_allclose(read(proba, count), read(np.repeat(proba, count, axis=0)), rtol=1e-12)
    assert_allclose(read(proba, 7.0 * count), read(proba, count), rtol=1e-12)
    assert_allclose(read(proba, np.ones(30)), read(proba), rtol=1e-12)


def test_mutual_information_is_never_negative():
    """Rows that differ by rounding only."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        proba = np.tile(rng.dirichlet(np.ones(5)), (7, 1)) * (1 + 1e-16 * rng.standard_normal((7, 5)))
        assert 0 <= routing.mutual_information(proba) < 1e-12


def test_zero_probabilities_give_no_nan():
    proba = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1e-320, 1.0, 0.0]])
    assert all(np.isfinite(getattr(routing, function)(proba)).all() for function in NAMES)


def test_report(random):
    proba, count = random
    report = routing.routing_report(proba, count)
    for function, field in zip(NAMES, ("usage", "entropy", *NAMES[2:]), strict=True):
        assert_array_equal(getattr(report, field), getattr(routing, function)(proba, count))
    chosen = [count[proba.argmax(axis=1) == k].sum() / count.sum() for k in range(4)]
    assert_allclose(report.chosen, chosen, rtol=1e-12)
    lines = str(report).splitlines()
    assert lines[0].split() == ["expert", "usage", "chosen"]
    assert [float(line.split()[1]) for line in lines[1:5]] == report.usage.round(3).tolist()
    assert f"{report.effective_experts:.2f} of 4" in lines[5]


#: Routings, and what is said of them; None where nothing is to be said.
COLLAPSES = {
    "each row its own": (np.eye(3), None),
    "one row": ([[0.7, 0.3]], None),
    "a small expert of some rows": (np.repeat([[0.99, 0.01], [0.01, 0.99]], [99, 1], axis=0), None),
    "one for all": (
        [[0.995, 0.005], [0.996, 0.004]],
        r"1 of 2 experts are hardly used \(1\): each has",
    ),
    "two idle": (np.eye(4)[[0, 1, 0, 1]], r"2 of 4 experts are hardly used \(2, 3\)"),
    "all rows nearly alike": ([[0.5, 0.5], [0.51, 0.49]], "Rows are divided nearly alike: a row tells 5e-05 nats"),
    "all rows alike, by design": ([[0.7, 0.3]] * 5, None),
    "a single expert": (np.ones((5, 1)), None),
}


@pytest.mark.parametrize("name", COLLAPSES)
def test_collapse_is_told(name):
    proba, sentence = COLLAPSES[name]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        report = routing.routing_report(np.array(proba))
    if sentence is None:
        assert caught == []
        assert "hardly used" not in str(report)
    else:
        assert [w.category for w in caught] == [CollapseWarning]
        assert re.match(sentence, str(caught[0].message))
        assert caught[0].filename == __file__
        assert ("hardly used" in str(report)) == bool(report.dead.size)


def test_fewer_rows_than_experts_are_no_collapse():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert routing.routing_report(np.eye(4)[[0, 1, 0]]).dead.tolist() == [2, 3]


def test_ties_go_to_the_first_expert():
    assert_array_equal(routing.routing_report(np.array([[0.5, 0.5], [0.2, 0.8]])).chosen, [0.5, 0.5])


def test_a_report_needs_rows():
    with pytest.raises(ValueError, match=r"routing_report needs rows, got proba of shape \(0, 3\)"):
        routing.routing_report(np.empty((0, 3)))
