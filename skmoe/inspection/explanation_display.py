"""The picture of an explanation: contributions of the columns, divided among the experts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from .canvas import axes
from .explanation import MOST, SMALL, Explanation, explain, shown
from .palette import COLORS, GREY, INK, color


class ExplanationDisplay:
    """Contributions of the columns to one prediction, stacked by expert.

    Make it with `from_estimator`, which computes once; `plot` draws as often as wanted.

    Parameters
    ----------
    explanation : Explanation
        What is drawn.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Of the last drawing.
    """

    def __init__(self, explanation: Explanation):
        self.explanation = explanation

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        reference: Any,
        *,
        target: Any = None,
        sample_weight: Any = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Explain one row and draw it; parameters are those of `explain` and `plot`."""
        display = cls(explain(estimator, X, reference, target=target, sample_weight=sample_weight))
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax: Any = None, *, event: str | None = None, n_columns: int = 8) -> Self:
        """Draw one bar a column, the largest at the top, divided among the experts that answered.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        event : str, default=None
            What the target is called, such as "fraud"; None calls it by its label.
        n_columns : int, default=8
            Most columns shown.
        """
        why = self.explanation
        ax = axes(ax, (8, 2.2 + 0.36 * min(n_columns, len(why.columns))))
        largest = np.argsort(-np.abs(why.contributions), kind="stable")[:n_columns]
        height = np.arange(len(largest))
        ends = {True: np.zeros(len(largest)), False: np.zeros(len(largest))}
        for label, shade, width in self._layers(largest):
            start = np.where(width > 0, ends[True], ends[False])
            ax.barh(height, width, left=start, height=0.62, color=shade, label=label)
            ends[True] += np.maximum(width, 0)
            ends[False] += np.minimum(width, 0)
        ax.plot(why.contributions[largest], height, "o", color=INK, ms=4, label="mean over the experts")
        ax.axvline(0, color=INK, lw=0.8)
        ax.set_yticks(height, [f"{why.columns[j]} = {shown(why.values[j])}" for j in largest])
        ax.invert_yaxis()
        ax.use_sticky_edges = False
        ax.set_xlabel(self._unit())
        ax.set_title(why.headline(event).rstrip("."), fontsize="medium", loc="left")
        ax.legend(fontsize="small", frameon=False, ncols=2, loc="upper center", bbox_to_anchor=(0.3, -0.14))
        ax.spines[["top", "right", "left"]].set_visible(False)
        ax.tick_params(axis="y", length=0)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _unit(self) -> str:
        return f"contribution to the {self.explanation.scale}, against the average row"

    def _layers(self, columns: np.ndarray) -> Iterator[tuple[str, Any, np.ndarray]]:
        """Label, colour and contributions (n_columns,) of the experts with the largest, and of the others together."""
        why = self.explanation
        terms = why.part[:, None] * why.by_expert[:, columns]
        size = np.abs(terms).sum(axis=1)
        telling = [int(k) for k in np.argsort(-size, kind="stable")[:MOST] if size[k] >= SMALL * size.sum()]
        for place, k in enumerate(telling):
            label = f"{why.experts[k]}: weight {why.weight[k]:.2f}, says {why.said(why.alone[k])}"
            # Colours of the experts as in the other figures; many experts take them in turn.
            yield label, color(k if len(terms) <= len(COLORS) else place), terms[k]
        if len(telling) < len(terms):
            yield "other experts", GREY, np.delete(terms, telling, axis=0).sum(axis=0)
