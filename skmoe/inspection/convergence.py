"""ConvergenceDisplay: how each start and each move climbed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from .._pipeline import inside
from .canvas import axes, legend_above
from .palette import GREY, color

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: What the vertical axis can be.
SCALES = ("gap", "objective")


@dataclass(kw_only=True, eq=False, repr=False)
class ConvergenceDisplay:
    """The objective of every start and every move against its passes, the best one in colour.

    Use it to see how many optima there are, whether more starts would help, and what the acceleration does. The default
    scale is the gap in nats, in logs, to where the best is going: its last objective and what its next step
    promised. A line that ends above the others ended in a lower optimum, or was stopped early. It is recommended to
    make it by `from_estimator`.

    Parameters
    ----------
    passes : list of ndarray
        Passes over the rows of each start, then of each move.
    objectives : list of ndarray
        Penalised log-likelihood at each of them, in nats.
    n_moves : int
        How many of them are moves.
    best : int
        The one with the highest objective.
    top : float
        Objective that the gap is counted from.
    floor : float
        Smallest gap that is drawn, in nats: the tolerance of the fit, below which starts are equal.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe import MoERegressor
    >>> from skmoe.inspection import ConvergenceDisplay
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-1, 1, size=(300, 1))
    >>> y = np.abs(X[:, 0]) + 0.05 * rng.standard_normal(300)
    >>> model = MoERegressor(n_experts=2, n_init=3, move_budget=4, random_state=0).fit(X, y)
    >>> display = ConvergenceDisplay.from_estimator(model)
    >>> len(display.objectives), bool(display.objectives[display.best][-1] == model.objective_)
    (8, True)
    """

    passes: list[np.ndarray]
    objectives: list[np.ndarray]
    n_moves: int
    best: int
    top: float
    floor: float

    @classmethod
    def from_estimator(cls, estimator: Any, *, scale: str = "gap", ax: Axes | None = None) -> Self:
        """Read the histories of starts and moves, and draw them.

        Parameters
        ----------
        estimator : MoERegressor, MoEClassifier, or a Pipeline or search around one
            Fitted. Of an average all fits are shown.
        scale : {"gap", "objective"}, default="gap"
            Gap to where the best is going, in nats on a log scale, or the objective itself.
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        ConvergenceDisplay

        Raises
        ------
        NotFittedError
            Where the estimator is not fitted.
        """
        model = inside(estimator, None).model
        histories = [*model.start_histories_, *model.move_histories_]
        best = int(np.argmax([*model.start_objectives_, *model.move_objectives_]))
        display = cls(
            passes=[np.array([step["pass"] for step in history]) for history in histories],
            objectives=[np.array([step["objective"] for step in history]) for history in histories],
            n_moves=len(model.move_histories_),
            best=best,
            top=histories[best][-1]["objective"] + histories[best][-1]["decrement"],
            floor=model.tol,
        )
        return display.plot(ax, scale=scale)

    def plot(self, ax: Axes | None = None, *, scale: str = "gap") -> Self:
        """Draw starts and moves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.
        scale : {"gap", "objective"}, default="gap"
            Gap to where the best is going, in nats on a log scale, or the objective itself.

        Returns
        -------
        ConvergenceDisplay
            Itself, with `ax_` and `figure_` those just drawn on.
        """
        if scale not in SCALES:
            raise ValueError(f"scale={scale!r}: expected one of {SCALES}.")
        ax = axes(ax)
        n_starts = len(self.passes) - self.n_moves
        others = [i for i in range(len(self.passes)) if i != self.best]
        lines = []
        for i in [*others, self.best]:
            values = self.objectives[i]
            shown = values if scale == "objective" else np.maximum(self.top - values, self.floor)
            own = color(0) if i == self.best else GREY
            lines += ax.plot(self.passes[i], shown, color=own, linewidth=_width(i == self.best, i >= n_starts))
            ax.plot(self.passes[i][-1:], shown[-1:], "o", markersize=4, clip_on=False, color=own)
        moves = f" and {self.n_moves} moves" if self.n_moves else ""
        lines[-1].set_label(f"best of {n_starts} starts{moves}" if others else "the only start")
        if others:
            lines[0].set_label("the others")
        ax.set_xlabel("passes over the rows")
        if scale == "gap":
            ax.set_yscale("log")
            ax.set_ylabel("nats below the best")
        else:
            ax.set_ylabel("objective (nats)")
        legend_above(ax, lines[-1:] + lines[:1] if others else lines)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _width(best: bool, move: bool) -> float:
    """Width of a line: moves are many, and thin."""
    return 2.0 if best else 0.5 if move else 1.0
