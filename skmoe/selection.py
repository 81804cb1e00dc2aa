"""Selection: how many experts, by fits that start from each other or by a tree that grows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import check_cv
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _check_sample_weight

from .training.growth import Growth

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Growth", "Path", "path"]

#: Criteria, and whether more of each is better.
_CRITERIA = {"bic": False, "icl": False, "held_out": True}


@dataclass(frozen=True, repr=False)
class Path:
    """Fits of rising numbers of experts, and what speaks for each.

    ``print`` shows the table.

    Attributes
    ----------
    estimators : list of estimators
        The fit of every number of experts, on all rows.
    table : dict of str to ndarray
        Columns of equal length, ready for a data frame: ``n_experts``, ``n_parameters``, ``objective``, ``bic`` and
        ``icl`` (less is better), and ``held_out`` (mean log score in nats a row over the folds, more is better) and
        ``held_out_se``, the standard error of its difference from the best.
    """

    estimators: list[Any]
    table: dict[str, np.ndarray]

    def best(self, criterion: str = "bic") -> Any:
        """The fit that a criterion likes best.

        Parameters
        ----------
        criterion : {"bic", "icl", "held_out"}, default="bic"
        """
        if criterion not in _CRITERIA or criterion not in self.table:
            known = [c for c in _CRITERIA if c in self.table]
            expected = f"expected one of {known}" if known else "averages have none of these; pass cv= for 'held_out'"
            raise ValueError(f"criterion={criterion!r}: {expected}.")
        column = self.table[criterion]
        return self.estimators[int(column.argmax() if _CRITERIA[criterion] else column.argmin())]

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw what each criterion says against the number of experts, as nats a row short of its best.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        """
        import matplotlib.pyplot as plt

        from .inspection.palette import COLORS

        axes: Axes = plt.subplots()[1] if ax is None else ax
        ks, n_rows = self.table["n_experts"], self.table["n_rows"]
        for color, (name, more) in zip(COLORS, _CRITERIA.items(), strict=False):
            if name in self.table:
                column = self.table[name] if more else -self.table[name] / (2 * n_rows)
                short, label = column - column.max(), name.replace("_", " ")
                axes.plot(ks, short, "o-", color=color, label=label, markersize=4)
                if name == "held_out":
                    se = self.table["held_out_se"]
                    axes.fill_between(ks, short - se, short + se, color=color, alpha=0.15, linewidth=0)
        axes.set(xlabel="experts", ylabel="nats a row, from the best", xticks=ks)
        axes.legend()
        return axes

    def __repr__(self) -> str:
        names = [name for name in self.table if name != "n_rows"]
        form = {"held_out": "{:.3f}", "held_out_se": "{:.3f}", "objective": "{:.1f}", "bic": "{:.1f}", "icl": "{:.1f}"}
        cells = [[form.get(n, "{}").format(value) for value in self.table[n]] for n in names]
        widths = [max(len(cell) for cell in (name, *column)) for name, column in zip(names, cells, strict=True)]
        lines = [names, *zip(*cells, strict=True)]
        return "\n".join("  ".join(c.rjust(w) for c, w in zip(line, widths, strict=True)) for line in lines)


def path(
    estimator: Any, X: Any, y: Any, n_experts: Iterable[int] = range(1, 10), sample_weight: Any = None, cv: Any = 5
) -> Path:
    """Fit rising numbers of experts, each from a search of its own and from the fit before, and compare them.

    A fit of K experts also starts at the one of fewer before it, with each of its experts split in turn; the better of
    both is kept. So the likelihood rises along the path as it should, and a criterion compares numbers of experts
    instead of the luck of their starts. Averages (``combine_inits="average"``) do not start from each other and have no
    ``bic`` and ``icl``.

    Use it for flat mixtures where the whole curve is wanted. Where only the answer is wanted,
    ``n_experts=Growth()`` grows a tree for less.

    Parameters
    ----------
    estimator : MoERegressor or MoEClassifier
        Copies of it are fitted.
    X : array-like, sparse matrix or RowSource of shape (n_samples, n_features)
    y : array-like of shape (n_samples,)
    n_experts : iterable of int >= 1, default=range(1, 10)
    sample_weight : array-like of shape (n_samples,), default=None
        Counts, as in ``fit``.
    cv : int, cross-validation generator, iterable or None, default=5
        Folds of the held-out score; every fold walks a path of its own. A row that is held out several times counts
        by its mean. None leaves the score out and costs a sixth.

    Returns
    -------
    Path

    Raises
    ------
    TypeError
        Where the estimator is no mixture, such as a pipeline or a search: transform X first.
    ValueError
        Where ``n_experts`` holds anything but positive ints.

    See Also
    --------
    Growth : How a tree is grown.

    References
    ----------
    Biernacki, Celeux & Govaert (2000), Assessing a mixture model for clustering with the integrated completed
    likelihood. https://doi.org/10.1109/34.865189

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe import MoERegressor
    >>> from skmoe.selection import path
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-1, 1, size=(200, 1))
    >>> y = np.abs(X[:, 0]) + 0.05 * rng.standard_normal(200)
    >>> found = path(MoERegressor(n_init=2, random_state=0), X, y, n_experts=range(1, 4), cv=3)
    >>> found.best("bic").n_experts_, found.best("held_out").n_experts_
    (2, 2)
    """
    if not hasattr(type(estimator), "responsibilities"):
        raise TypeError(
            f"path fits a MoERegressor or MoEClassifier, got {type(estimator).__name__}. Of a pipeline, pass the "
            "mixture alone, and X as the steps before it leave it."
        )
    ks = sorted(set(n_experts)) if isinstance(n_experts, Iterable) else []
    if not ks or any(isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1 for k in ks):
        raise ValueError(
            f"n_experts={n_experts!r}: expected numbers of experts, ints of at least 1, as in range(1, 10)."
        )
    weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
    sample_weight = None if sample_weight is None else weight
    estimators = list(_chain(estimator, X, y, ks, sample_weight))
    table: dict[str, np.ndarray] = {
        "n_experts": np.array(ks),
        "n_parameters": np.array([model.n_parameters_ for model in estimators]),
        "objective": np.array([model.objective_ for model in estimators]),
    }
    if estimator.combine_inits == "best":
        table["bic"] = np.array([model.bic(X, y, sample_weight) for model in estimators])
        table["icl"] = np.array([model.icl(X, y, sample_weight) for model in estimators])
    if cv is not None:
        table["held_out"], table["held_out_se"] = _held_out(estimator, X, y, ks, sample_weight, weight, cv)
    return Path(estimators, table | {"n_rows": np.full(len(ks), weight.sum())})


def _chain(estimator: Any, X: Any, y: Any, ks: list[int], sample_weight: Any) -> Iterator[Any]:
    """The best fit of every number of experts."""
    previous = None
    for k in ks:
        best = clone(estimator).set_params(n_experts=k).fit(X, y, sample_weight)
        if previous is not None and estimator.combine_inits == "best":
            start = FrozenEstimator(previous)
            nested = clone(estimator).set_params(n_experts=k, init=start).fit(X, y, sample_weight)
            best = nested.set_params(init=best.init) if nested.objective_ > best.objective_ else best
        yield best
        previous = best


def _held_out(
    estimator: Any, X: Any, y: Any, ks: list[int], sample_weight: Any, weight: np.ndarray, cv: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Mean log score of rows that did not train, and the standard error of its difference from the best."""
    folds = check_cv(cv, y, classifier=is_classifier(estimator))
    score, times = np.zeros((len(ks), len(weight))), np.zeros(len(weight))
    for train, test in folds.split(X, y):
        w = None if sample_weight is None else weight[train]
        models = _chain(estimator, _safe_indexing(X, train), _safe_indexing(y, train), ks, w)
        for row, model in zip(score, models, strict=True):
            row[test] += model.log_prob(_safe_indexing(X, test), _safe_indexing(y, test))
        times[test] += 1
    seen = (times > 0) & (weight > 0)
    score, weight = score[:, seen] / times[seen], weight[seen]
    mean = score @ weight / weight.sum()
    short = score - score[mean.argmax()]
    spread = np.square(short - (short @ weight / weight.sum())[:, None]) @ weight / weight.sum()
    return mean, np.sqrt(spread / weight.sum())
