"""BandDisplay: the predictive distribution along a column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import is_regressor

from .._pipeline import gate_inside
from .._validation import check_responses
from .canvas import axes, legend_above
from .members import chosen, told
from .palette import INK, color, labels
from .section import axis_label, beside, section
from .targets import check_target, of_target

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: What the line in the middle can be.
CENTERS = ("median", "mean")


@dataclass(kw_only=True, eq=False, repr=False)
class BandDisplay:
    """Central intervals of the predictive distribution along one column, with the lines of the experts.

    Use it to see what a regressor predicts and how sure it is: where the noise changes, where the experts disagree, and
    whether the rows lie in their bands. It is recommended to make it by `from_estimator`.

    Parameters
    ----------
    feature : str
        Name of the column.
    grid : ndarray of shape (n_points,)
        Values along it, in the user's units.
    mean, median : ndarray of shape (n_points,)
        Of the predictive distribution.
    coverages : ndarray of shape (n_coverages,)
        Probabilities of the intervals, falling.
    intervals : ndarray of shape (n_coverages, n_points, 2)
        Lower and upper ends.
    response : str
        Name of y.
    expert_means : ndarray of shape (n_points, n_experts)
        Mean of each expert's own distribution. Of `SparseMoERegressor` none are shown: every member has its own.
    proba : ndarray of shape (n_points, n_experts)
        Gate probabilities.
    labels : list of str
        Names of the experts.
    held : dict of str to object
        Columns that are held, with their values.
    dots : ndarray of shape (n_dots, 2)
        Column and response of at most 1,000 rows, evenly taken; no rows where y was not given.
    fit : str, default=""
        Which fit of an average the experts are of, in words; empty where there is only one, or all are.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe import MoERegressor
    >>> from skmoe.inspection import BandDisplay
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-1, 1, size=(300, 1))
    >>> y = np.abs(X[:, 0]) + 0.05 * rng.standard_normal(300)
    >>> model = MoERegressor(n_experts=2, random_state=0).fit(X, y)
    >>> display = BandDisplay.from_estimator(model, X, y, coverages=[0.9], grid_resolution=5)
    >>> display.intervals.shape
    (1, 5, 2)
    >>> display.intervals[0, 0].round(1)
    array([0.9, 1.1])
    """

    feature: str
    grid: np.ndarray
    mean: np.ndarray
    median: np.ndarray
    coverages: np.ndarray
    intervals: np.ndarray
    response: str
    expert_means: np.ndarray
    proba: np.ndarray
    labels: list[str]
    held: dict[str, Any]
    dots: np.ndarray
    fit: str = ""

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        feature: str | int | None = None,
        target: str | int | None = None,
        coverages: Sequence[float] = (0.5, 0.9),
        grid_resolution: int = 200,
        percentiles: tuple[float, float] = (0.0, 1.0),
        member: int | None = 0,
        center: str = "median",
        experts: bool = True,
        data: bool = True,
        ax: Axes | None = None,
    ) -> Self:
        """Compute the predictive distribution along a column, and draw it.

        The other columns are held at their median, columns that hold no numbers at their most frequent value; so rows
        need not lie in the bands where other columns matter. Of an average the distribution is that of the average.

        Parameters
        ----------
        estimator : MoERegressor, SparseMoERegressor, or a Pipeline or search around one
            Fitted.
        X : array-like or dataframe of shape (n_samples, n_features)
            Rows as the estimator takes them.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Responses, drawn as dots.
        feature : str or int, default=None
            Column to draw along, by name or position. None takes the only one.
        target : str or int, default=None
            Output to draw, by name or number, where there are several.
        coverages : sequence of float, default=(0.5, 0.9)
            Probabilities of the central intervals, between 0 and 1.
        grid_resolution : int >= 2, default=200
            Points along the column.
        percentiles : (float, float), default=(0, 1)
            Ends of the grid, as fractions of the rows: ``(0.01, 0.99)`` leaves out long tails.
        member : int or None, default=0
            Which fit of an average to draw the experts of, best objective first; None draws those of all fits.
        center, experts, data, ax
            As in `plot`.

        Returns
        -------
        BandDisplay

        Raises
        ------
        TypeError
            Where the estimator is a classifier.
        ValueError
            Where the column is unknown, holds no numbers or a single value, a coverage is out of range, or one of
            several outputs is not named.
        NotFittedError
            Where the estimator is not fitted.
        """
        nested = _check_coverages(coverages)
        gate_inside(estimator, None)  # before all else, whether it is fitted
        along = section(estimator, X, feature, most=1, resolution=grid_resolution, percentiles=percentiles)
        found = gate_inside(estimator, along.rows)
        model: Any = found.model
        rows = found.X
        if not is_regressor(model):
            raise TypeError(
                f"BandDisplay shows the predictive distribution of a number, and {type(model).__name__} predicts "
                "classes. Use GateDisplay, or scikit-learn's DecisionBoundaryDisplay."
            )
        target, fit = check_target(model, target), chosen(model, member)
        levels = np.concatenate([[0.5], (1 - nested) / 2, (1 + nested) / 2])
        dist = model.predict_dist(rows)
        mean, quantiles = (of_target(model, values, target) for values in (dist.mean(), dist.ppf(levels[None])))
        display = cls(
            feature=along.names[0],
            grid=along.grid[0],
            mean=mean,
            median=quantiles[:, 0],
            coverages=nested,
            intervals=quantiles[:, 1:].T.reshape(2, len(nested), -1).transpose(1, 2, 0),
            response=str(target or getattr(y, "name", None) or "response"),
            **_experts(fit, rows, target),
            held=along.held,
            dots=beside(along.dots, _one_output(model, y, target), len(X)),
            fit=told(model, member),
        )
        return display.plot(ax, center=center, experts=experts, data=data)

    def plot(self, ax: Axes | None = None, *, center: str = "median", experts: bool = True, data: bool = True) -> Self:
        """Draw the bands.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.
        center : {"median", "mean"}, default="median"
            The line in the middle.
        experts : bool, default=True
            Whether to draw the mean of each expert, as opaque as its gate probability is high, relative to the highest
            of the figure. These lines do not widen the axes.
        data : bool, default=True
            Whether to draw rows.

        Returns
        -------
        BandDisplay
            Itself, with `ax_` and `figure_` those just drawn on.
        """
        if center not in CENTERS:
            raise ValueError(f"center={center!r}: expected one of {CENTERS}.")
        ax = axes(ax)
        if data and len(self.dots):
            ax.plot(*self.dots.T, "o", color=INK, markersize=2.5, markeredgewidth=0, alpha=0.45, zorder=1.5)
        handles = [self._band(ax, i) for i in range(len(self.coverages))]
        handles += ax.plot(self.grid, getattr(self, center), color=INK, linewidth=1.2, label=center, zorder=2.5)
        if experts:
            handles += [self._expert(ax, k) for k in range(len(self.labels))]
        fit = f"experts of {self.fit}" if experts and self.fit else ""
        ax.set(xlim=self.grid[[0, -1]], xlabel=axis_label(self.feature, self.held, fit), ylabel=self.response)
        legend_above(ax, handles)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _band(self, ax: Axes, i: int) -> Any:
        """The interval of coverage i, darker than those around it."""
        shade = str(0.9 - 0.25 * i / max(1, len(self.coverages) - 1))
        label = f"{self.coverages[i]:.3g} interval"
        return ax.fill_between(self.grid, *self.intervals[i].T, color=shade, linewidth=0, label=label)

    def _expert(self, ax: Axes, k: int) -> Any:
        """Mean of expert k, in pieces as opaque as its gate probability is there; a handle for the legend."""
        from matplotlib.collections import LineCollection
        from matplotlib.colors import to_rgba
        from matplotlib.lines import Line2D

        points = np.column_stack([self.grid, self.expert_means[:, k]])
        opacity = self.proba[:, k] / self.proba.max()
        colors = [to_rgba(color(k), a) for a in (opacity[1:] + opacity[:-1]) / 2]
        pieces = np.stack([points[:-1], points[1:]], axis=1)
        ax.add_collection(LineCollection(list(pieces), colors=colors, linewidths=3.5, zorder=2.2), autolim=False)
        return Line2D([], [], color=color(k), linewidth=3.0, label=self.labels[k])


def _experts(fit: Any, rows: Any, target: Any) -> dict[str, Any]:
    """Means of the experts, their probabilities and names; none of networks, every member of which has its own."""
    if not hasattr(fit, "predict_experts"):
        return {"expert_means": np.empty((len(rows), 0)), "proba": np.empty((len(rows), 0)), "labels": []}
    means = of_target(fit, fit.predict_experts(rows), target)
    return {"expert_means": means, "proba": fit.gate_proba(rows), "labels": labels(fit.tree_)}


def _one_output(model: Any, y: Any, target: Any) -> np.ndarray | None:
    """The responses that are drawn."""
    return None if y is None else of_target(model, check_responses(y, model.n_outputs_, model._output_labels()), target)


def _check_coverages(coverages: Any) -> np.ndarray:
    """Coverages in falling order."""
    values = np.atleast_1d(np.asarray(coverages, dtype=np.float64))
    if values.ndim != 1 or not len(values) or not ((values > 0) & (values < 1)).all():
        raise ValueError(f"coverages must lie between 0 and 1 (both excluded), got {coverages!r}.")
    return np.unique(values)[::-1]
