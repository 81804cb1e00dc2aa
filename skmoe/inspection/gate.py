"""GateDisplay: where each expert answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy.ndimage import binary_dilation, distance_transform_edt

from .._pipeline import inside
from ..tree import Path, Tree
from .canvas import axes, legend_above
from .members import chosen, told
from .palette import GREY, INK, color, dash, labels
from .section import axis_label, section

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

#: Part of the expert's colour, against the background, where its probability is one: dots stay visible on it.
_FULL = 0.6

#: A region narrower than this part of the grid has no room for a number.
_ROOM = 0.03

#: Points: the border of the root's gate, and the thinnest further down.
_THICKEST, _THINNEST = 3.5, 0.8

#: Log-odds below which a gate is even: one that ignores x has no border.
_EVEN = 1e-9


@dataclass(kw_only=True, eq=False, repr=False)
class GateDisplay:
    """Gate probabilities along one column, or the regions of the experts over two.

    Use it to see which expert answers where, and how sharp the borders are. One column gives a curve an expert. Two
    columns give the region of the most probable expert in its colour, the stronger the more probable it is, with
    borders and the expert's number. It is recommended to make it by `from_estimator`.

    Parameters
    ----------
    features : tuple of str
        Names of the one or two columns.
    grid : tuple of ndarray
        Values along each of them, in the user's units.
    proba : ndarray of shape (n_points, n_experts) or (n_points, n_points, n_experts)
        Gate probabilities of the points; the first axis goes with the first column.
    labels : list of str
        Names of the experts.
    held : dict of str to object
        Columns that are held, with their values.
    dots : ndarray of shape (n_dots, n_features)
        At most 1,000 rows of X, evenly taken.
    tree : Tree, default=None
        Which experts hang under which node; None is a flat mixture.
    fit : str, default=""
        Which fit of an average is shown, in words; empty where there is only one, or all are.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    See Also
    --------
    TreeDisplay : What each gate of a tree asks, and how many rows go which way.
    BandDisplay : The predictive distribution along a column.
    RoutingDisplay : How much each expert is used.

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe import MoERegressor
    >>> from skmoe.inspection import GateDisplay
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-1, 1, size=(300, 1))
    >>> y = np.abs(X[:, 0]) + 0.05 * rng.standard_normal(300)
    >>> model = MoERegressor(n_experts=2, random_state=0).fit(X, y)
    >>> display = GateDisplay.from_estimator(model, X, grid_resolution=5)
    >>> display.proba.round(2)[[0, -1]]
    array([[0., 1.],
           [1., 0.]])
    """

    features: tuple[str, ...]
    grid: tuple[np.ndarray, ...]
    proba: np.ndarray
    labels: list[str]
    held: dict[str, Any]
    dots: np.ndarray
    tree: Tree | None = None
    fit: str = ""

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        features: Any = None,
        grid_resolution: int = 200,
        percentiles: tuple[float, float] = (0.0, 1.0),
        member: int | None = 0,
        data: bool = True,
        nodes: bool = False,
        ax: Axes | None = None,
    ) -> Self:
        """Compute the gate over a grid, and draw it.

        The other columns are held at their median, columns that hold no numbers at their most frequent value. The grid
        is made in the columns of X and sent through the earlier steps of a pipeline, so axes are in the user's units.

        Parameters
        ----------
        estimator : MoERegressor, MoEClassifier, or a Pipeline or search around one
            Fitted.
        X : array-like or dataframe of shape (n_samples, n_features)
            Rows as the estimator takes them.
        features : str, int, or a sequence of one or two of them, default=None
            Columns to draw along, by name or position. None takes all where X has one or two.
        grid_resolution : int >= 2, default=200
            Points along each column.
        percentiles : (float, float), default=(0, 1)
            Ends of the grid, as fractions of the rows: ``(0.01, 0.99)`` leaves out long tails.
        member : int or None, default=0
            Which fit of an average to show, best objective first; None shows all experts of all fits. A single fit is
            its own member 0.
        data : bool, default=True
            Whether to draw rows: as dots, or with one column as ticks below the curves.
        nodes : bool, default=False
            With two columns: whether to draw the border that each gate of a tree draws among the rows that come to it,
            the thicker the nearer to the root. The borders of the experts' regions are where their products meet.
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        GateDisplay

        Raises
        ------
        ValueError
            Where a column is unknown, holds no numbers or a single value, or more than two are asked for.
        NotFittedError
            Where the estimator is not fitted.
        """
        inside(estimator, None)  # before all else, whether it is fitted
        along = section(estimator, X, features, most=2, resolution=grid_resolution, percentiles=percentiles)
        model, rows, _ = inside(estimator, along.rows)
        model, fit = chosen(model, member), told(model, member)
        proba = model.gate_proba(rows).reshape(*map(len, along.grid), -1)
        display = cls(
            features=along.names,
            grid=along.grid,
            proba=proba,
            labels=labels(model.tree_),
            held=along.held,
            dots=along.dots,
            tree=model.tree_,
            fit=fit,
        )
        return display.plot(ax, data=data, nodes=nodes)

    def plot(self, ax: Axes | None = None, *, data: bool = True, nodes: bool = False) -> Self:
        """Draw the gate.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.
        data : bool, default=True
            Whether to draw rows.
        nodes : bool, default=False
            With two columns: whether to draw the border of every gate of a tree, the thicker the nearer to the root.

        Returns
        -------
        GateDisplay
            Itself, with `ax_` and `figure_` those just drawn on.
        """
        ax = axes(ax)
        if len(self.grid) == 1:
            self._curves(ax, data)
        else:
            self._regions(ax, data, nodes)
        ax.set_xlabel(axis_label(self.features[0], self.held, self.fit))
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _curves(self, ax: Axes, data: bool) -> None:
        curves = [
            ax.plot(self.grid[0], proba, dash(k), color=color(k), label=label)[0]
            for k, (proba, label) in enumerate(zip(self.proba.T, self.labels, strict=True))
        ]
        if data:
            ax.plot(self.dots[:, 0], np.full(len(self.dots), -0.05), "|", color=GREY, markersize=5, alpha=0.6)
        ax.set(xlim=self.grid[0][[0, -1]], ylim=(-0.09 if data else -0.02, 1.02), ylabel="gate probability")
        legend_above(ax, curves)

    def _regions(self, ax: Axes, data: bool, nodes: bool) -> None:
        from matplotlib.patches import Patch

        best = self.proba.argmax(axis=2)
        ax.pcolormesh(*self.grid, self._image(ax, best), shading="nearest", rasterized=True)
        for k in np.unique(best):
            self._border(ax, k, best == k)
            self._number(ax, k, best == k)
        if data:
            ends = np.array([axis[[0, -1]] for axis in self.grid])
            within = ((self.dots >= ends[:, 0]) & (self.dots <= ends[:, 1])).all(axis=1)
            style: dict[str, Any] = {"color": INK, "markersize": 2.5, "markeredgewidth": 0, "alpha": 0.5, "zorder": 2.5}
            ax.plot(*self.dots[within].T, "o", clip_on=False, **style)
        ax.set(xlim=self.grid[0][[0, -1]], ylim=self.grid[1][[0, -1]], ylabel=self.features[1])
        handles = [Patch(facecolor=color(k), alpha=_FULL, label=label) for k, label in enumerate(self.labels)]
        legend_above(ax, [*handles, *(self._gates(ax) if nodes else [])])

    def _image(self, ax: Axes, best: np.ndarray) -> np.ndarray:
        """Colours of the cells, rows along the second column: the expert's, mixed with the background."""
        from matplotlib.colors import to_rgb

        own = np.array([to_rgb(color(k)) for k in range(len(self.labels))])[best]
        strength = _FULL * self.proba.max(axis=2)[..., None]
        return (strength * own + (1 - strength) * np.array(to_rgb(ax.get_facecolor()))).transpose(1, 0, 2)

    def _border(self, ax: Axes, k: int, region: np.ndarray) -> None:
        """Where expert k is as probable as the best of the others; its log-odds are smooth there."""
        if region.all():
            return
        log_proba = np.log(np.maximum(self.proba, 1e-300))
        lead = log_proba[..., k] - np.delete(log_proba, k, axis=2).max(axis=2)
        ax.contour(*self.grid, lead.T, levels=[0.0], colors=INK, linewidths=0.8)

    def _gates(self, ax: Axes) -> list[Line2D]:
        """The borders between the branches of every node, where the gates above it send rows; lines for the legend."""
        from matplotlib.lines import Line2D

        tree = Tree.parse(len(self.labels)) if self.tree is None else self.tree
        within: dict[Path, np.ndarray] = {(): np.ones(self.proba.shape[:2], dtype=bool)}
        widths: dict[str, float] = {}
        for node in tree.nodes:
            here = within[node.path]
            proba = np.stack([self.proba[..., b.leaves].sum(axis=2) for b in node.branches], axis=2)
            log_odds = np.log(np.maximum(proba, 1e-300) / np.maximum(proba[..., :1], 1e-300))
            if not np.ptp(log_odds[here], axis=0).max(initial=0.0) > _EVEN:
                within |= {b.path: here for b in node.branches}  # a gate that ignores x sends every row everywhere
                continue
            width = max(_THINNEST, _THICKEST * 0.6 ** len(node.path))
            for c, branch in enumerate(node.branches):
                lead = log_odds[..., c] - np.delete(log_odds, c, axis=2).max(axis=2)
                within[branch.path] = here & (lead >= 0)
                if lead[here].min() < 0 < lead[here].max():
                    # One cell more on each side, so that the line reaches the border that it ends at.
                    shown = np.ma.array(lead, mask=~binary_dilation(here))
                    ax.contour(*self.grid, shown.T, levels=[0.0], colors=INK, linewidths=width)
                    widths[f"gates at depth {len(node.path)}" if node.path else "gate of the root"] = width
        return [Line2D([], [], color=INK, linewidth=width, label=label) for label, width in widths.items()]

    def _number(self, ax: Axes, k: int, region: np.ndarray) -> None:
        """The number of expert k, at the point of its region that is farthest from its border."""
        depth = distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]
        i, j = np.unravel_index(depth.argmax(), depth.shape)
        if depth[i, j] < _ROOM * len(region):
            return
        badge = {"boxstyle": "circle,pad=0.25", "facecolor": "white", "edgecolor": color(k), "linewidth": 1.5}
        at = self.grid[0][i], self.grid[1][j]
        ax.text(*at, str(k), color=INK, fontsize="small", ha="center", va="center", bbox=badge, zorder=3)
