"""Growing trees: what pays is split, what does not is merged, and nothing gets worse on the way."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skmoe import MoEClassifier, MoERegressor
from skmoe.records import ravel
from skmoe.rows.thinning import held_out
from skmoe.training.growth import Change, Grower, Growth, assembled, changed, taken_apart
from skmoe.training.loop import Run, Settings
from skmoe.training.starts.division import even


def zigzag(n, noise=0.1, seed=0):
    """Four lines in a row, and a second column that says nothing."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, size=(n, 2))
    return X, np.abs(np.abs(X[:, 0]) - 1) + noise * rng.standard_normal(n)


X, y = zigzag(800)
BIC = Growth()


def task_of(**params):
    caught = []

    class Caught(MoERegressor):
        def _plan(self, task, labels, previous):
            caught.append(task)
            return super()._plan(task, labels, previous)

    Caught(1, n_init=1, **params).fit(X, y)
    return caught[0]


def grower_of(task, growth=BIC, judges=()):
    expert = task.mixture.experts[0].expert
    rng = np.random.default_rng(0)
    return Grower(growth, task.mixture.gates[0], expert, task.rows, judges, Settings(), rng)


def test_auto_finds_the_four_lines():
    model = MoERegressor("auto", n_init=2, random_state=0).fit(X, y)
    assert model.n_experts_ == 4
    assert_allclose(np.sort(model.expert_coef_[:, 0]), [-1, -1, 1, 1], atol=0.12)
    assert model.score(*zigzag(500, seed=1)) > 0.85  # noise leaves .89
    assert model.bic(X, y) < min(MoERegressor(k, random_state=0).fit(X, y).bic(X, y) for k in (1, 2, 3))


def test_noise_alone_grows_nothing():
    rng = np.random.default_rng(0)
    for criterion in ("bic", "held_out"):
        model = MoERegressor(Growth(criterion), random_state=0).fit(X, X[:, 0] + rng.standard_normal(len(X)))
        assert model.n_experts_ == 1
        assert len(model.tree_.branches) == 1


@pytest.mark.parametrize("criterion", ["bic", "held_out"])
def test_held_out_rows_grow_a_tree_too(criterion):
    model = MoERegressor(Growth(criterion), n_init=1, random_state=0).fit(X, y)
    assert 4 <= model.n_experts_ <= 12
    assert model.log_prob(*zigzag(500, seed=1)).mean() > 0.7


def test_no_more_leaves_than_asked_for():
    assert MoERegressor(Growth(max_experts=3), n_init=1, random_state=0).fit(X, y).n_experts_ <= 3
    assert MoERegressor(Growth(max_experts=1), n_init=1, random_state=0).fit(X, y).n_experts_ == 1


def test_an_average_of_grown_trees():
    model = MoERegressor("auto", n_init=3, combine_inits="average", random_state=0).fit(X, y)
    assert len(model.members_) == 3
    assert model.n_experts_ == sum(member.n_experts_ for member in model.members_)
    joint = np.logaddexp.reduce([member.log_prob(X, y) for member in model.members_], axis=0) - np.log(3)
    assert_allclose(model.log_prob(X, y), joint, atol=1e-10)


def test_classes_grow_a_tree():
    labels = (np.abs(np.abs(X[:, 0]) - 1) > 0.5).astype(int)
    model = MoEClassifier("auto", n_init=1, alpha=0.1, gate_alpha=0.1, random_state=0).fit(X, labels)
    assert model.n_experts_ >= 3
    assert model.score(X, labels) > 0.95


@pytest.mark.parametrize("seed", range(3))
def test_an_accepted_split_never_lowers_the_likelihood(seed):
    """Without a ridge, and before anything is trained together: by Jensen the whole gains what the leaves gain."""
    task = task_of(alpha=0, gate_alpha=0)
    grower = grower_of(task)
    grower.rng = np.random.default_rng(seed)
    mixture = grower._of(task.mixture.tree)
    run = Run(mixture, even(mixture, task.rows), task.rows, Settings()).advance(1000)
    for _ in range(3):
        changes = grower._splits(run)
        if not changes:
            break
        new_mixture, params = assembled(grower._of, changed(taken_apart(run), changes))
        log_likelihood = new_mixture.sums(params, task.rows).log_likelihood
        price = new_mixture.n_free(params) - mixture.n_free(run.params)
        promised = sum(change.profit for change in changes) + 0.5 * np.log(len(y)) * price
        assert log_likelihood >= run.point.sums.log_likelihood + promised - 0.02 * abs(promised)
        run, mixture = Run(new_mixture, params, task.rows, Settings()).advance(1000), new_mixture
        assert run.point.sums.log_likelihood >= log_likelihood - 1e-9 * abs(log_likelihood)


def test_taken_apart_and_assembled_is_the_same():
    task = task_of()
    run = grower_of(task).grown()
    mixture, params = assembled(grower_of(task)._of, taken_apart(run))
    assert mixture.tree == run.mixture.tree
    assert (ravel(params) == ravel(run.params)).all()


def test_a_split_that_does_not_pay_is_merged_again():
    task = task_of()
    grower = grower_of(task)
    run = grower.grown()
    parts = taken_apart(run)
    path, block = next(iter(parts.experts.items()))
    pair = grower._of(task.mixture.tree.parse(2))
    rows = grower._rows(run, task.rows, [0])
    single = even(grower._of(task.mixture.tree), rows)._replace(experts=(block,))
    needless = Change(path, grower._pair(rows, single), 0.0)
    split, params = assembled(grower._of, changed(parts, [needless]))
    assert split.tree.n_leaves == run.mixture.tree.n_leaves + 1
    wide = Run(split, params, task.rows, Settings()).advance(1000)
    mergers = grower._mergers(wide)
    assert path in [change.path for change in mergers]
    merged, params = assembled(grower._of, changed(taken_apart(wide), mergers))
    assert merged.tree == run.mixture.tree
    again = Run(merged, params, task.rows, Settings()).advance(1000)
    assert_allclose(again.objective, run.objective, atol=0.01)
    assert pair.tree.n_leaves == 2


def test_weights_are_repetitions():
    weight = np.random.default_rng(1).integers(0, 3, size=len(y))
    for criterion in ("bic", "held_out"):
        grow = {"n_experts": Growth(criterion), "n_init": 1, "random_state": 0, "tol": 1e-8}
        weighted = MoERegressor(**grow).fit(X, y, weight)
        repeated = MoERegressor(**grow).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
        assert weighted.tree_ == repeated.tree_
        assert_allclose(weighted.objective_, repeated.objective_, rtol=1e-7)


@pytest.mark.filterwarnings("ignore::skmoe.exceptions.CollapseWarning")
@pytest.mark.parametrize("n_rows", [2, 3, 4])
def test_without_rows_that_judge_nothing_grows(n_rows):
    assert MoERegressor(Growth("held_out"), n_init=1, random_state=0).fit(X[:n_rows], y[:n_rows]).n_experts_ == 1


@pytest.mark.filterwarnings("ignore::skmoe.exceptions.CollapseWarning")
@pytest.mark.parametrize("criterion", ["bic", "held_out"])
def test_a_constant_grows_nothing(criterion):
    assert MoERegressor(Growth(criterion), n_init=1, random_state=0).fit(X, np.ones(len(X))).n_experts_ == 1


def test_the_history_is_that_of_the_growth():
    model = MoERegressor("auto", n_init=2, random_state=0).fit(X, y)
    for history in (model.history_, *model.start_histories_):
        assert (np.diff([entry["pass"] for entry in history]) >= 0).all()
    assert 0.5 * model.n_passes_ > model.history_[-1]["pass"] > 10 * model.n_iter_
    assert_allclose(model.history_[-1]["objective"], model.objective_, rtol=1e-9)
    first = MoERegressor(1, tol=1e-9).fit(X, y)
    assert model.history_[0]["objective"] <= first.objective_ < model.objective_


def test_what_a_growing_tree_cannot_take():
    with pytest.raises(ValueError, match=r"n_experts='auto' grows a tree from one expert, so init cannot say"):
        MoERegressor("auto", init="tilt").fit(X, y)
    with pytest.raises(ValueError, match="so init_labels cannot say"):
        MoERegressor("auto").fit(X, y, init_labels=np.zeros(len(y), dtype=int))
    with pytest.raises(ValueError, match=r"so expert \(as a list\) cannot say"):
        MoERegressor("auto", expert=["gaussian"]).fit(X, y)
    with pytest.raises(ValueError, match=r"grows a tree, and GaussianGate.* divides flat mixtures only"):
        MoERegressor("auto", gate="gaussian").fit(X, y)
    with pytest.raises(ValueError, match="criterion='aic': expected 'bic' or 'held_out'"):
        Growth("aic")
    with pytest.raises(ValueError, match="max_experts=0: expected an int of at least 1"):
        Growth(max_experts=0)
    assert sum(chunk.weight.sum() for chunk in held_out(task_of().rows)[1]) == len(y) / 5
