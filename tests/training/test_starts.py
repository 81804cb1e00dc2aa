"""Starts: every member weight-aware, deterministic, and of some use."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skmoe import MoEClassifier, MoERegressor
from skmoe.datasets import make_moe_regression
from skmoe.records import ravel
from skmoe.training.starts import STARTS
from skmoe.training.starts.division import labelled, rounded
from skmoe.training.starts.lloyd import quantile_bins

X, y = make_moe_regression(n_samples=200, n_features=3, n_experts=3, noise=0.1, random_state=0)
LABELS = np.digitize(y, np.quantile(y, [0.3, 0.7]))


class Caught(MoERegressor):
    """Keeps what a fit is about, and what was found."""

    def _plan(self, task, labels, previous):
        self.task_ = task
        return super()._plan(task, labels, previous)


def started(kind, X, y, weight=None, n_experts=3, seed=0):
    """Parameters that a start makes."""
    task = Caught(n_experts, n_init=1, move_budget=0, max_iter=1, random_state=0).fit(X, y, weight).task_
    return STARTS[kind](task.mixture, task.rows, np.random.default_rng(seed))


pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize("kind", STARTS)
@pytest.mark.parametrize("shape", [3, (2, 2)])
def test_weights_are_repetitions(kind, shape):
    weight = np.random.default_rng(1).integers(0, 4, size=len(y))
    weighted = started(kind, X, y, weight, shape)
    repeated = started(kind, np.repeat(X, weight, axis=0), np.repeat(y, weight), None, shape)
    assert_allclose(ravel(weighted), ravel(repeated), rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("kind", STARTS)
def test_the_order_of_rows_does_not_matter(kind):
    order = np.random.default_rng(2).permutation(len(y))
    assert_allclose(ravel(started(kind, X, y)), ravel(started(kind, X[order], y[order])), rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("kind", STARTS)
def test_units_do_not_matter(kind):
    scaled = started(kind, X * [1e6, 1e-6, 3.0] + [1e3, 0, -5], 1e4 * y - 1e5)
    assert_allclose(ravel(scaled), ravel(started(kind, X, y)), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", STARTS)
def test_seeds_make_different_starts_and_the_same_seed_the_same(kind):
    first, again, other = (ravel(started(kind, X, y, seed=seed)) for seed in (0, 0, 1))
    assert (first == again).all()
    assert not np.allclose(first, other)


@pytest.mark.parametrize("kind", STARTS)
def test_a_fit_from_every_kind_beats_one_expert(kind):
    one = MoERegressor(1).fit(X, y)
    model = MoERegressor(3, init=kind, n_init=2, move_budget=0, random_state=0).fit(X, y)
    assert model.log_likelihood_ > one.log_likelihood_ + 50
    classes = MoEClassifier(3, init=kind, n_init=1, alpha=0.1, gate_alpha=0.1, random_state=0).fit(X, LABELS)
    assert classes.log_likelihood_ > MoEClassifier(1, alpha=0.1).fit(X, LABELS).log_likelihood_


@pytest.mark.parametrize("kind", STARTS)
def test_one_expert_and_one_constant_column(kind):
    assert np.isfinite(MoERegressor(1, init=kind, n_init=1).fit(X, y).objective_)
    model = MoERegressor(2, init=kind, n_init=1, move_budget=0, random_state=0).fit(np.ones((len(y), 1)), y)
    assert np.isfinite(model.objective_)


def test_quantile_bins_count_weights_and_keep_ties_together():
    values = np.array([0.0, 1.0, 1.0, 2.0, 3.0, 9.0])
    assert quantile_bins(values, np.ones(6), 3).tolist() == [0, 0, 0, 1, 2, 2]
    weight = np.array([3.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    repeated = quantile_bins(np.repeat(values, weight.astype(int)), np.ones(8), 3)
    assert quantile_bins(values, weight, 3).tolist() == repeated[2:].tolist()
    assert labelled(np.array([0, 2]), 3).tolist() == [[1, 0], [0, 0], [0, 1]]


def test_rounding_hides_the_order_of_sums():
    rng = np.random.default_rng(0)
    values = rng.standard_normal(1000)
    assert rounded(values.sum()) == rounded(values[::-1].sum()) == rounded(np.add.reduceat(values, [0, 500]).sum())
    assert np.isneginf(rounded(np.array([-np.inf]))).all()
