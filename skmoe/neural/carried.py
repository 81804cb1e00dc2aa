"""A fitted mixture as arrays on standardised columns: what the torch side carries over."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._validation import naming
from ..model import FittedMixture
from ..rows.design import Design, Standardizer
from ..tree import Nested, Shape
from .raw_columns import RawColumns, refuse_gaps


class LinearExperts(NamedTuple):
    """Linear experts on standardised columns, answers in units of y: weight (n_experts, n_columns, n_answers), bias
    (n_experts, n_answers); scale and one over the degrees of freedom (n_experts, n_answers), or None."""

    family: str
    weight: np.ndarray
    bias: np.ndarray
    scale: np.ndarray | None
    tail: np.ndarray | None


class CarriedMixture(NamedTuple):
    """A fitted mixture on standardised columns.

    Attributes
    ----------
    tree : int or tuple
        Shape of the tree.
    gate : ndarray of shape (n_branches, 1 + n_columns)
        Log-odds of the branches, intercepts first.
    experts : LinearExperts
    units : Standardizer
        Centre and scale of the columns; a column of scale infinity counts as constant.
    floor : ndarray or None
        Scale floor of every output, in units of y.
    names : ndarray of str or None
        Of the columns, where the mixture was fitted to a dataframe.
    """

    tree: Shape
    gate: np.ndarray
    experts: LinearExperts
    units: Standardizer
    floor: np.ndarray | None
    names: np.ndarray | None = None

    @property
    def n_experts(self) -> int:
        return len(self.experts.weight)

    def check_rows(self, raw: RawColumns, outputs: tuple[int, ...]) -> None:
        """ValueError where rows are not of the columns of the mixture, or have gaps, or responses not of its outputs.

        ``outputs`` is (n_outputs,), or () of classes.
        """
        n_features = len(self.units.center)
        if raw.is_categorical.any():
            raise ValueError(
                f"init is a mixture of columns of numbers, but {np.count_nonzero(raw.is_categorical)} columns of X are "
                "categories. Encode them first, for both estimators, or leave init out."
            )
        if raw.numbers.shape[1] != n_features:
            raise ValueError(
                f"init is a mixture of {n_features} features, but X has {raw.numbers.shape[1]} features. Fit it to the "
                "same columns."
            )
        if raw.names is not None and self.names is not None and list(raw.names) != list(self.names):
            raise ValueError(
                f"init is a mixture of the columns {list(self.names)}, but X has the columns {list(raw.names)}. Fit it "
                "to the same columns, in the same order."
            )
        with naming("init"):
            refuse_gaps(raw)
        n_outputs = self.experts.bias.shape[1]
        if outputs not in ((), (n_outputs,)):
            raise ValueError(
                f"init is a mixture for {n_outputs} outputs, but y has {outputs[0]} outputs. Fit it to the same ones."
            )


#: What there is to do about a mixture that is not fitted.
_FIT_IT = (
    "Call its fit first; where it is cloned, as in a search, wrap the fitted one in sklearn.frozen.FrozenEstimator, "
    "which clones leave fitted."
)


def carried(estimator: Any, families: tuple[str, ...], who: str) -> CarriedMixture:
    """The arrays of a fitted mixture.

    Parameters
    ----------
    estimator : skmoe.MoERegressor or skmoe.MoEClassifier
        Fitted, with gates whose log-odds are linear in x, and experts of one family.
    families : tuple of str
        Those that can be carried over.
    who : str
        Who asks, for errors.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        Where the estimator was not fitted.
    ValueError
        Where it is no mixture, a gate models x, or experts are of several families or of another.
    """
    check_is_fitted(estimator, msg=f"{who} carries over a fitted mixture, but this %(name)s is not fitted. {_FIT_IT}")
    fitted: FittedMixture | None = getattr(estimator, "_fitted", None)
    if fitted is None:
        raise ValueError(f"{who} carries over a fitted MoERegressor or MoEClassifier, got {type(estimator).__name__}.")
    floor = fitted.scale_floor()
    return CarriedMixture(
        tree=_shape(fitted.tree.nested) if fitted.tree.nested else 1,
        gate=_gate(fitted),
        experts=_experts(fitted, families, who),
        units=_units(fitted),
        floor=None if floor is None else np.asarray(floor),
        names=getattr(estimator, "feature_names_in_", None),
    )


def _experts(fitted: FittedMixture, possible: tuple[str, ...], who: str) -> LinearExperts:
    blocks = list(zip(fitted.mixture.experts, fitted.params.experts, strict=True))
    families = {_family(block.expert) for block, _ in blocks}
    if len(families) > 1 or not families <= set(possible):
        raise ValueError(
            f"{who} has experts of {', '.join(sorted(families))}, which cannot be carried over here: expected one "
            f"family of {', '.join(possible)}. Fit a mixture whose experts are of one of these, to the same responses."
        )
    same = Standardizer(np.zeros(len(fitted.expert.index)), np.ones(len(fitted.expert.index)))
    order = np.argsort(np.concatenate([block.leaves for block, _ in blocks]))
    slopes, bias = (
        np.concatenate(parts)[order]
        for parts in zip(*(block.expert.original(params, same) for block, params in blocks), strict=True)
    )
    thetas = [_shape_parameters(block.expert, params, len(same.center)) for block, params in blocks]
    shape = [np.concatenate(parts)[order] for parts in zip(*thetas, strict=True)]
    weight = np.swapaxes(fitted.expert.spread(slopes), 1, 2)
    return LinearExperts(families.pop(), np.ascontiguousarray(weight), bias, *(*shape, None, None)[:2])


def _family(expert: Any) -> str:
    """Name of the distribution of the response; experts of several classes have no `Family`."""
    return expert.family.name if hasattr(expert, "family") else "multinomial"


def _shape_parameters(expert: Any, params: Any, n_columns: int) -> list[np.ndarray]:
    """Scale in units of y and one over the degrees of freedom, as far as there are any, (n_experts, n_outputs)."""
    scale = expert.scale(params) if hasattr(expert, "scale") else None
    if scale is None:
        return []
    nowhere = Design(np.zeros((n_columns + 1, 1)))  # what comes after the location does not see x
    return [scale, *(values[..., 0] for values in expert.theta(params, nowhere)[2:])]


def _gate(fitted: FittedMixture) -> np.ndarray:
    """Logits of the branches on standardised columns, (n_branches, 1 + n_features), intercepts first."""
    n_coef = len(fitted.gate.index) + 1
    gates = zip(fitted.mixture.gates, fitted.params.gates, strict=True)
    coef = [gate.coef(params, n_coef) for gate, params in gates]
    if any(part is None for part in coef):
        raise ValueError(
            "A gate of this mixture models x, so its log-odds are not linear in x and no softmax router is the same. "
            'Use gate="softmax", or a GaussianGate of tied covariances.'
        )
    every = np.concatenate([part for part in coef if part is not None])
    return np.column_stack([every[:, 0], fitted.gate.spread(every[:, 1:])])


def _units(fitted: FittedMixture) -> Standardizer:
    """Units of all columns; those that nobody sees count as constant."""
    center, scale = np.zeros(fitted.expert.n_features), np.full(fitted.expert.n_features, np.inf)
    for columns in (fitted.gate, fitted.expert):
        center[columns.index], scale[columns.index] = columns.units.center, columns.units.scale
    return Standardizer(center, scale)


def _shape(nested: Nested) -> Shape:
    """What `skmoe.tree.Tree.parse` makes a tree of: an int where all branches are leaves."""
    if not any(nested):
        return len(nested)
    return tuple(1 if not child else (below,) if isinstance(below := _shape(child), int) else below for child in nested)
