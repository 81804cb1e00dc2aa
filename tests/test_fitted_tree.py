"""Trees of fitted mixtures: a shape as before, with notes that add up, and a print that says them."""

from __future__ import annotations

import pickle
from functools import cache

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skmoe import MoEClassifier, MoERegressor
from skmoe.fitted_tree import FittedTree, Note
from skmoe.responses import ClassShares, MeanResponse
from skmoe.rows.columns import Columns
from skmoe.rows.design import Standardizer
from skmoe.splits import Split
from skmoe.tree import Tree

#: Four experts are too many for these classes, which is no matter here.
pytestmark = pytest.mark.filterwarnings("ignore::skmoe.exceptions.CollapseWarning")

rng = np.random.default_rng(0)
X = rng.normal(size=(400, 3)) * [1.0, 50.0, 1e-3]
Y = np.where(X[:, 0] > 0.3, X[:, 1] / 10, np.where(X[:, 1] > 0, -4.0, 4.0)) + 1e6 + rng.normal(size=400)
LABELS = np.array(["low", "middle", "high"])[np.digitize(Y - 1e6, [-2, 2])]
WEIGHT = rng.integers(0, 4, 400).astype(float)


@cache
def regressor(n_experts, **params):
    return MoERegressor(n_experts, n_init=2, random_state=0, **params).fit(X, Y, WEIGHT)


@cache
def classifier(n_classes, **params):
    labels = LABELS if n_classes == 3 else LABELS == "high"
    return MoEClassifier((2, 2), n_init=2, random_state=0, **params).fit(X, labels, WEIGHT), labels


every_shape = pytest.mark.parametrize("n_experts", [1, 3, (2, 2), ((2, 1), 3), (2, 2, 2)], ids=str)


def leaf_responsibilities(model, y):
    """Responsibilities of the leaves under the root and under every branch, times sample weight."""
    h = model.responsibilities(X, y) * WEIGHT[:, None]
    return {(): h.sum(axis=1)} | {b.path: h[:, list(b.leaves)].sum(axis=1) for b in model.tree_.branches}


# -- a tree as before --------------------------------------------------------------------------------------------------


@every_shape
def test_it_is_the_tree_of_its_shape(n_experts):
    tree = regressor(n_experts).tree_
    plain = Tree(tree.nested)
    assert tree == plain
    assert plain == tree
    assert hash(tree) == hash(plain)
    assert {tree: 1}[plain] == 1
    assert tree.branches == plain.branches
    assert tree != Tree.parse((3, 3))
    assert tree != str(tree)
    assert set(tree.notes) == {(), *(branch.path for branch in tree.branches)}


def test_it_survives_pickling():
    tree = regressor((2, 2)).tree_
    again = pickle.loads(pickle.dumps(tree))
    assert again == tree
    assert str(again) == str(tree) == repr(tree)


# -- notes -------------------------------------------------------------------------------------------------------------


@every_shape
def test_shares_add_up(n_experts):
    model = regressor(n_experts)
    notes = model.tree_.notes
    assert notes[()].share == pytest.approx(1)
    for node in model.tree_.nodes:
        assert sum(notes[branch.path].share for branch in node.branches) == pytest.approx(notes[node.path].share)
    leaves = [notes[path].share for path in sorted(notes) if notes[path].split is None]
    assert_allclose(leaves, model.expert_share_)


@every_shape
def test_mean_response_is_weighted_by_responsibilities(n_experts):
    model = regressor(n_experts)
    for path, mass in leaf_responsibilities(model, Y).items():
        expected = np.average(Y, weights=mass)
        assert_allclose(model.tree_.notes[path].response, [expected], rtol=0, atol=1e-8)
    assert model.tree_.notes[()].response[0] == pytest.approx(np.average(Y, weights=WEIGHT))


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_shares_of_classes_do_not_count_class_weights(n_classes, class_weight):
    model, labels = classifier(n_classes, class_weight=class_weight)
    for path, mass in leaf_responsibilities(model, labels).items():
        expected = [mass[labels == label].sum() / mass.sum() for label in model.classes_]
        assert_allclose(model.tree_.notes[path].response, expected, rtol=0, atol=1e-12)
    assert model.tree_.notes[()].share == pytest.approx(1)


@pytest.mark.parametrize("n_experts", [3, (2, 2)], ids=str)
def test_certainty_is_the_mean_of_the_likeliest_branch(n_experts):
    model = regressor(n_experts)
    prior = model.gate_proba(X)
    mass = leaf_responsibilities(model, Y)
    for node in model.tree_.nodes:
        branches = np.stack([prior[:, list(b.leaves)].sum(axis=1) for b in node.branches])
        expected = np.average(branches.max(axis=0) / branches.sum(axis=0), weights=mass[node.path])
        assert model.tree_.notes[node.path].split.certainty == pytest.approx(expected, rel=1e-9)


def test_weights_are_rows_given_again():
    model = MoERegressor((2, 2), n_init=2, random_state=0)
    one = model.fit(X, Y, WEIGHT).tree_
    other = model.fit(np.repeat(X, WEIGHT.astype(int), axis=0), np.repeat(Y, WEIGHT.astype(int))).tree_
    assert str(one) == str(other)
    for path, note in one.notes.items():
        assert_allclose(note.response, other.notes[path].response, rtol=0, atol=1e-5)


def test_the_root_of_an_average_ignores_x():
    model = MoERegressor((2, 2), n_init=3, combine_inits="average", random_state=0).fit(X, Y)
    tree = model.tree_
    assert tree.notes[()].split.ignores_x
    below = str(tree).splitlines()
    assert [line.endswith("whatever x") for line in below if " branch " in line and line[0] in "├└"] == [True] * 3
    for i, member in enumerate(model.members_):
        for path, note in member.tree_.notes.items():
            if note.split is not None:
                assert tree.notes[(i, *path)].split.words(0, tree.names) == note.split.words(0, tree.names)
        assert tree.notes[(i,)].share == pytest.approx(model.expert_share_[4 * i : 4 * i + 4].sum())


# -- print -------------------------------------------------------------------------------------------------------------


def drawn(shape, notes, names=("age", "dose"), summary=None):
    """A tree with hand-made notes: of the root and of every branch in order, share, response and gate."""
    tree = Tree.parse(shape)
    columns = Columns(np.arange(2), 2, Standardizer(np.array([40.0, 3.0]), np.array([10.0, 2.0])))
    paths = [(), *(branch.path for branch in tree.branches)]
    made = {
        path: Note(share, np.atleast_1d(response), None if coef is None else Split(np.array(coef), columns, 0.875))
        for path, (share, response, coef) in zip(paths, notes, strict=True)
    }
    return FittedTree(tree.nested, made, names, MeanResponse((1.5,)) if summary is None else summary)


def test_print():
    tree = drawn(
        ((2,), 1),
        [
            (1.0, 2.5, [[1.0, 2.0, 0.0], [-1.0, -2.0, 0.0]]),
            (0.75, 3.0, [[0.5, 0.5, -1.0], [-0.5, -0.5, 1.0]]),
            (0.25, 1.0, None),
            (0.74996, -10.0, None),
            (0.00004, np.nan, None),
        ],
    )
    assert str(tree).splitlines() == [
        "3 experts          share    mean  sure",
        "all rows            100%    2.50   88%",
        "├── branch 0         75%    3.00   88%  where age > 35.0",
        "│   ├── expert 0     75%  -10.00        where dose - 0.1 * age < 0.00",
        "│   └── expert 1  <0.01%       -        elsewhere",
        "└── expert 2         25%    1.00        elsewhere",
    ]


def test_print_of_a_single_expert_and_of_gates_that_ignore_x():
    tree = drawn(1, [(1.0, 2.0, [[0.0, 0.0, 0.0]]), (1.0, 2.0, None)])
    assert str(tree).splitlines() == [
        "1 expert      share  mean",
        "all rows       100%  2.00",
        "└── expert 0   100%  2.00",
    ]
    even = [[0.2, 0.0, 0.0], [-0.2, 0.0, 0.0]]
    tree = drawn(2, [(1.0, 2.0, even), (0.6, 1.0, None), (0.4, 3.5, None)])
    assert str(tree).splitlines() == [
        "2 experts     share  mean",
        "all rows       100%  2.00",
        "├── expert 0    60%  1.00  whatever x",
        "└── expert 1    40%  3.50  whatever x",
    ]


@pytest.mark.parametrize(
    ("classes", "response", "heading", "text"),
    [
        (("no", "fraud"), [0.998, 0.002], "rate of fraud", "0.20%"),
        ((0, 1, 2), [0.2, 0.2, 0.6], "class", "2 (60%)"),
        ((False, True), [np.nan, np.nan], "rate of True", "-"),
    ],
)
def test_classes(classes, response, heading, text):
    summary = ClassShares(classes)
    assert summary.heading == heading
    assert summary.text(np.array(response)) == text


def test_several_outputs():
    """Sums of each output, and texts with the digits that count for each."""
    y = np.array([[1.0, 100.0], [3.0, 300.0]])
    summary = MeanResponse.of(y, np.ones(2))
    sums = summary.sums(y, np.array([1.0, 2.0]), np.array([[0.5, 0.5], [1.0, 0.0]]))
    assert_allclose(sums, [[6.5, 650.0], [0.5, 50.0]])
    assert summary.text(np.array([1.23456, 123.456])) == "1.23, 123"


def test_names_can_be_given():
    tree = regressor((2, 2)).tree_
    renamed = tree.renamed(["a", "b", "c"])
    assert renamed.notes is tree.notes
    assert (
        str(renamed).replace(" a ", " x0 ").replace(" b ", " x1 ").replace(" c ", " x2 ").split() == str(tree).split()
    )
