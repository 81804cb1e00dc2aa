"""ExpertDisplay: the coefficients of the experts, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import is_classifier

from .._estimator import MixtureOfExperts
from .._pipeline import inside
from .canvas import axes, pyplot
from .members import chosen
from .palette import INK, color, labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Inches that a number needs, across and down.
_CELL = (0.42, 0.15)


class ExpertDisplay:
    """Coefficients of the experts as a heat-map: a column an expert, a row a feature.

    Use it to read a mixture: what raises the response in one expert and lowers it in another. Above the coefficients
    stand the share of each expert and, where there are such, its scale and the rate of a class among its rows. Numbers
    are written into the cells where there is room. It is recommended to make it by `from_estimator`.

    Parameters
    ----------
    coef : ndarray of shape (n_shown, n_experts)
        Coefficients of the features shown.
    features : list of str
        Their names.
    facts : dict of str to list of str
        What stands above the coefficients: a name, and a text for each expert.
    labels : list of str
        Names of the experts.
    standardized : bool
        Whether coefficients are per standard deviation of the column. Then all colours share one scale; else columns
        have different units, and colours compare experts within a row only.
    n_hidden : int, default=0
        Number of features with smaller coefficients that are not shown.
    target : object, default=None
        Class whose log-odds the coefficients are of.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    See Also
    --------
    MoERegressor.summary : The same in the user's units, as a table.

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe import MoERegressor
    >>> from skmoe.inspection import ExpertDisplay
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-1, 1, size=(300, 2))
    >>> y = np.abs(X[:, 0]) + 0.05 * rng.standard_normal(300)
    >>> model = MoERegressor(n_experts=2, random_state=0).fit(X, y)
    >>> display = ExpertDisplay.from_estimator(model, standardize=False)
    >>> display.features, abs(display.coef.round(1))
    (['x0', 'x1'], array([[1., 1.],
           [0., 0.]]))
    """

    def __init__(
        self,
        *,
        coef: np.ndarray,
        features: list[str],
        facts: dict[str, list[str]],
        labels: list[str],
        standardized: bool,
        n_hidden: int = 0,
        target: Any = None,
    ):
        self.coef = coef
        self.features = features
        self.facts = facts
        self.labels = labels
        self.standardized = standardized
        self.n_hidden = n_hidden
        self.target = target

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        y: Any = None,
        *,
        target: Any = None,
        standardize: bool = True,
        max_features: int = 20,
        member: int | None = 0,
        ax: Axes | None = None,
    ) -> Self:
        """Read the coefficients, and draw them.

        Behind a pipeline features are those that the mixture sees. Features that no expert sees, or that did not vary
        in training, are left out.

        Parameters
        ----------
        estimator : MoERegressor, MoEClassifier, or a Pipeline or search around one
            Fitted.
        X, y : array-like of shape (n_samples, n_features) and (n_samples,), default=None
            Of a classifier: rows over which the rate of the target among the rows of each expert is counted, by the
            responsibilities.
        target : label, default=None
            Class whose log-odds to show. None is ``classes_[1]`` of two classes; of more one must be named.
        standardize : bool, default=True
            Whether coefficients are multiplied by the standard deviation of their column in training, so that they
            can be compared, and features stand in falling order of their mean magnitude, weighted by the shares. False
            leaves them in the user's units and features in the order of the columns.
        max_features : int >= 1, default=20
            Most features shown: those of the largest magnitude per standard deviation.
        member : int or None, default=0
            Which fit of an average to show, best objective first; None shows all experts of all fits. A single fit is
            its own member 0.
        ax : matplotlib Axes, default=None
            None makes a new figure, of a size that holds the table.

        Returns
        -------
        ExpertDisplay

        Raises
        ------
        ValueError
            Where the target is not among the classes, or the experts see no column.
        NotFittedError
            Where the estimator is not fitted.
        """
        model, rows, names = inside(estimator, X)
        model = chosen(model, member)
        target = _target(model, target)
        seen, sd = model._fitted.expert.index, model._fitted.expert.units.scale
        varies = np.isfinite(sd)
        seen, sd = seen[varies], sd[varies]
        if not len(seen):
            raise ValueError("The experts see no column that varies, so there are no coefficients to show.")
        comparable = _slopes(model, target)[:, seen] * sd
        order = np.argsort(-(model.expert_share_ @ np.abs(comparable)), kind="stable")[:max_features]
        if not standardize:
            order = np.sort(order)
        coef = comparable[:, order] if standardize else comparable[:, order] / sd[order]
        display = cls(
            coef=coef.T,
            features=[names[j] for j in seen[order]],
            facts=_facts(model, rows, y, target),
            labels=labels(model.tree_),
            standardized=standardize,
            n_hidden=len(seen) - len(order),
            target=target,
        )
        return display.plot(ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw the table.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure, of a size that holds the table.

        Returns
        -------
        ExpertDisplay
            Itself, with `ax_` and `figure_` those just drawn on.
        """
        pyplot()
        n_rows, n_experts = self.coef.shape
        top = -len(self.facts)
        ax = axes(ax, (2.2 + 0.6 * max(3, n_experts), 1.3 + 0.24 * (n_rows - top)))
        limit = np.abs(self.coef).max(axis=None if self.standardized else 1, keepdims=True)
        limit = np.where(limit > 0, limit, 1.0)
        edges = np.arange(n_experts + 1) - 0.5, np.arange(n_rows + 1) - 0.5
        ax.pcolormesh(*edges, self.coef / limit, cmap="RdBu_r", vmin=-1.25, vmax=1.25, edgecolors="white", linewidth=1)
        for k in range(n_experts):
            ax.plot([k - 0.46, k + 0.46], [top - 0.62] * 2, color=color(k), linewidth=3, clip_on=False)
            for i, texts in enumerate(self.facts.values()):
                ax.text(k, top + i, texts[k], ha="center", va="center", fontsize="small", color=INK)
        ax.set(xlim=(-0.5, n_experts - 0.5), ylim=(n_rows - 0.5, top - 0.5))
        ax.set_yticks(np.arange(top, n_rows), [*self.facts, *self.features], fontsize="small")
        ax.xaxis.tick_top()
        ax.set_xticks(range(n_experts), [label.removeprefix("expert ").replace(" ", "\n") for label in self.labels])
        ax.xaxis.set_label_position("top")
        ax.set(xlabel="expert")
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        ax.text(0.5, -0.02, self._caption(), transform=ax.transAxes, ha="center", va="top", fontsize="small")
        self._numbers(ax, limit)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _numbers(self, ax: Axes, limit: np.ndarray) -> None:
        """The coefficients as texts, where the cells are large enough for them."""
        box = ax.get_window_extent().transformed(ax.get_figure(root=True).dpi_scale_trans.inverted())  # type: ignore[union-attr]
        n_rows, n_experts = self.coef.shape
        if box.width / n_experts < _CELL[0] or box.height / (n_rows + len(self.facts)) < _CELL[1]:
            return
        for (j, k), value in np.ndenumerate(self.coef):
            decimals = int(np.clip(1 - np.floor(np.log10(np.broadcast_to(limit, self.coef.shape)[j, k])), 0, 6))
            ax.text(k, j, f"{value:.{decimals}f}", ha="center", va="center", fontsize="small", color=INK)

    def _caption(self) -> str:
        of = "coefficient" if self.target is None else f"log-odds of {self.target}"
        unit = "per sd of the column" if self.standardized else "in the units of the column; colours within a row"
        hidden = f"\n{self.n_hidden} features with smaller ones not shown" if self.n_hidden else ""
        return f"{of}, {unit}{hidden}"


def _target(model: MixtureOfExperts, target: Any) -> Any:
    """The class whose coefficients are shown; None for a regressor."""
    if not is_classifier(model):
        if target is not None:
            raise ValueError(f"target={target!r} names a class, but {type(model).__name__} predicts numbers.")
        return None
    classes = model.classes_.tolist()
    if target is None and len(classes) == 2:
        return classes[1]
    if target not in classes:
        raise ValueError(f"target={target!r}: name the class whose coefficients to show, one of {classes}.")
    return target


def _slopes(model: MixtureOfExperts, target: Any) -> np.ndarray:
    """Slopes (n_experts, n_features) in the user's units, of the log-odds of the target."""
    if target is None:
        return model.expert_coef_
    position = model.classes_.tolist().index(target)
    if model.expert_coef_.ndim == 3:
        return model.expert_coef_[:, :, position]
    return model.expert_coef_ if position == 1 else -model.expert_coef_


def _facts(model: MixtureOfExperts, X: Any, y: Any, target: Any) -> dict[str, list[str]]:
    facts = {"share": [f"{share:.0%}" for share in model.expert_share_]}
    if hasattr(model, "expert_scale_"):
        facts["scale"] = ["-" if np.isnan(scale) else f"{scale:.3g}" for scale in model.expert_scale_]
    if target is not None and X is not None and y is not None:
        h = model.responsibilities(X, y)
        rate = h.T @ (np.asarray(y) == target) / h.sum(axis=0)
        facts[f"rate of {target}"] = [f"{r:.2g}" if r < 0.1 else f"{r:.2f}" for r in rate]
    return facts
