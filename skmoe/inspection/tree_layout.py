"""Where a tree lies on paper: from the root at the left to the experts below each other at the right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from ..tree import Path, Tree

#: Inches for texts of 8 points: width of a character and height of a line.
CHARACTER, LINE = 0.066, 0.15

#: Inches: the bend with which a branch leaves its node, the thickness of all rows, what is free around texts, and the
#: smallest distance of two experts.
BEND, THICK, GAP, ROW = 0.4, 0.4, 0.12, 0.36

#: Characters for which a branch has room at least.
_SHORTEST = 8


class Ribbon(NamedTuple):
    """A branch as it is drawn, or all rows where the path is empty; y grows downwards.

    It leaves its node at ``left`` with its middle at ``start``, bends to ``end`` and goes on to ``right``.
    """

    path: Path
    left: float
    right: float
    start: float
    end: float
    thickness: float


@dataclass(frozen=True)
class Layout:
    """Places of branches and of the columns of a table, in inches for texts of 8 points.

    Attributes
    ----------
    tree : Tree
    share : dict of tuple to float
        Share of the root and of each branch, by its path.
    above, below : dict of tuple to list of str
        Lines of text above and below each of them.
    table : list of list of str
        What stands beside the experts: columns, each with its heading first.
    caption : str
        What stands below all.
    """

    tree: Tree
    share: dict[Path, float]
    above: dict[Path, list[str]]
    below: dict[Path, list[str]]
    table: list[list[str]]
    caption: str

    @property
    def width(self) -> float:
        return max(self.columns[-1], CHARACTER * len(self.caption))

    @property
    def height(self) -> float:
        return self.top + self.row * self.tree.n_leaves + 2 * LINE

    @property
    def top(self) -> float:
        """Where the first expert's row begins, below the headings."""
        return 2 * LINE

    @cached_property
    def row(self) -> float:
        """Distance of two experts: a ribbon with its texts fits between them."""
        paths = [leaf.path for leaf in self.tree.leaves]
        n_lines = max(len(self.above[path]) + len(self.below[path]) for path in paths)
        return max(ROW, LINE * n_lines + THICK * max(self.share[path] for path in paths) + GAP)

    @cached_property
    def columns(self) -> list[float]:
        """Left ends of the columns of the table, and the right end of the last."""
        widths = [CHARACTER * max(map(len, column)) + 1.5 * GAP for column in self.table]
        return list(accumulate(widths, initial=self.levels[-1] + GAP))

    @cached_property
    def levels(self) -> list[float]:
        """Right ends of the branches of each depth, that of all rows first."""
        longest: dict[int, int] = {}
        for path in self.share:
            lines = [*self.above[path], *self.below[path], " " * _SHORTEST]
            longest[len(path)] = max(longest.get(len(path), 0), *map(len, lines))
        widths = [CHARACTER * longest[depth] + GAP + (BEND if depth else 0.0) for depth in sorted(longest)]
        return list(accumulate(widths))

    @cached_property
    def middle(self) -> dict[Path, float]:
        """Heights at which branches end: experts in even steps, a node between its first and its last branch."""
        at = {leaf.path: self.top + (k + 0.5) * self.row for k, leaf in enumerate(self.tree.leaves)}
        for node in reversed(self.tree.nodes):  # what is below comes first
            at[node.path] = 0.5 * (at[node.branches[0].path] + at[node.branches[-1].path])
        return at

    @cached_property
    def ribbons(self) -> tuple[Ribbon, ...]:
        """All rows, and every branch; those of one node leave it beside each other, as thick as it in all."""
        return tuple(self._ribbons())

    def _ribbons(self) -> Iterator[Ribbon]:
        yield Ribbon((), 0.0, self.levels[0], self.middle[()], self.middle[()], THICK * self.share[()])
        for node in self.tree.nodes:
            thickness = [THICK * self.share[branch.path] for branch in node.branches]
            edges = self.middle[node.path] - 0.5 * sum(thickness) + np.cumsum([0.0, *thickness])
            for branch, thick, edge in zip(node.branches, thickness, edges, strict=False):
                depth = len(branch.path)
                right = self.levels[-1] if branch in self.tree.leaves else self.levels[depth]
                start = float(edge + 0.5 * thick)
                yield Ribbon(branch.path, self.levels[depth - 1], right, start, self.middle[branch.path], thick)
