"""Tree: which leaf hangs under which branch. A flat mixture is a tree of depth one.

The tree turns log probabilities of branches into log priors of leaves, and mass on leaves into mass on branches.
That is all it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np

#: What `Tree.parse` accepts: a number of experts, or a tuple of such shapes.
Shape = int | tuple

#: A tree inside: a leaf is the empty tuple, a node the tuple of its branches.
Nested = tuple


class Branch(NamedTuple):
    """One branch of a node.

    Attributes
    ----------
    path : tuple of int
        The way from the root: ``(1, 0)`` is the first branch below the second branch of the root.
    leaves : range
        The experts that hang under it.
    """

    path: tuple[int, ...]
    leaves: range

    def __str__(self) -> str:
        return ".".join(map(str, self.path))


class Node(NamedTuple):
    """A place where a gate divides rows among branches."""

    path: tuple[int, ...]
    branches: tuple[Branch, ...]


class Ordering(NamedTuple):
    """How a tree was rearranged: for each new node the old node and the old branches in their new order; old leaves."""

    tree: Tree
    nodes: tuple[int, ...]
    branches: tuple[np.ndarray, ...]
    leaves: np.ndarray


@dataclass(frozen=True)
class Tree:
    """The shape of a mixture: nodes with gates, leaves with experts.

    Make one with `Tree.parse`; ``print`` shows it, ``branches`` lists what the rows of ``gate_coef_`` stand for.

    Parameters
    ----------
    nested : tuple
        The leaf is ``()``, a node is the tuple of its branches.

    Examples
    --------
    >>> from skmoe.tree import Tree
    >>> tree = Tree.parse(((2, 2), 3))
    >>> tree.n_leaves
    7
    >>> [str(branch) for branch in tree.branches]
    ['0', '1', '0.0', '0.1', '0.0.0', '0.0.1', '0.1.0', '0.1.1', '1.0', '1.1', '1.2']
    """

    nested: Nested

    @classmethod
    def parse(cls, shape: Shape) -> Tree:
        """Tree of a number of experts or a tuple of numbers.

        An int is a flat mixture of that many experts. A tuple of ints is regular: ``(2, 3)`` is a root of two
        branches, each gating three experts. A tuple that holds tuples has those shapes as its branches:
        ``((2, 2), 3)`` has a branch with a tree of 2 x 2 and a branch that gates three experts. A node with one branch
        decides nothing and is left out.

        Raises
        ------
        ValueError
            Where the shape is no tree.
        """
        return cls(_simplified(_expanded(shape, shape)))

    @cached_property
    def n_leaves(self) -> int:
        return max(1, _count(self.nested))

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """Nodes, each before the nodes below it; a single leaf still has a root, with one branch."""
        if not self.nested:
            return (Node((), (Branch((0,), range(1)),)),)
        return tuple(_nodes(self.nested, (), 0))

    @property
    def branches(self) -> tuple[Branch, ...]:
        """All branches, node by node."""
        return tuple(branch for node in self.nodes for branch in node.branches)

    @cached_property
    def leaf_paths(self) -> tuple[tuple[int, ...], ...]:
        """The way from the root to each leaf; a single leaf is its own root."""
        if not self.nested:
            return ((),)
        nodes = {node.path for node in self.nodes}
        ends = sorted((branch.leaves.start, branch.path) for branch in self.branches if branch.path not in nodes)
        return tuple(path for _, path in ends)

    def leaf_log_prior(self, branch_log_prob: Sequence[np.ndarray]) -> np.ndarray:
        """Sums of log probabilities (n_branches, n_rows | 1) of each node along the way to each leaf."""
        if len(self.nodes) == 1:
            return branch_log_prob[0]
        n_rows = max(log_prob.shape[-1] for log_prob in branch_log_prob)
        log_prior = np.zeros((self.n_leaves, n_rows))
        for node, log_prob in zip(self.nodes, branch_log_prob, strict=True):
            for branch, values in zip(node.branches, log_prob, strict=True):
                log_prior[branch.leaves.start : branch.leaves.stop] += values
        return log_prior

    def branch_mass(self, leaf_mass: np.ndarray) -> list[np.ndarray]:
        """Mass (n_branches, ...) of each node from the mass (n_leaves, ...) of the leaves."""
        if len(self.nodes) == 1:
            return [leaf_mass]
        return [
            np.stack([leaf_mass[b.leaves.start : b.leaves.stop].sum(axis=0) for b in node.branches])
            for node in self.nodes
        ]

    def ordered(self, share: np.ndarray) -> Ordering:
        """The same tree with the branches of every node in falling order of their part of ``share`` (n_leaves,)."""
        # Rounded, so that ties stay in place whatever the order of summation did to the last digits.
        return self._rearranged(lambda child, leaves: -round(float(share[leaves.start : leaves.stop].sum()), 9))

    def canonical(self) -> Ordering:
        """The same tree with the branches of every node in an order that depends on their shapes alone."""
        return self._rearranged(lambda child, leaves: child)

    def _rearranged(self, key: Callable[[Nested, range], Any]) -> Ordering:
        nodes: list[int] = []
        branches: list[np.ndarray] = []
        leaves: list[int] = []
        index = {node.path: i for i, node in enumerate(self.nodes)}

        def visit(nested: Nested, path: tuple[int, ...], first: int) -> Nested:
            if not nested:
                leaves.append(first)
                return ()
            starts = first + np.cumsum([0] + [max(1, _count(child)) for child in nested])
            keys = [key(child, range(a, b)) for child, (a, b) in zip(nested, pairwise(starts), strict=True)]
            order = np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.intp)
            nodes.append(index[path])
            branches.append(order)
            return tuple(visit(nested[b], (*path, int(b)), int(starts[b])) for b in order)

        if not self.nested:
            return Ordering(self, (0,), (np.zeros(1, dtype=np.intp),), np.zeros(1, dtype=np.intp))
        nested = visit(self.nested, (), 0)
        return Ordering(Tree(nested), tuple(nodes), tuple(branches), np.array(leaves, dtype=np.intp))

    def __str__(self) -> str:
        lines = [f"{self.n_leaves} expert{'s' if self.n_leaves > 1 else ''}"]
        _draw(self.nested or ((),), "", iter(range(self.n_leaves)), lines)
        return "\n".join(lines)


def _expanded(shape: Shape, whole: Shape) -> Nested:
    """Leaves and nodes of a shape as given."""
    if isinstance(shape, Integral) and not isinstance(shape, bool) and shape >= 1:
        return ((),) * int(shape)
    if isinstance(shape, tuple) and shape:
        if any(isinstance(part, tuple) for part in shape):
            return tuple(_expanded(part, whole) for part in shape)
        nested: Nested = ()
        for n_branches in reversed(shape):
            _expanded(n_branches, whole)
            nested = (nested,) * int(n_branches)
        return nested
    raise ValueError(
        f"n_experts={whole!r} is no tree: expected an int of at least 1, or a non-empty tuple of such ints or tuples, "
        "for example 4, (2, 3) or ((2, 2), 3)."
    )


def _simplified(nested: Nested) -> Nested:
    """Without nodes of one branch."""
    if len(nested) == 1:
        return _simplified(nested[0])
    return tuple(_simplified(child) for child in nested)


def _count(nested: Nested) -> int:
    return sum(max(1, _count(child)) for child in nested)


def _nodes(nested: Nested, path: tuple[int, ...], first: int) -> Iterator[Node]:
    branches, below = [], []
    at = first
    for b, child in enumerate(nested):
        size = max(1, _count(child))
        branches.append(Branch((*path, b), range(at, at + size)))
        if child:
            below.append((child, (*path, b), at))
        at += size
    yield Node(path, tuple(branches))
    for child, child_path, start in below:
        yield from _nodes(child, child_path, start)


def _draw(nested: Nested, indent: str, leaf: Iterator[int], lines: list[str]) -> None:
    for b, child in enumerate(nested):
        last = b == len(nested) - 1
        label = f"branch {b}" if child else f"expert {next(leaf)}"
        lines.append(f"{indent}{'└── ' if last else '├── '}{label}")
        _draw(child, indent + ("    " if last else "│   "), leaf, lines)
