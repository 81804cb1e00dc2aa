"""Colours and labels of the experts."""

from __future__ import annotations

from skmoe.inspection import palette
from skmoe.tree import Tree


def test_experts_are_told_apart_by_colour_and_dashes():
    n = len(palette.COLORS) * len(palette.DASHES)
    assert len({(palette.color(k), palette.dash(k)) for k in range(n)}) == n


def test_labels_of_an_unbalanced_tree():
    labels = palette.labels(Tree.parse(((2, 2), 1)))
    assert labels == [f"expert {k} ({path})" for k, path in enumerate(["0.0.0", "0.0.1", "0.1.0", "0.1.1", "1"])]
    assert palette.labels(Tree.parse(1)) == ["expert 0"]
