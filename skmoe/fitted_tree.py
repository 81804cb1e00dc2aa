"""FittedTree: the tree of a fitted mixture, with what the training rows say of its branches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np

from .digits import percent
from .model import FittedMixture
from .responses import Summary
from .splits import Split
from .training_rows import Said
from .tree import Path, Tree


class Note(NamedTuple):
    """What is known of the root, or of a branch.

    Attributes
    ----------
    share : float
        Part of the training mass that comes here.
    response : ndarray of shape (n_outputs,) or (n_classes,)
        Mean of the response here, in units of y, or shares of the classes: over the training rows, weighted by sample
        weight and responsibility. NaN where no row comes.
    split : Split or None
        How the gate here divides the rows; None where there is no gate.
    """

    share: float
    response: np.ndarray
    split: Split | None


@dataclass(frozen=True, eq=False, repr=False)
class FittedTree(Tree):
    """The tree of a fitted mixture: as a `Tree` it equals any tree of the same shape, and ``print`` shows what it says.

    It prints a line for all rows and one for each branch, with

    - its share of the training mass;
    - the mean response of its rows; of two classes the rate of the second, of more the most frequent and its share;
    - where it has a gate, how sure that is: the mean probability of the likeliest branch, over the rows that come here;
    - which rows it takes. Of two branches the first has a condition: of a single column the place of even odds, of
      several two sides that differ by the log-odds. Of more branches each has the predictor that pulls rows to it,
      against those of the others. The columns with the largest slopes per standard deviation are named, three at
      most, and the others held at their mean.

    Parameters
    ----------
    nested : tuple
        As in `Tree`.
    notes : dict of tuple to Note
        What is known of the root, ``()``, and of each branch, by its path.
    names : tuple of str
        Names of the features.
    summary : MeanResponse or ClassShares
        What a mean response is.

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe import MoERegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-1, 1, size=(900, 2))
    >>> y = np.where(X[:, 0] < 0.2, np.where(X[:, 1] < X[:, 0], 3 * X[:, 1], 4.0), -X[:, 1])
    >>> y += 0.1 * rng.standard_normal(900)
    >>> tree = MoERegressor(((2,), 1), random_state=0).fit(X, y).tree_  # a branch with two experts, and one expert
    >>> print(tree)
    3 experts         share   mean  sure
    all rows           100%   1.32   99%
    ├── branch 0        58%   2.23   99%  where x0 < 0.200, 1 column left out
    │   ├── expert 0    40%   4.00        where 46.1 * x1 - 45.2 * x0 > 0.5
    │   └── expert 1    18%  -1.73        elsewhere
    └── expert 2        42%   0.05        elsewhere
    >>> tree.branches[2].path, round(tree.notes[(0, 0)].share, 2), tree.notes[(0, 0)].response.round(1)
    ((0, 0), 0.4, array([4.]))
    """

    notes: dict[Path, Note]
    names: tuple[str, ...]
    summary: Summary

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tree) and self.nested == other.nested

    __hash__ = Tree.__hash__

    def renamed(self, names: Iterable[str]) -> Self:
        """The same tree with other names of the features."""
        return replace(self, names=tuple(names))

    def at_rows(self, share: np.ndarray, mass: np.ndarray, sums: np.ndarray) -> Self:
        """The same splits with the shares and mean responses of other rows.

        Parameters
        ----------
        share : ndarray of shape (n_leaves,)
            Share of each leaf.
        mass : ndarray of shape (n_leaves,)
            What sums are divided by.
        sums : ndarray of shape (n_leaves, n_outputs | n_classes)
            Sums of responses.
        """
        splits = {path: note.split for path, note in self.notes.items() if note.split is not None}
        return replace(self, notes=_notes(self, splits, share, mass, sums))

    def _words(self, path: Path) -> str:
        """Which rows a branch takes."""
        split = self.notes[path[:-1]].split
        return split.words(path[-1], self.names) if path and split is not None else ""

    def __str__(self) -> str:
        first, *below = Tree.__str__(self).splitlines()
        paths = sorted(self.notes)  # in the order of the lines: a branch stands before those below it
        columns = [[first, "all rows", *below], *self._columns([self.notes[path] for path in paths])]
        widths = [max(map(len, column)) for column in columns]
        lines = []
        for (label, *cells), words in zip(zip(*columns, strict=True), ["", *map(self._words, paths)], strict=True):
            right = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
            lines.append("  ".join([label.ljust(widths[0]), *right, words]).rstrip())
        return "\n".join(lines)

    __repr__ = __str__

    def _columns(self, notes: list[Note]) -> Iterator[list[str]]:
        """The columns of the table, each below its heading."""
        yield ["share", *(percent(note.share) for note in notes)]
        yield [self.summary.heading, *(self.summary.text(note.response) for note in notes)]
        sure = ["" if note.split is None or note.split.ignores_x else percent(note.split.certainty) for note in notes]
        if any(sure):
            yield ["sure", *sure]


def described(fitted: FittedMixture, said: Said, summary: Summary, names: Iterable[str]) -> FittedTree:
    """The tree of a fitted mixture with what its training rows say."""
    splits: dict[Path, Split] = {}
    gates = zip(fitted.tree.nodes, fitted.mixture.gates, fitted.params.gates, said.likeliest, strict=True)
    for node, gate, params, likeliest in gates:
        mass = said.trained[node.branches[0].leaves.start : node.branches[-1].leaves.stop].sum()
        coef = gate.coef(params, len(fitted.gate.index) + 1)
        if coef is not None:  # else its borders are no hyperplanes, and there is no sentence for them
            splits[node.path] = Split(coef, fitted.gate, _ratio(likeliest, mass))
    notes = _notes(fitted.tree, splits, said.trained / said.trained.sum(), said.mass, said.responses)
    return FittedTree(fitted.tree.nested, notes, tuple(names), summary)


def _notes(
    tree: Tree, splits: dict[Path, Split], share: np.ndarray, mass: np.ndarray, sums: np.ndarray
) -> dict[Path, Note]:
    places: dict[Path, slice] = {(): slice(0, tree.n_leaves)}
    places |= {branch.path: slice(branch.leaves.start, branch.leaves.stop) for branch in tree.branches}
    return {
        path: Note(float(share[at].sum()), _ratio(sums[at].sum(axis=0), mass[at].sum()), splits.get(path))
        for path, at in places.items()
    }


def _ratio(total: Any, mass: Any) -> Any:
    """What a total is per unit of mass; NaN where there is no mass."""
    return total / mass if mass > 0 else total * np.nan
