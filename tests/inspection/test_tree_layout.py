"""Where a tree lies: nothing overlaps, and ribbons are as thick as shares."""

from __future__ import annotations

import numpy as np
import pytest

from skmoe.inspection.tree_layout import CHARACTER, LINE, THICK, Layout
from skmoe.tree import Tree

SHAPES = [1, 5, (2, 2), ((2, 2), 3), (1, (2, (2, 3))), (2,) * 6]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def layout_of(shape, seed=0):
    tree, rng = Tree.parse(shape), np.random.default_rng(seed)
    leaves = rng.dirichlet(np.ones(tree.n_leaves))
    share = {(): 1.0} | {b.path: float(leaves[list(b.leaves)].sum()) for b in tree.branches}
    above = {path: ["a question", "in two lines"] if len(path) % 2 else ["all"] for path in share}
    below = {path: [] if len(path) == 2 else ["what is below"] for path in share}
    return Layout(tree, share, above, below, [["expert", *map(str, range(tree.n_leaves))], ["share", "1%"]], "caption")


@every_shape
def test_ribbons_of_a_node_leave_it_side_by_side(shape):
    layout = layout_of(shape)
    ribbons = {ribbon.path: ribbon for ribbon in layout.ribbons}
    assert set(ribbons) == set(layout.share)
    for path, ribbon in ribbons.items():
        assert ribbon.thickness == pytest.approx(THICK * layout.share[path])
    for node in layout.tree.nodes:
        trunk, branches = ribbons[node.path], [ribbons[b.path] for b in node.branches]
        edges = np.array([[b.start - b.thickness / 2, b.start + b.thickness / 2] for b in branches])
        np.testing.assert_allclose(edges[1:, 0], edges[:-1, 1])
        np.testing.assert_allclose(edges[[0, -1], [0, 1]], trunk.end + np.array([-0.5, 0.5]) * trunk.thickness)
        assert all(b.left == trunk.right for b in branches)


@every_shape
def test_texts_have_room(shape):
    """Experts are so far apart that ribbons with their lines fit in between; branches are as long as their lines."""
    layout = layout_of(shape)
    gated = {node.path for node in layout.tree.nodes}
    leaves = [ribbon for ribbon in layout.ribbons if ribbon.path not in gated]
    ends = sorted(leaf.end for leaf in leaves)
    np.testing.assert_allclose(np.diff(ends), layout.row)
    for leaf in leaves:
        n_lines = len(layout.above[leaf.path]) + len(layout.below[leaf.path])
        assert layout.row > leaf.thickness + n_lines * LINE
        assert leaf.right == layout.levels[-1] < layout.columns[0]
    for ribbon in layout.ribbons:
        longest = max(map(len, [*layout.above[ribbon.path], *layout.below[ribbon.path]]))
        assert ribbon.right - ribbon.left > longest * CHARACTER
    assert min(r.end - r.thickness / 2 for r in layout.ribbons) > 0
    assert max(r.end + r.thickness / 2 for r in layout.ribbons) < layout.height - LINE
    assert layout.columns[-1] <= layout.width


def test_the_caption_fits():
    layout = layout_of(1)
    assert layout.width > len(layout.caption) * CHARACTER
    longer = Layout(layout.tree, layout.share, layout.above, layout.below, layout.table, 100 * "x")
    assert longer.width == pytest.approx(100 * CHARACTER)
