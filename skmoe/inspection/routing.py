"""RoutingDisplay: how much each expert is used, and how sharply rows are sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from .._pipeline import gate_inside
from ..routing import RoutingReport, routing_report, row_entropy
from .canvas import legend_above, pair
from .members import chosen, told
from .palette import GREY, INK, color, labels, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(kw_only=True, eq=False, repr=False)
class RoutingDisplay:
    """Usage of the experts, and the entropies of the rows.

    Use it to see whether experts lie idle, and whether each row has its expert or many share it. Left: the mean
    probability of each expert as a bar, and the share of rows whose most probable expert it is as a diamond; the dotted
    line is even use. Right: the entropy of the rows in nats; the axis above counts experts, since the exponential of an
    entropy is the number of equally probable experts that would have it. It is recommended to make it by
    `from_estimator` or `from_proba`.

    Parameters
    ----------
    report : RoutingReport
        Usage, choices and mean entropies.
    entropy : ndarray of shape (n_rows,)
        Entropy of each row in nats.
    share : ndarray of shape (n_rows,)
        Part of each row in the total weight.
    labels : list of str
        Names of the experts.
    of : str
        What the probabilities are, for the axis.

    Attributes
    ----------
    axes_ : tuple of two matplotlib Axes
        Usage and entropies.
    ax_ : matplotlib Axes
        The first of them.
    figure_ : matplotlib Figure

    See Also
    --------
    skmoe.routing : The same numbers, as functions.

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe.inspection import RoutingDisplay
    >>> display = RoutingDisplay.from_proba(np.array([[1.0, 0.0], [0.5, 0.5], [1.0, 0.0]]))
    >>> display.report.usage.round(3)
    array([0.833, 0.167])
    >>> display.entropy.round(3)
    array([0.   , 0.693, 0.   ])
    """

    report: RoutingReport
    entropy: np.ndarray
    share: np.ndarray
    labels: list[str]
    of: str = "gate"

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        sample_weight: np.ndarray | None = None,
        member: int | None = 0,
        ax: Axes | Sequence[Axes] | None = None,
    ) -> Self:
        """Compute usage and entropies over rows, and draw them.

        Parameters
        ----------
        estimator : MoERegressor, MoEClassifier, SparseMoERegressor, SparseMoEClassifier, or an estimator around one
            Fitted; around it a Pipeline or a search. Of several blocks the gate of the head is shown; for others pass
            ``gate_proba(X, block)`` to `from_proba`, and of a layer ``routing.probs``.
        X : array-like, sparse matrix or RowSource of shape (n_samples, n_features)
            Rows as the estimator takes them.
        y : array-like of shape (n_samples,), default=None
            With responses the probabilities are the responsibilities, without them those of the gate. The estimators of
            `skmoe.neural` have no responsibilities.
        sample_weight : array-like of shape (n_samples,), default=None
            Counts of the rows.
        member : int or None, default=0
            Which fit of an average to show, best objective first; None shows all experts of all fits. A single fit is
            its own member 0.
        ax : matplotlib Axes, or a pair of them, default=None
            One is divided in two; None makes a new figure.

        Returns
        -------
        RoutingDisplay

        Raises
        ------
        NotFittedError
            Where the estimator is not fitted.
        ValueError
            Where there is no such member, or y is given and there are no responsibilities.
        """
        model, rows, _ = gate_inside(estimator, X)
        model, fit = chosen(model, member), told(model, member)
        proba, of = (model.gate_proba(rows), "gate") if y is None else (_shared(model, rows, y), "responsibilities")
        of = f"{of},\n{fit}" if fit else of
        names = labels(model.tree_) if hasattr(model, "tree_") else None
        return cls.from_proba(proba, sample_weight=sample_weight, labels=names, of=of, ax=ax)

    @classmethod
    def from_proba(
        cls,
        proba: Any,
        *,
        sample_weight: np.ndarray | None = None,
        labels: list[str] | None = None,
        of: str = "gate",
        ax: Axes | Sequence[Axes] | None = None,
    ) -> Self:
        """Compute usage and entropies of probabilities from anywhere, and draw them.

        Parameters
        ----------
        proba : array-like of shape (n_rows, n_experts)
            Probabilities whose rows sum to one.
        sample_weight : array-like of shape (n_rows,), default=None
            Counts of the rows.
        labels : list of str, default=None
            Names of the experts; None numbers them.
        of : str, default="gate"
            What the probabilities are, for the axis.
        ax : matplotlib Axes, or a pair of them, default=None
            One is divided in two; None makes a new figure.

        Returns
        -------
        RoutingDisplay

        Raises
        ------
        ValueError
            Where ``proba`` is no table of probabilities.
        """
        proba = np.asarray(proba, dtype=np.float64)
        if proba.ndim != 2 or not len(proba) or (proba < 0).any() or not np.allclose(proba.sum(axis=1), 1.0):
            raise ValueError(
                f"proba must hold probabilities (n_rows, n_experts) with rows that sum to one, got shape {proba.shape}."
            )
        weight = np.ones(len(proba)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        display = cls(
            report=routing_report(proba, weight),
            entropy=row_entropy(proba),
            share=weight / weight.sum(),
            labels=labels or [f"expert {k}" for k in range(proba.shape[1])],
            of=of,
        )
        return display.plot(ax)

    def plot(self, ax: Axes | Sequence[Axes] | None = None) -> Self:
        """Draw usage and entropies.

        Parameters
        ----------
        ax : matplotlib Axes, or a pair of them, default=None
            One is divided in two; None makes a new figure.

        Returns
        -------
        RoutingDisplay
            Itself, with `axes_`, `ax_` and `figure_` those just drawn on.
        """
        left, right = pair(ax, (7.0, 1.6 + 0.22 * max(6, len(self.labels))))
        self._usage(left)
        self._entropies(right)
        self.axes_, self.ax_, self.figure_ = (left, right), left, left.figure
        return self

    def _usage(self, ax: Axes) -> None:
        from matplotlib.patches import Patch

        at = range(len(self.labels))
        ax.barh(at, self.report.usage, height=0.7, color=[color(k) for k in at])
        chosen = ax.plot(self.report.chosen, at, "D", color="white", markeredgecolor=INK, markersize=5, clip_on=False)
        chosen[0].set(label="most probable", zorder=3)
        ax.axvline(1 / len(at), color=GREY, linestyle=":", linewidth=1)
        ax.set_yticks(at, [short(label) for label in self.labels])
        ax.set(ylim=(len(at) - 0.4, -0.6), xlim=(0, None), xlabel=f"share of rows ({self.of})", ylabel="expert")
        count = f"{self.report.effective_experts:.2f} effective experts of {len(at)}"
        legend_above(ax, [Patch(color=GREY, label="mean probability"), chosen[0]], title=count)

    def _entropies(self, ax: Axes) -> None:
        highest = max(np.log(len(self.labels)), 1e-3)
        ax.hist(self.entropy, bins=np.linspace(0, highest, 31).tolist(), weights=self.share, color=GREY)
        ax.axvline(self.report.entropy, color=INK, linewidth=1.2)
        ax.set(
            xlim=(0, highest), xlabel=f"entropy of a row (nats), mean {self.report.entropy:.2f}", ylabel="share of rows"
        )
        above = ax.secondary_xaxis("top", functions=(np.exp, lambda n: np.log(np.maximum(n, 1e-9))))
        above.set_xticks(np.unique(np.geomspace(1, len(self.labels), 5).round()))
        above.set_xlabel("experts a row is shared by")


def _shared(model: Any, X: Any, y: Any) -> np.ndarray:
    """Responsibilities of the experts for rows and responses."""
    if not hasattr(model, "responsibilities"):
        raise ValueError(
            f"y asks for responsibilities, and {type(model).__name__} has none. Leave y out to see its gate."
        )
    responsibilities: np.ndarray = model.responsibilities(X, y)
    return responsibilities
