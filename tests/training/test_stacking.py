"""Stacking: the weights solve their problem, and rows judge only fits that did not see them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from scipy.special import logsumexp

from skmoe import MoEClassifier, MoERegressor
from skmoe.datasets import make_moe_classification, make_moe_regression
from skmoe.experts import LinearExpert
from skmoe.families import Gaussian
from skmoe.gates import SoftmaxGate
from skmoe.mixture import Mixture
from skmoe.rows.thinning import FOLDS, held_out
from skmoe.training.loop import Run, Settings
from skmoe.training.stacking import PRIOR, proportions, stacked
from skmoe.training.starts import STARTS
from skmoe.tree import Tree
from tests.training.test_search import rows_in

X, y = make_moe_regression(400, 3, n_experts=4, noise=0.3, random_state=2)


@pytest.mark.parametrize("seed", range(5))
def test_proportions_are_those_of_a_general_optimiser(seed):
    rng = np.random.default_rng(seed)
    log_prob, weight = 2 * rng.standard_normal((4, 60)), rng.uniform(0, 2, 60)

    def loss(z):
        log_share = z - logsumexp(z)
        return -logsumexp(log_prob + log_share[:, None], axis=0) @ weight - PRIOR * log_share.sum()

    best = minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-9}).x
    assert_allclose(proportions(log_prob, weight), np.exp(best - logsumexp(best)), atol=1e-5)


def test_proportions_find_the_shares_that_rows_were_drawn_from():
    rng = np.random.default_rng(0)
    drawn = rng.choice(3, 40_000, p=[0.5, 0.3, 0.2])
    value = rng.standard_normal(40_000) + 2 * drawn
    log_prob = -0.5 * np.square(value - 2 * np.arange(3)[:, None])
    assert_allclose(proportions(log_prob, np.ones(40_000)), np.bincount(drawn) / 40_000, atol=0.01)


def test_every_row_judges_once_and_never_where_it_trained():
    rows = rows_in(X, y)
    judged = []
    for fold in range(FOLDS):
        train, judges = (np.concatenate([c.responses[0].y[0] for c in part]) for part in held_out(rows, fold))
        assert not set(train) & set(judges)
        judged.extend(judges)
    assert_array_equal(np.sort(judged), np.sort(rows.chunk(0).responses[0].y[0]))


def test_folds_of_integer_weights_are_those_of_repeated_rows():
    weight = np.random.default_rng(1).integers(1, 4, len(X)).astype(float)
    heavy = rows_in(X, y, weight)
    for fold in range(FOLDS):
        train, judges = held_out(heavy, fold)
        assert sum(c.weight.sum() for c in train) + sum(c.weight.sum() for c in judges) == pytest.approx(weight.sum())
        repeated = held_out(rows_in(np.repeat(X, weight.astype(int), 0), np.repeat(y, weight.astype(int))), fold)[1]
        assert sum(c.weight.sum() for c in judges) == sum(c.weight.sum() for c in repeated)


@pytest.mark.parametrize("kind", [MoERegressor, MoEClassifier])
def test_the_density_is_that_of_the_weighed_fits(kind):
    data = (X, y) if kind is MoERegressor else make_moe_classification(400, 3, n_experts=3, random_state=0)
    model = kind(5, n_init=3, combine_inits="stack", random_state=0).fit(*data)
    weights = model.member_weights_
    assert weights.shape == (3,)
    assert weights.min() > 0
    assert weights.sum() == pytest.approx(1)
    assert np.ptp(weights) > 1e-3
    said = np.array([member.log_prob(*data) for member in model.members_])
    assert_allclose(model.log_prob(*data), logsumexp(said + np.log(weights)[:, None], axis=0), rtol=1e-10)
    means = np.array([member.predict(data[0]) for member in model.members_]) if kind is MoERegressor else None
    if means is not None:
        assert_allclose(model.predict(data[0]), weights @ means, rtol=1e-10)
    average = kind(5, n_init=3, combine_inits="average", random_state=0).fit(*data)
    assert_array_equal(average.member_weights_, np.full(3, 1 / 3))
    assert model.n_passes_ > average.n_passes_


def test_a_fit_without_training_weighs_little():
    rows = rows_in(X, y)
    mixture = Mixture.of(Tree.parse(4), SoftmaxGate(0.01), LinearExpert(Gaussian()))
    start = STARTS["hyperplanes"](mixture, rows, np.random.default_rng(0))
    trained, untrained = (Run(mixture, start, rows, Settings()) for _ in range(2))
    trained.advance(200)
    weights, n_passes = stacked([untrained, trained], rows, Settings(max_passes=1))
    assert PRIOR / (len(X) + 2 * PRIOR) < weights[0] < 0.15
    assert n_passes == pytest.approx(2 * FOLDS * (1 - 1 / FOLDS))


def test_one_fit_weighs_one():
    assert_array_equal(MoERegressor(2, n_init=1, combine_inits="stack").fit(X, y).member_weights_, [1.0])


def test_stacked_fits_say_more_of_new_rows_than_their_average():
    """On average over problems, to within a standard error; equal weights are hard to beat and easy to lose to."""
    gains = []
    for seed in range(8):
        A, b = make_moe_regression(1200, 4, n_experts=5, noise=0.3, random_state=seed)
        weighed, average = (
            MoERegressor(4, n_init=4, combine_inits=combine, random_state=0).fit(A[:300], b[:300])
            for combine in ("stack", "average")
        )
        gains.append((weighed.log_prob(A[300:], b[300:]) - average.log_prob(A[300:], b[300:])).mean())
    assert np.mean(gains) > -np.std(gains, ddof=1) / np.sqrt(len(gains))


@pytest.mark.filterwarnings("ignore::skmoe.exceptions.CollapseWarning", "ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("n_rows", [2, 3, 4, 5, 6])
def test_rows_too_few_to_judge_leave_weights_equal(n_rows):
    model = MoERegressor(1, combine_inits="stack", n_init=2, random_state=0).fit(X[:n_rows], y[:n_rows])
    assert_allclose(model.member_weights_, 0.5, atol=1e-12 if n_rows < FOLDS else 0.1)
    light = MoERegressor(2, combine_inits="stack", n_init=2, random_state=0).fit(X, y, np.full(len(y), n_rows / len(y)))
    assert_allclose(light.member_weights_, 0.5, atol=1e-12 if n_rows < FOLDS else 0.1)
