"""TreeDisplay: the tree of gates, what each asks, and how many rows go which way."""

from __future__ import annotations

import re
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from .._pipeline import inside
from .._validation import check_weight
from ..digits import percent
from ..fitted_tree import FittedTree
from ..tree import Path
from .canvas import axes, inches
from .members import chosen, told
from .palette import INK, color, labels, short
from .tree_layout import BEND, GAP, LINE, Layout, Ribbon

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Points: the size of texts where there is room, and the smallest; below that branches ask less.
_SIZE, _SMALLEST = 8.0, 4.5

#: From this number of experts on texts of a new figure are smaller.
_MANY = 24

#: Characters from which a question is broken into lines, and where it may be.
_LONG, _BREAK = 34, re.compile(r" (?=[+\N{MINUS SIGN}<>] |\()")

#: Branches that divide further.
_INNER = "#CFCFCF"


@dataclass(kw_only=True, eq=False, repr=False)
class TreeDisplay:
    """The tree of a mixture: ribbons as thick as the share of the rows, and what is asked at each branch.

    Use it to read a hierarchy from left to right. Above each branch stands which rows it takes, in the user's columns,
    below it its share and the mean response of its rows. Branches that end in an expert have its colour; at the right
    stand its number, share, mean response and, where there is one, scale. ``print(model.tree_)`` says the same in
    words. Flat mixtures are trees with one node. It is recommended to make it by `from_estimator`.

    Parameters
    ----------
    tree : FittedTree
        The tree with its shares, mean responses and splits.
    labels : list of str
        Names of the experts.
    scale : ndarray of shape (n_experts,) or (n_experts, n_outputs), default=None
        Scales of the experts, in units of y.
    of : str, default="training mass"
        What shares are parts of.
    fit : str, default=""
        Which fit of an average is shown, in words; empty where there is only one, or all are.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    See Also
    --------
    GateDisplay : The regions of the experts over one or two columns.
    ExpertDisplay : What each expert learned.

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe import MoERegressor
    >>> from skmoe.inspection import TreeDisplay
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-1, 1, size=(900, 2))
    >>> y = np.where(X[:, 0] < 0.2, np.where(X[:, 1] < X[:, 0], 3 * X[:, 1], 4.0), -X[:, 1])
    >>> y += 0.1 * rng.standard_normal(900)
    >>> model = MoERegressor((2, 2), random_state=0).fit(X, y)
    >>> display = TreeDisplay.from_estimator(model)
    >>> display.labels
    ['expert 0 (0.0)', 'expert 1 (0.1)', 'expert 2 (1.0)', 'expert 3 (1.1)']
    """

    tree: FittedTree
    labels: list[str]
    scale: np.ndarray | None = None
    of: str = "training mass"
    fit: str = ""

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        y: Any = None,
        *,
        sample_weight: Any = None,
        max_features: int = 2,
        member: int | None = 0,
        ax: Axes | None = None,
    ) -> Self:
        """Read the tree, and draw it.

        Behind a pipeline features are those that the mixture sees.

        Parameters
        ----------
        estimator : MoERegressor, MoEClassifier, or a Pipeline or search around one
            Fitted.
        X : array-like, sparse matrix or RowSource of shape (n_samples, n_features), default=None
            Rows as the estimator takes them. With rows the shares are the mean probabilities of the gates over these;
            None shows the shares and mean responses of training.
        y : array-like of shape (n_samples,), default=None
            With responses the shares are the mean responsibilities, and mean responses are those of these rows.
        sample_weight : array-like of shape (n_samples,), default=None
            Counts of the rows.
        max_features : int >= 1, default=2
            Most columns that the question at a branch names, largest slope per standard deviation first. ``(+3)`` says
            that three were left out.
        member : int or None, default=0
            Which fit of an average to show, best objective first; None shows the average, whose root ignores x, with
            all fits below it. A single fit is its own member 0.
        ax : matplotlib Axes, default=None
            None makes a new figure, of a size that holds the tree.

        Returns
        -------
        TreeDisplay

        Raises
        ------
        ValueError
            Where ``max_features`` is no positive int, or y is given without X.
        NotFittedError
            Where the estimator is not fitted.
        """
        model, rows, names = inside(estimator, X)
        if X is None and y is not None:
            raise ValueError("y is given without X: pass the rows that it belongs to.")
        model, fit = chosen(model, member), told(model, member)
        tree, of = model.tree_.renamed(names), "training mass"
        if X is not None:
            of = "rows (gate)" if y is None else "rows (responsibilities)"
            proba = model.gate_proba(rows) if y is None else model.responsibilities(rows, y)
            weight = check_weight(sample_weight, proba)
            mass = weight @ proba
            sums = np.full((len(mass), 1), np.nan)
            if y is not None:
                sums = tree.summary.sums(model._check_coded(y), weight, proba)
            tree = tree.at_rows(mass / mass.sum(), mass, sums)
        display = cls(tree=tree, labels=labels(tree), scale=getattr(model, "expert_scale_", None), of=of, fit=fit)
        return display.plot(ax, max_features=max_features)

    def plot(self, ax: Axes | None = None, *, max_features: int = 2) -> Self:
        """Draw the tree.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure, of a size that holds the tree. Where axes are small the texts shrink, then
            questions name one column, and at last they are left out.
        max_features : int >= 1, default=2
            Most columns that the question at a branch names.

        Returns
        -------
        TreeDisplay
            Itself, with `ax_` and `figure_` those just drawn on.
        """
        if not isinstance(max_features, Integral) or int(max_features) < 1:
            raise ValueError(f"max_features must be an int of at least 1, got {max_features!r}.")
        layout = self._layout(int(max_features))
        zoom = 1.0 if len(self.labels) < _MANY else 0.75
        ax = axes(ax, (zoom * layout.width, zoom * layout.height))
        ax.set_axis_off()
        for fewer in (1, 0):
            if _size(ax, layout) < _SMALLEST:
                layout = self._layout(fewer)
        size = max(_SMALLEST, _size(ax, layout))
        ax.set(xlim=(0, layout.width), ylim=(layout.height, 0), xticks=[], yticks=[])
        own = {leaf.path: color(k) for k, leaf in enumerate(self.tree.leaves)}
        for ribbon in layout.ribbons:
            _draw(ax, ribbon, own.get(ribbon.path, _INNER))
            _write(ax, ribbon, layout, size)
        self._write_table(ax, layout, size)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _layout(self, max_features: int) -> Layout:
        """The tree with its texts, and the table beside it."""
        notes, summary = self.tree.notes, self.tree.summary
        share = {path: percent(note.share) for path, note in notes.items()}
        mean = {path: _typeset(summary.text(note.response)) for path, note in notes.items()}
        leaves = [leaf.path for leaf in self.tree.leaves]
        inner = [path for path in notes if path and path not in leaves]
        table = [["expert", *map(short, self.labels)], ["share", *(share[path] for path in leaves)]]
        above = {path: self._question(path, max_features) if path else ["all rows"] for path in notes}
        below = {path: [share[path]] if path in inner else [] for path in notes}
        if np.isfinite(notes[()].response).all():
            table.append([summary.heading, *(mean[path] for path in leaves)])
            below[()] = [f"{summary.heading} {mean[()]}"]
            below |= {path: [f"{share[path]}, {mean[path]}"] for path in inner}
        if self.scale is not None:
            table.append(["scale", *(", ".join(map(_scale, np.atleast_1d(scale))) for scale in self.scale)])
        caption = (f"{self.fit}; " if self.fit else "") + f"thickness: share of the {self.of}"
        if any("(+" in line for lines in above.values() for line in lines):
            caption += "; (+n): n columns left out"
        return Layout(self.tree, {path: note.share for path, note in notes.items()}, above, below, table, caption)

    def _question(self, path: Path, max_features: int) -> list[str]:
        """Lines that say which rows a branch takes; none for no features."""
        split = self.tree.notes[path[:-1]].split
        if split is None or not max_features:
            return []
        text, n_left_out = split.question(path[-1], self.tree.names, max_features)
        text = text.removeprefix("where ") + (f" (+{n_left_out})" if n_left_out else "")
        lines = [""]
        for part in _BREAK.split(_typeset(text)):
            if lines[-1] and len(lines[-1]) + len(part) > _LONG:
                lines.append(part)
            else:
                lines[-1] = f"{lines[-1]} {part}".strip()
        return lines

    def _write_table(self, ax: Axes, layout: Layout, size: float) -> None:
        """What stands beside the experts, and below all the caption."""
        style: dict[str, Any] = {"fontsize": size, "color": INK, "va": "center"}
        for at, (heading, *texts) in zip(layout.columns, layout.table, strict=False):
            ax.text(at, LINE, heading, fontweight="bold", **style)
            for k, text in enumerate(texts):
                ax.text(at, layout.top + (k + 0.5) * layout.row, text, **style)
        ax.text(0, layout.height - 0.5 * LINE, layout.caption, **style)


def _size(ax: Axes, layout: Layout) -> float:
    """Points of texts with which a layout fits into axes."""
    width, height = inches(ax)
    return _SIZE * min(1.0, width / layout.width, height / layout.height)


def _draw(ax: Axes, ribbon: Ribbon, own: str) -> None:
    along = np.linspace(0.0, 1.0, 25)
    x = np.append(ribbon.left + BEND * along, ribbon.right)
    middle = np.append(ribbon.start + (ribbon.end - ribbon.start) * along**2 * (3 - 2 * along), ribbon.end)
    half = 0.5 * ribbon.thickness
    ax.fill_between(x, middle - half, middle + half, color=own, linewidth=0.7)


def _write(ax: Axes, ribbon: Ribbon, layout: Layout, size: float) -> None:
    """The texts above and below a ribbon, where it has bent."""
    left = ribbon.left + (BEND if ribbon.path else 0.0)
    off = 0.5 * ribbon.thickness + 0.25 * GAP
    for lines, at, side in ((layout.above, ribbon.end - off, "bottom"), (layout.below, ribbon.end + off, "top")):
        if lines[ribbon.path]:
            ax.text(left, at, "\n".join(lines[ribbon.path]), fontsize=size, color=INK, va=side, linespacing=1.1)


def _typeset(text: str) -> str:
    """With minus signs where they are no part of a name."""
    return re.sub(r"(?<!\w)-(?=[ \d])", "\N{MINUS SIGN}", text)


def _scale(scale: float) -> str:
    return "-" if np.isnan(scale) else f"{scale:.2g}"
