"""Moves and searches: what they promise, and that they depend on what rows hold, not on where they stand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skmoe import MoEClassifier, MoERegressor
from skmoe.datasets import make_moe_classification, make_moe_regression
from skmoe.rows.thinning import held_out, thinned
from skmoe.training import search as search_module

X, y = make_moe_regression(n_samples=300, n_features=3, n_experts=5, noise=0.1, random_state=3)


def rows_in(X, y, weight=None, kind=MoERegressor):
    caught = []

    class Caught(kind):
        def _plan(self, task, labels, previous):
            caught.append(task)
            return super()._plan(task, labels, previous)

    Caught(2, n_init=1, move_budget=0, random_state=0).fit(X, y, weight)
    return caught[0].rows


def test_moves_never_lose_and_often_gain():
    still = [MoERegressor(5, n_init=1, move_budget=0, random_state=seed).fit(X, y).objective_ for seed in range(6)]
    moved = [MoERegressor(5, n_init=1, move_budget=10, random_state=seed).fit(X, y) for seed in range(6)]
    gain = np.array([model.objective_ for model in moved]) - still
    assert (gain >= -1e-9 * np.abs(still)).all()
    assert np.median(gain) > 1
    for model in moved:
        passes = np.array([history[-1]["pass"] for history in model.move_histories_])
        assert len(model.move_objectives_) == len(passes)
        first = model.start_histories_[0][-1]["pass"]
        assert 10 * min(first, *passes) <= passes.sum() <= 10 * max(first, *passes) + passes[-1]
        assert model.objective_ == max(*model.start_objectives_, *model.move_objectives_)
        assert model.n_passes_ >= model.n_iter_


@pytest.mark.parametrize("shape", [4, (2, 2), ((2, 2), 2)])
def test_weights_are_repetitions(shape):
    weight = np.random.default_rng(1).integers(0, 3, size=len(y))
    params = {"n_experts": shape, "move_budget": 4, "n_init": 2, "random_state": 0, "tol": 1e-8}
    weighted = MoERegressor(**params).fit(X, y, weight)
    repeated = MoERegressor(**params).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    assert_allclose(weighted.objective_, repeated.objective_, rtol=1e-8)
    assert_allclose(weighted.predict(X), repeated.predict(X), atol=1e-3 * y.std())


def test_the_same_bits_for_any_number_of_threads():
    one, two = (MoERegressor(4, move_budget=3, random_state=0, n_jobs=n).fit(X, y) for n in (1, 2))
    assert (one.expert_coef_ == two.expert_coef_).all()
    assert (one.move_objectives_ == two.move_objectives_).all()


@pytest.mark.parametrize("params", [{"combine_inits": "average", "n_init": 2}, {"n_experts": 1}, {"warm_start": True}])
def test_no_moves_for_averages_one_expert_and_warm_starts(params):
    model = MoERegressor(**{"n_experts": 3, "move_budget": 5, "n_init": 2, "random_state": 0, **params})
    for _ in range(2):
        model.fit(X, y)
    assert model.move_objectives_.size == 0


# -- thinning ----------------------------------------------------------------------------------------------------------


def seen_of(rows):
    """Columns, response and weight of every row, sorted."""
    columns = np.concatenate([chunk.gate.columns for chunk in rows], axis=1)
    response = np.concatenate([chunk.responses[0].y for chunk in rows], axis=1)
    weight = np.concatenate([chunk.weight for chunk in rows])
    seen = np.vstack([columns, response, weight])
    return seen[:, np.lexsort(seen)]


def test_few_rows_are_all_kept():
    rows = rows_in(X, y)
    assert thinned(rows, len(y)) is rows


@pytest.mark.parametrize("kind", [MoERegressor, MoEClassifier])
def test_thinned_rows_stand_for_all(kind):
    X, y = (make_moe_regression if kind is MoERegressor else make_moe_classification)(5000, 3, random_state=0)
    rows = rows_in(X, y, kind=kind)
    few, whole = seen_of(thinned(rows, 1000)), seen_of(rows)
    assert few.shape[1] == 1000
    assert few[-1].sum() == pytest.approx(5000, rel=1e-12)
    assert_allclose(few[-2] @ few[-1] / 5000, whole[-2].mean(), atol=2e-3)  # the mean response: far below 1 / sqrt(n)


def test_thinning_depends_on_contents_and_weights_alone():
    weight = np.random.default_rng(0).integers(0, 4, size=len(y))
    order = np.random.default_rng(1).permutation(len(y))
    one = seen_of(thinned(rows_in(X, y, weight), 60))
    other = seen_of(thinned(rows_in(X[order], y[order], weight[order]), 60))
    assert_allclose(one, other, rtol=1e-9, atol=1e-9)
    repeated = thinned(rows_in(np.repeat(X, weight, axis=0), np.repeat(y, weight)), 60)
    # Copies are met one by one: added up they are the row of that weight.
    total = {}
    for row in seen_of(repeated).T:
        key = tuple(row[:-1].round(6))
        total[key] = total.get(key, 0.0) + row[-1]
    assert_allclose(sorted(total.values()), sorted(one[-1]), rtol=1e-9)


def test_held_out_rows_and_training_rows_add_up():
    weight = np.random.default_rng(0).integers(1, 4, size=len(y)).astype(float)
    rows = rows_in(X, y, weight)
    train, judge = held_out(rows)
    trained, judged = (sum(chunk.weight.sum() for chunk in part) for part in (train, judge))
    assert trained + judged == weight.sum()
    assert abs(judged - weight.sum() / 5) <= 1
    repeated = held_out(rows_in(np.repeat(X, weight.astype(int), axis=0), np.repeat(y, weight.astype(int))))
    for one, other in zip((train, judge), repeated, strict=True):
        ours, theirs = seen_of(one), seen_of(other)
        assert_allclose(ours[-2] @ ours[-1], theirs[-2] @ theirs[-1], rtol=1e-9)


def test_a_search_on_a_part_of_the_rows_ends_on_all(monkeypatch):
    whole = MoERegressor(5, move_budget=5, random_state=0).fit(X, y)
    monkeypatch.setattr(search_module, "SEARCH_ROWS", 150)
    model = MoERegressor(5, move_budget=5, random_state=0).fit(X, y)
    assert model.converged_
    log_likelihood = model.log_prob(X, y).sum()
    assert model.log_likelihood_ == pytest.approx(log_likelihood, rel=1e-12)
    assert model.objective_ > whole.objective_ - 0.3 * len(y)
    assert model.n_passes_ < whole.n_passes_
