"""ExpertDisplay: the coefficients of the experts, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from .._pipeline import inside
from .canvas import axes, inches
from .coefficients import facts, meaning, slopes
from .members import chosen, told
from .palette import INK, color, labels, short
from .targets import check_target

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Points: the largest and the smallest size of texts in cells; and what a character needs across, in sizes.
_LARGEST, _SMALLEST, _CHARACTER = 8.5, 4.5, 0.65

#: Part of the largest coefficient from which cells are so dark that their numbers are white.
_DARK = 0.7


@dataclass(kw_only=True, eq=False, repr=False)
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
        Class whose log-odds the coefficients are of, or output of several.
    of : str, default="coefficient"
        What is shown, in words.
    fit : str, default=""
        Which fit of an average is shown, in words; empty where there is only one, or all are.

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

    coef: np.ndarray
    features: list[str]
    facts: dict[str, list[str]]
    labels: list[str]
    standardized: bool
    n_hidden: int = 0
    target: Any = None
    of: str = "coefficient"
    fit: str = ""

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
            Of a classifier: rows, as the estimator takes them, over which the rate of the target among the rows of each
            expert is counted, by the responsibilities.
        target : label, str or int, default=None
            Class whose log-odds to show, or output of several, by name or number. None is ``classes_[1]`` of two
            classes; of more classes, or of several outputs, one must be named.
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
            Where the target is not among the classes or outputs, or the experts see no column.
        NotFittedError
            Where the estimator is not fitted.
        """
        if not isinstance(max_features, Integral) or int(max_features) < 1:
            raise ValueError(f"max_features must be an int of at least 1, got {max_features!r}.")
        model, rows, names = inside(estimator, X)
        model, fit = chosen(model, member), told(model, member)
        target = check_target(model, target)
        seen, sd = model._fitted.expert.index, model._fitted.expert.units.scale
        varies = np.isfinite(sd)
        seen, sd = seen[varies], sd[varies]
        if not len(seen):
            raise ValueError("The experts see no column that varies, so there are no coefficients to show.")
        comparable = slopes(model, target)[:, seen] * sd
        order = np.argsort(-(model.expert_share_ @ np.abs(comparable)), kind="stable")[:max_features]
        if not standardize:
            order = np.sort(order)
        coef = comparable[:, order] if standardize else comparable[:, order] / sd[order]
        display = cls(
            coef=coef.T,
            features=[names[j] for j in seen[order]],
            facts=facts(model, rows, y, target),
            labels=labels(model.tree_),
            standardized=standardize,
            n_hidden=len(seen) - len(order),
            target=target,
            of=meaning(model, target),
            fit=fit,
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
        n_rows, n_experts = self.coef.shape
        top = -len(self.facts)
        ax = axes(ax, (2.2 + 0.6 * max(3, n_experts), 1.3 + 0.24 * (n_rows - top)))
        limit = np.abs(self.coef).max(axis=None if self.standardized else 1, keepdims=True)
        limit = np.where(limit > 0, limit, 1.0)
        edges = np.arange(n_experts + 1) - 0.5, np.arange(n_rows + 1) - 0.5
        ax.pcolormesh(*edges, self.coef / limit, cmap="RdBu_r", vmin=-1.2, vmax=1.2, edgecolors="white", linewidth=1)
        for k in range(n_experts):
            ax.plot([k - 0.46, k + 0.46], [top - 0.62] * 2, color=color(k), linewidth=3, clip_on=False)
        ax.set(xlim=(-0.5, n_experts - 0.5), ylim=(n_rows - 0.5, top - 0.5))
        ax.set_yticks(np.arange(top, n_rows), [*self.facts, *self.features], fontsize="small")
        ax.xaxis.tick_top()
        ax.set_xticks(range(n_experts), [short(label).replace(" ", "\n") for label in self.labels])
        ax.xaxis.set_label_position("top")
        ax.set(xlabel="expert")
        ax.tick_params(length=0)
        ax.tick_params(axis="x", pad=7)
        ax.spines[:].set_visible(False)
        below: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "top", "ha": "right"}
        ax.annotate(self._caption(), (1, 0), (0, -4), fontsize="small", **below)
        self._write(ax, self.coef / limit, _texts(self.coef, limit))
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _write(self, ax: Axes, strength: np.ndarray, numbers: np.ndarray) -> None:
        """Facts, and the coefficients where there is room, in one size that fits."""
        top, (width, height) = -len(self.facts), inches(ax)
        across = 72 * width / (len(self.labels) * _CHARACTER)
        down = 72 * height / (len(self.coef) - top) / 1.2
        style: dict[str, Any] = {"ha": "center", "va": "center"}
        for i, texts in enumerate(self.facts.values()):
            size = float(np.clip(min(across / max(map(len, texts)), down), _SMALLEST, _LARGEST))
            for k, text in enumerate(texts):
                ax.text(k, top + i, text, fontsize=size, color=INK, **style)
        size = min(_LARGEST, across / max(map(len, numbers.flat)), down)
        if size < _SMALLEST:
            return
        for (j, k), text in np.ndenumerate(numbers):
            ax.text(k, j, text, fontsize=size, color="white" if abs(strength[j, k]) > _DARK else INK, **style)

    def _caption(self) -> str:
        lines = [f"{self.of}, per sd of the column" if self.standardized else f"{self.of}, per unit of the column"]
        if not self.standardized:
            lines.append("colours compare within a row")
        if self.n_hidden:
            lines.append(f"{self.n_hidden} features with smaller ones not shown")
        return "\n".join([*lines, self.fit] if self.fit else lines)


def _texts(coef: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """Coefficients as texts, with the two leading digits of the largest that they are compared with."""
    decimals = np.broadcast_to(np.clip(1 - np.floor(np.log10(limit)), 0, 9).astype(int), coef.shape)
    rounded = [f"{round(c, d) + 0.0:.{d}f}" for c, d in zip(coef.flat, decimals.flat, strict=True)]
    return np.array([text.replace("-", "\N{MINUS SIGN}") for text in rounded]).reshape(coef.shape)
