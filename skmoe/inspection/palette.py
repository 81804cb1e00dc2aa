"""What stands for expert k in every figure: its colour, its dashes and its label."""

from __future__ import annotations

from typing import Literal

from ..tree import Tree

#: Okabe & Ito's colours, told apart by colour-blind readers too. Black is left to what is no expert (its place has the
#: wine of Tol's muted scheme), and yellow comes last because lines of it are faint on white.
#: https://jfly.uni-koeln.de/color/ and https://sronpersonalpages.nl/~pault/
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#882255", "#F0E442")

#: From the ninth expert colours come again with other dashes.
DASHES: tuple[Literal["-", "--", ":", "-."], ...] = ("-", "--", ":", "-.")

#: What is no expert: rows, and the mixture as a whole.
GREY, INK = "#8C8C8C", "#262626"


def color(k: int) -> str:
    """Colour of expert k.

    Examples
    --------
    >>> color(0) == color(len(COLORS)) == COLORS[0]
    True
    """
    return COLORS[k % len(COLORS)]


def dash(k: int) -> Literal["-", "--", ":", "-."]:
    """Dashes of a line of expert k."""
    return DASHES[k // len(COLORS) % len(DASHES)]


def short(label: str) -> str:
    """A label where the word expert stands beside it already."""
    return label.removeprefix("expert ")


def labels(tree: Tree) -> list[str]:
    """Names of the experts; below a tree of several nodes with the way from the root.

    Examples
    --------
    >>> labels(Tree.parse(2))
    ['expert 0', 'expert 1']
    >>> labels(Tree.parse((2, 2)))
    ['expert 0 (0.0)', 'expert 1 (0.1)', 'expert 2 (1.0)', 'expert 3 (1.1)']
    """
    return [f"expert {k}" + (f" ({leaf})" if len(tree.nodes) > 1 else "") for k, leaf in enumerate(tree.leaves)]
