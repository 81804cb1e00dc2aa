"""Predictions of a tile against the lines of numpy whose place they take."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import special

from skmoe import kernels
from skmoe.fused import routes
from skmoe.kernels import codes
from skmoe.tree import Tree

SHAPES = [1, 3, (2, 3), ((2, 2), 3)]
CENTER, UNIT = np.array([100.0, -3.0]), np.array([7.0, 0.5])
N_ROWS, N_TILE, N_COEF = 50, 24, 4  # the last of three tiles is not full


def problem(shape, n_predictors, top_k=None, seed=0):
    """Designs of gates and experts in tiles, and a mixture with random coefficients."""
    rng = np.random.default_rng(seed)
    tree = Tree.parse(shape)
    designs = rng.standard_normal((2, N_COEF, 3 * N_TILE))
    designs[:, :, N_ROWS:] = 0.0
    tiles = [np.ascontiguousarray(d.reshape(N_COEF, 3, N_TILE).swapaxes(0, 1)) for d in designs]
    gate = 2 * rng.standard_normal((len(tree.branches), N_COEF))
    coef = rng.standard_normal((tree.n_leaves, n_predictors, N_COEF))
    top_k = tree.n_leaves if top_k is None else top_k
    mixed = kernels.predict.Mixed(routes(tree), gate, coef, top_k)
    return tree, designs[:, :, :N_ROWS], kernels.predict.Tiles(*tiles), mixed


def priors(tree, mixed, design):
    """Log priors of the leaves, (n_experts, n_rows)."""
    ends = np.cumsum([len(node.branches) for node in tree.nodes])[:-1]
    logits = np.split(mixed.gate @ design, ends)
    return tree.leaf_log_prior([special.log_softmax(z, axis=0) for z in logits])


def shares(tree, mixed, design):
    """Priors of the largest, made to sum to one."""
    prior = np.exp(priors(tree, mixed, design))
    order = np.argsort(-prior, axis=0, kind="stable")[: mixed.top_k]
    kept = np.zeros_like(prior)
    np.put_along_axis(kept, order, np.take_along_axis(prior, order, axis=0), axis=0)
    return kept / kept.sum(axis=0)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_priors(shape):
    tree, (design, _), tiles, mixed = problem(shape, 1)
    out = np.empty((N_ROWS, tree.n_leaves))
    kernels.predict.priors(tiles.gate, mixed, out)
    assert_allclose(out, np.exp(priors(tree, mixed, design)).T, rtol=1e-13)


FAMILIES = {
    "gaussian": (codes.GAUSSIAN, 1, lambda eta: eta, lambda mean, shape: np.exp(2 * shape[..., :1])),
    "student_t": (
        codes.STUDENT_T,
        2,
        lambda eta: eta,
        lambda mean, shape: np.exp(2 * shape[..., :1]) / (1 - 2 * shape[..., 1:]),
    ),
    "poisson": (codes.POISSON, 0, np.exp, lambda mean, shape: mean),
    "bernoulli": (codes.BERNOULLI, 0, special.expit, lambda mean, shape: mean * (1 - mean)),
}


@pytest.mark.parametrize("top_k", [None, 1, 2])
@pytest.mark.parametrize("shape", SHAPES[1:], ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_moments(family, shape, top_k):
    number, n_shape, to_mean, to_variance = FAMILIES[family]
    tree, (gate, expert), tiles, mixed = problem(shape, 2, top_k)
    constants = np.random.default_rng(1).uniform(0.1, 0.4, (tree.n_leaves, 2, n_shape))
    outputs = kernels.predict.Outputs(number, constants, CENTER, UNIT)
    means = to_mean(mixed.coef @ expert)
    share = shares(tree, mixed, gate)[:, None]
    mean = (share * means).sum(axis=0)
    variance = (share * (to_variance(means, constants) + (means - mean) ** 2)).sum(axis=0)
    got, spread = np.empty((2, N_ROWS, 2))
    kernels.predict.moments(tiles, mixed, outputs, got, spread)
    assert_allclose(got, CENTER + UNIT * mean.T, rtol=1e-12)
    assert_allclose(spread, UNIT**2 * variance.T, rtol=1e-12)
    alone = np.empty((N_ROWS, 2))
    kernels.predict.moments(tiles, mixed, outputs, alone, np.empty((0, 2)))
    assert_array_equal(alone, got)


@pytest.mark.parametrize("top_k", [None, 1, 2])
@pytest.mark.parametrize("shape", SHAPES[1:], ids=str)
@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_classes(n_classes, shape, top_k):
    tree, (gate, expert), tiles, mixed = problem(shape, n_classes if n_classes > 2 else 1, top_k)
    eta = mixed.coef @ expert
    logits = eta if n_classes > 2 else np.concatenate([np.zeros_like(eta), eta], axis=1)
    proba = np.einsum("kn,kcn->nc", shares(tree, mixed, gate), special.softmax(logits, axis=1))
    out = np.empty((N_ROWS, n_classes))
    kernels.predict.classes(tiles, mixed, out)
    assert_allclose(out, proba, rtol=1e-12)


def test_both_classes_to_all_digits():
    """The probability of the rare class has as many digits as that of the other."""
    _, _, tiles, mixed = problem(1, 1)
    tiles.expert[:] = 0.0
    tiles.expert[:, 0] = 1.0
    out = np.empty((N_ROWS, 2))
    for logit in (-40.0, 40.0):
        mixed.coef[:] = logit
        kernels.predict.classes(tiles, mixed, out)
        assert_allclose(out, special.expit([[-logit, logit]]).repeat(N_ROWS, axis=0), rtol=1e-14)


@pytest.mark.parametrize("shape", [30, (30, 2), (2, 15)], ids=str)
@pytest.mark.parametrize("top_k", [1, 2, 3, 29])
def test_experts_that_count_are_chosen_or_picked_of_all(shape, top_k):
    """Of many experts few are evaluated: those of every row by themselves."""
    tree, (gate, expert), tiles, mixed = problem(shape, 3, top_k)
    proba = np.einsum("kn,kcn->nc", shares(tree, mixed, gate), special.softmax(mixed.coef @ expert, axis=1))
    out = np.empty((N_ROWS, 3))
    kernels.predict.classes(tiles, mixed, out)
    assert_allclose(out, proba, rtol=1e-12)


@pytest.mark.parametrize("n_experts", [4, 40])
@pytest.mark.parametrize("top_k", [1, 2, 3])
def test_of_equals_the_first_counts(n_experts, top_k):
    """Some of many experts that all are equally probable, behind one that is more so."""
    _, (_, expert), tiles, mixed = problem(n_experts, 1, top_k)
    mixed.gate[:] = 0.0
    tiles.gate[:, 0] = 1.0
    last = n_experts - 1
    mixed.gate[last, 0] = 1.0
    weight = np.array([np.e, 1.0, 1.0])[:top_k]
    chosen = (mixed.coef @ expert)[[last, 0, 1][:top_k], 0]
    got, no_variance = np.empty((N_ROWS, 1)), np.empty((0, 1))
    outputs = kernels.predict.Outputs(codes.GAUSSIAN, np.zeros((n_experts, 1, 1)), np.zeros(1), np.ones(1))
    kernels.predict.moments(tiles, mixed, outputs, got, no_variance)
    assert_allclose(got[:, 0], weight @ chosen / weight.sum(), rtol=1e-12, atol=1e-14)


def test_rows_beyond_all_reason():
    """Probabilities that underflow are nothing; one expert is left, and of a tree one branch."""
    for shape in (3, (2, 2)):
        tree, _, tiles, mixed = problem(shape, 1)
        tiles.gate[:] = 0.0
        tiles.gate[:, 0] = 1.0
        mixed.gate[:] = 0.0
        mixed.gate[:, 0] = -1e4 * np.arange(len(mixed.gate))
        out = np.empty((N_ROWS, tree.n_leaves))
        kernels.predict.priors(tiles.gate, mixed, out)
        assert_allclose(out, np.eye(tree.n_leaves)[:1].repeat(N_ROWS, axis=0), rtol=0, atol=1e-300)


def test_infinite_variances_of_experts_without_a_share():
    _, _, tiles, mixed = problem(2, 1)
    tiles.gate[:] = 0.0
    tiles.gate[:, 0] = 1.0
    mixed.gate[:] = [[0.0] * N_COEF, [-1e4] + [0.0] * (N_COEF - 1)]
    constants = np.array(
        [[[0.0, 0.1]], [[0.0, 0.5]]]
    )  # one over degrees of freedom: of the second the variance is none
    outputs = kernels.predict.Outputs(codes.STUDENT_T, constants, np.zeros(1), np.ones(1))
    mean, variance = np.empty((2, N_ROWS, 1))
    kernels.predict.moments(tiles, mixed, outputs, mean, variance)
    assert np.isinf(variance).all()  # 1e-308 of infinity
    kernels.predict.moments(tiles, mixed._replace(top_k=1), outputs, mean, variance)
    assert_allclose(variance, 1.25, rtol=1e-14)
