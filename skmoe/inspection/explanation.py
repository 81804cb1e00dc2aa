r"""Why this row: which experts answered, with which weight, and what each column contributed.

An expert's linear predictor is a sum over columns, so against an average row with columns m it divides exactly:

.. math:: \eta_k(x) = \eta_k(m) + \sum_j b_{kj} (x_j - m_j)

The log-odds of a mixture are no such sum. What is shown for a column is the mean of its contributions over the experts,

.. math:: C_j = \sum_k s_k \, b_{kj} (x_j - m_j), \qquad s_k = g_k(x) P_k(y \mid x) / P(y \mid x)

with the probability s_k that expert k answered, given that the class is y: an expert that gives a fraud no chance
says nothing about why it is suspected, however often the gate asks it. Where all probabilities are small, as with rare
classes, s_k is also how much the log-odds of the mixture move with those of expert k; in general that is
s_k (1 - P_k) / (1 - P), which forgets the experts that are sure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import is_classifier

from .._estimator import MixtureOfExperts
from .._pipeline import inside
from .._validation import check_weight
from .targets import check_target, of_target

#: Experts with less than this of the gate and of the answer are told together, and so are those beyond this number.
SMALL, MOST = 0.05, 5


@dataclass(frozen=True)
class Explanation:
    """One prediction and its reasons; ``print`` says them in sentences.

    Attributes
    ----------
    target : label or None
        Class whose probability is explained; None for a regressor.
    answer : float
        Probability of the target, or the predicted mean.
    base : float
        Its mean over the reference rows.
    experts : list of str
        Names of the experts; those of an average are told by fit, the place in ``members_``.
    weight : ndarray of shape (n_experts,)
        How much of the gate each expert has: ``g_k(x)``.
    alone : ndarray of shape (n_experts,)
        What each expert says alone: ``P_k(y | x)``, or its mean.
    part : ndarray of shape (n_experts,)
        Weights of the experts in `contributions`, with sum one: for a classifier the parts ``g_k P_k / P`` of the
        probability, for a regressor ``g_k``, for which the contributions add up to the mean.
    columns : list of str
        Names of the columns that the mixture sees.
    values : list
        Values of the row: as they were passed where a column exists there, else as the mixture sees them.
    at_average : ndarray of shape (n_experts,)
        Linear predictor of each expert at the average reference row: log-odds of the target; with three or more classes
        log probability of the target less the mean of all; for a regressor the mean, or its log under a log link.
    by_expert : ndarray of shape (n_experts, n_columns)
        What each column adds to it: ``at_average + by_expert.sum(axis=1)`` is the linear predictor of the row.
    routing : ndarray of shape (n_columns,)
        What each column adds to the log-odds of being sent to the experts that answered (mean over `part`).
    two_classes : bool
        Whether the target is one of two classes.
    output : str or None
        Name of the output that is explained, where a regressor has several.
    """

    target: Any
    answer: float
    base: float
    experts: list[str]
    weight: np.ndarray
    alone: np.ndarray
    part: np.ndarray
    columns: list[str]
    values: list
    at_average: np.ndarray
    by_expert: np.ndarray
    routing: np.ndarray
    two_classes: bool
    output: str | None = None

    @property
    def contributions(self) -> np.ndarray:
        """Contribution of each column, the mean over the experts that answered, (n_columns,)."""
        return self.part @ self.by_expert

    @property
    def scale(self) -> str:
        """What contributions add up to, in words."""
        if self.target is None:
            return "linear predictor"
        return "log-odds" if self.two_classes else "log probability less the mean of all classes"

    @property
    def telling(self) -> np.ndarray:
        """The experts that matter most, at most five, largest part of the answer first."""
        matter = np.maximum(self.part, self.weight)
        most = np.argsort(-matter, kind="stable")[:MOST]
        most = most[matter[most] >= SMALL]
        return most[np.argsort(-self.part[most], kind="stable")]

    def __str__(self) -> str:
        return self.words()

    def words(self, event: str | None = None, n_columns: int = 4) -> str:
        """The explanation in sentences.

        Parameters
        ----------
        event : str, default=None
            What the target is called, such as "fraud"; None calls it by its label.
        n_columns : int, default=4
            Most columns named on each side.
        """
        sentences = [self.headline(event), *self._of_experts()]
        sides = ["What speaks for it", "What speaks against it"]
        if self.target is None:
            sides = ["What raises it", "What lowers it"]
            start = shown(float(self.part @ self.at_average))
            sentences.append(
                f"At the average row the linear predictors of these experts have the mean {start}; from there:"
            )
        for side, values in zip(sides, (self.contributions, -self.contributions), strict=True):
            sentences += self._largest(side, values, self.contributions, n_columns)
        sentences += self._largest("What sends it to these experts", self.routing, self.routing, n_columns)
        return "\n".join(sentences)

    def headline(self, event: str | None = None) -> str:
        """The first of the sentences."""
        if self.target is None:
            name = "" if self.output is None else f"{self.output} "
            return f"Predicted {name}{shown(self.answer)}; the mean over the reference rows is {shown(self.base)}."
        times = self.answer / self.base if self.base > 0 else np.inf
        many = f"{times:,.0f}" if times >= 10 else f"{times:.2g}"
        event = event or (self.target if isinstance(self.target, str) else f"class {self.target}")
        return f"Probability of {event}: {self.said(self.answer)}, {many} times the base rate of {self.base:.2g}."

    def said(self, answer: float) -> str:
        """A probability, never rounded to zero or one; or a mean."""
        if self.target is None:
            return shown(answer)
        return "less than 0.001" if answer < 0.001 else "more than 0.999" if answer > 0.999 else f"{answer:.3f}"

    def _of_experts(self) -> Iterator[str]:
        known = self.target is not None
        for k in self.telling:
            part = f", {self.part[k]:.0%} of the probability" if known else ""
            yield (
                f"{self.experts[k].capitalize()} answers with weight {self.weight[k]:.2f}: "
                f"alone it says {self.said(self.alone[k])}{part}."
            )
        others = np.setdiff1d(np.arange(len(self.part)), self.telling)
        if len(others):
            part = f" and {self.part[others].sum():.0%} of the probability" if known else ""
            experts = "1 other expert has" if len(others) == 1 else f"{len(others)} other experts have"
            yield f"The {experts} weight {self.weight[others].sum():.2f}{part}."

    def _largest(self, what: str, size: np.ndarray, value: np.ndarray, n: int) -> Iterator[str]:
        order = [j for j in np.argsort(-size, kind="stable")[:n] if size[j] >= 0.005]
        if order:
            yield f"{what}: " + ", ".join(f"{self.columns[j]} {shown(self.values[j])} ({value[j]:+.2f})" for j in order)


def explain(estimator: Any, X: Any, reference: Any, *, target: Any = None, sample_weight: Any = None) -> Explanation:
    """Explain the prediction for one row against the average of reference rows.

    Parameters
    ----------
    estimator : MoEClassifier, MoERegressor, Pipeline or search
        Fitted; columns are those that the mixture sees, after the steps of a pipeline.
    X : array-like or dataframe of shape (1, n_features)
        The row, as the estimator sees it. Dataframes give names and raw values.
    reference : array-like or dataframe of shape (n_rows, n_features)
        Rows to compare with, such as those of the training.
    target : label, str or int, default=None
        Class to explain; None is the last of ``classes_`` where there are two, else the predicted class. Of a regressor
        with several outputs the one to explain, by name or number.
    sample_weight : array-like of shape (n_rows,), default=None
        Weights of the reference rows.

    Returns
    -------
    Explanation

    Raises
    ------
    TypeError
        Where there is no mixture of experts in the estimator.
    ValueError
        Where X is not one row, target is no class or output of the fit, or weights are not one a row.

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe import MoEClassifier
    >>> from skmoe.inspection import explain
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-1, 1, size=(400, 2))
    >>> y = X[:, 0] * X[:, 1] > 0.3
    >>> model = MoEClassifier(n_experts=2, random_state=0).fit(X, y)
    >>> why = explain(model, [[0.8, 0.9]], X)
    >>> log_odds = why.at_average + why.by_expert.sum(axis=1)
    >>> np.allclose(1 / (1 + np.exp(-log_odds)), why.alone)
    True
    """
    row, rows = inside(estimator, X), inside(estimator, reference)
    model = row.model
    x = _dense(row.X)
    if x.ndim != 2 or len(x) != 1:
        raise ValueError(
            f"explain takes one row: X of shape (1, n_features), got shape {np.shape(X)}. "
            "Pass X[[i]] or frame.iloc[[i]], and loop over rows for several."
        )
    seen: Any = rows.X if issparse(rows.X) else _dense(rows.X)
    reference_weight = check_weight(sample_weight, seen)
    weight, output = np.exp(model._fitted.view(x, model.top_k)[0][:, 0]), None
    if is_classifier(model):
        c = _class(model, row.X, target)
        answer, alone = model.predict_proba(row.X)[0, c], model.predict_experts(row.X)[0, :, c]
        every = model.predict_proba(rows.X)[:, c]
        slopes, intercept = _of_class(model, c)
        target, part = model.classes_[c], weight * alone / answer
    else:
        output = check_target(model, target)
        of_row = model.predict(row.X)[0], model.predict_experts(row.X)[0]
        of_all = (*of_row, model.predict(rows.X), model.expert_coef_, model.expert_intercept_)
        answer, alone, every, slopes, intercept = (of_target(model, values, output) for values in of_all)
        target, part = None, weight
    mean = reference_weight @ seen / reference_weight.sum()
    return Explanation(
        target=target,
        answer=float(answer),
        base=float(np.average(every, weights=reference_weight)),
        experts=_names(model),
        weight=weight,
        alone=alone,
        part=part,
        columns=row.names,
        values=_raw(X, row.names, x[0]),
        at_average=intercept + slopes @ mean,
        by_expert=slopes * (x[0] - mean),
        routing=part @ _routing(model, 0.5 * (x[0] + mean)) * (x[0] - mean),
        two_classes=is_classifier(model) and len(model.classes_) == 2,
        output=output,
    )


def _dense(X: Any) -> np.ndarray:
    sparse: bool = issparse(X)
    return np.asarray(X.toarray() if sparse else X, dtype=np.float64)


def _class(model: Any, X: Any, target: Any) -> int:
    """Place of the class to explain."""
    if target is None:
        target = model.classes_[-1] if len(model.classes_) == 2 else model.predict(X)[0]
    places = np.flatnonzero(model.classes_ == target)
    if not len(places):
        raise ValueError(f"target={target!r} is no class of the fit: expected one of {model.classes_.tolist()}.")
    return int(places[0])


def _of_class(model: Any, c: int) -> tuple[np.ndarray, np.ndarray]:
    """Slopes (n_experts, n_columns) and intercepts (n_experts,) of the predictor of a class."""
    if len(model.classes_) == 2:
        sign = 2 * c - 1
        return sign * model.expert_coef_, sign * model.expert_intercept_
    return model.expert_coef_[:, :, c], model.expert_intercept_[:, c]


def _routing(model: MixtureOfExperts, at: np.ndarray) -> np.ndarray:
    """Slopes of the gates at a point, summed along the way to each expert, (n_experts, n_columns).

    Half way between two rows the slopes of what is linear or quadratic add up to its exact difference.
    """
    slopes = np.zeros((model.n_experts_, model.n_features_in_))
    for branch, coef in zip(model.tree_.branches, model._fitted.gate_slopes(at), strict=True):
        slopes[branch.leaves.start : branch.leaves.stop] += coef
    return slopes


def _names(model: MixtureOfExperts) -> list[str]:
    size = model.n_experts_ // len(model._members)
    if len(model._members) == 1:
        return [f"expert {k}" for k in range(size)]
    return [f"expert {k % size} of fit {k // size}" for k in range(model.n_experts_)]


def _raw(X: Any, names: list[str], seen: np.ndarray) -> list:
    """Values of columns as they were passed, where there is one of that name (but for a prefix "transformer__")."""
    columns = list(getattr(X, "columns", []))
    places = [columns.index(name) if name in columns else None for name in (n.rsplit("__", 1)[-1] for n in names)]
    row = next(iter(X.itertuples(index=False))) if hasattr(X, "itertuples") else X.row(0) if columns else ()
    return [seen[j] if place is None else row[place] for j, place in enumerate(places)]


def shown(value: Any) -> str:
    """A value of a row as people write it."""
    if value is None or value != value:
        return "missing"
    if not isinstance(value, Real):
        return str(value)
    number = float(value)
    if number == round(number) and abs(number) < 1e9:
        return f"{number:,.0f}"
    return f"{number:,.2f}" if 100 <= abs(number) < 1e9 else f"{number:.3g}"
