"""Trees: shapes, sums along the way to each leaf, and orders."""

from __future__ import annotations

import re

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skmoe.tree import Tree

SHAPES = [1, 2, 5, (2, 3), (2, 2, 2), ((2, 2), 3), (3, (2, 2)), (1, ((2, 3), 2), 2)]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


@pytest.mark.parametrize(
    ("shape", "nested"),
    [
        (1, ()),
        (3, ((), (), ())),
        ((2, 3), (((),) * 3,) * 2),
        (((2, 2), 3), ((((),) * 2,) * 2, ((),) * 3)),
        # A node of one branch decides nothing.
        ((2, 1), ((), ())),
        ((1, 3), ((), (), ())),
        ((((((2,),),),),), ((), ())),
        (((1, 1), 2), ((), ((), ()))),
        (np.int64(2), ((), ())),
    ],
    ids=str,
)
def test_parse(shape, nested):
    assert Tree.parse(shape) == Tree(nested)


@pytest.mark.parametrize("shape", [0, -1, 2.0, "3", None, True, (), (2, 0), (2, ()), (2, "3"), [2, 2], ((2, -1), 2)])
def test_what_is_no_tree(shape):
    with pytest.raises(ValueError, match=f"n_experts={re.escape(repr(shape))} is no tree: expected an int"):
        Tree.parse(shape)


@pytest.mark.parametrize(
    ("shape", "nodes", "branches"),
    [
        (1, [()], {"0": [0]}),
        (3, [()], {"0": [0], "1": [1], "2": [2]}),
        ((2, 2), [(), (0,), (1,)], {"0": [0, 1], "1": [2, 3], "0.0": [0], "0.1": [1], "1.0": [2], "1.1": [3]}),
        ((2, ((2, 1), 1)), [(), (0,), (1,), (1, 0)], None),
        (
            (1, (2, 2)),
            [(), (1,), (1, 0), (1, 1)],
            {"0": [0], "1": [1, 2, 3, 4], "1.0": [1, 2], "1.1": [3, 4]}
            | {"1.0.0": [1], "1.0.1": [2], "1.1.0": [3], "1.1.1": [4]},
        ),
    ],
    ids=str,
)
def test_nodes_and_branches(shape, nodes, branches):
    tree = Tree.parse(shape)
    assert [node.path for node in tree.nodes] == nodes
    if branches is not None:
        assert {str(branch): list(branch.leaves) for branch in tree.branches} == branches


@every_shape
def test_leaves(shape):
    """Branches with nothing below them, one an expert, in the order of the experts."""
    tree = Tree.parse(shape)
    assert [list(leaf.leaves) for leaf in tree.leaves] == [[k] for k in range(tree.n_leaves)]
    assert {leaf.path for leaf in tree.leaves}.isdisjoint(node.path for node in tree.nodes)


def random_log_prob(tree, rng, n_rows):
    """Log probabilities of the branches of every node; some gates ignore x."""
    return [
        np.log(rng.dirichlet(np.ones(len(node.branches)), size=n_rows if i % 2 == 0 else 1).T)
        for i, node in enumerate(tree.nodes)
    ]


@every_shape
def test_prior_of_a_leaf_is_the_product_along_its_way(shape):
    tree, rng = Tree.parse(shape), np.random.default_rng(0)
    log_prob = random_log_prob(tree, rng, 6)
    expected = np.zeros((tree.n_leaves, 6))
    for node, values in zip(tree.nodes, log_prob, strict=True):
        for branch, value in zip(node.branches, values, strict=True):
            for leaf in branch.leaves:
                expected[leaf] += value
    prior = tree.leaf_log_prior(log_prob)
    assert_allclose(prior, expected, rtol=1e-14)
    assert_allclose(np.exp(prior).sum(axis=0), 1, rtol=1e-12)


@every_shape
def test_mass_of_a_branch_is_that_of_its_leaves(shape):
    tree = Tree.parse(shape)
    mass = np.random.default_rng(1).random((tree.n_leaves, 4))
    for node, of_branches in zip(tree.nodes, tree.branch_mass(mass), strict=True):
        expected = [mass[list(branch.leaves)].sum(axis=0) for branch in node.branches]
        assert_allclose(of_branches, expected, rtol=1e-14)


@every_shape
@pytest.mark.parametrize("seed", range(3))
def test_ordered(shape, seed):
    """Shares fall from branch to branch, every leaf is kept, and a second time nothing moves."""
    tree = Tree.parse(shape)
    share = np.random.default_rng(seed).dirichlet(np.ones(tree.n_leaves))
    ordering = tree.ordered(share)
    assert sorted(ordering.leaves) == list(range(tree.n_leaves))
    for of_branches in ordering.tree.branch_mass(share[ordering.leaves]):
        assert (np.diff(of_branches) <= 0).all()
    again = ordering.tree.ordered(share[ordering.leaves])
    assert again.tree == ordering.tree
    assert_array_equal(again.leaves, np.arange(tree.n_leaves))


@every_shape
def test_ordering_names_the_old_nodes_and_branches(shape):
    """Gates that are carried over with their branches give every leaf the prior that it had."""
    tree, rng = Tree.parse(shape), np.random.default_rng(2)
    log_prob = random_log_prob(tree, rng, 5)
    for ordering in (tree.ordered(rng.random(tree.n_leaves)), tree.canonical()):
        carried = [log_prob[i][order] for i, order in zip(ordering.nodes, ordering.branches, strict=True)]
        assert_allclose(
            ordering.tree.leaf_log_prior(carried), tree.leaf_log_prior(log_prob)[ordering.leaves], rtol=1e-13
        )


def test_ties_stay_in_place():
    """Shares that differ by rounding only are equal: another order of summation must not swap experts."""
    assert_array_equal(Tree.parse(3).ordered(np.array([0.3, 0.3 + 1e-13, 0.4])).leaves, [2, 0, 1])


@pytest.mark.parametrize(("one", "other"), [(((2, 2), 3), (3, (2, 2))), ((1, (2, 2), 2), (2, 1, (2, 2)))], ids=str)
def test_canonical_order_forgets_the_order_of_branches(one, other):
    assert Tree.parse(one) != Tree.parse(other)
    assert Tree.parse(one).canonical().tree == Tree.parse(other).canonical().tree


def test_print():
    assert str(Tree.parse(1)) == "1 expert\n└── expert 0"
    assert str(Tree.parse(((2, 1), 1))).splitlines() == [
        "3 experts",
        "├── branch 0",
        "│   ├── expert 0",
        "│   └── expert 1",
        "└── expert 2",
    ]
