"""A fitted mixture of experts as a torch module, exactly."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from torch.distributions import Distribution

from ..model import FittedMixture
from ..rows.design import Design, Standardizer
from ..tree import Nested, Shape
from .heads import FAMILIES, MixtureHead
from .layer import MoELayer
from .routers.soft import Soft


class MixtureNetwork(nn.Module):
    """A layer whose experts answer with distributions, on standardised columns.

    .. math:: p(y \\mid x) = \\sum_e g_e(z) f_e(y \\mid z), \\qquad z = (x - c) / s

    Parameters
    ----------
    layer : MoELayer
    head : MixtureHead
    center, scale : Tensor of shape (d_in,)
        Units of the columns; a column of scale infinity counts as constant. They are buffers and not trained.

    Examples
    --------
    See `from_mixture`.
    """

    center: Tensor
    inverse: Tensor

    def __init__(self, layer: MoELayer, head: MixtureHead, center: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.layer, self.head = layer, head
        self.register_buffer("center", center)
        self.register_buffer("inverse", 1 / scale)

    def forward(self, x: Tensor) -> Distribution:
        """Distribution of the response to rows (n_rows, d_in).

        Returns
        -------
        torch.distributions.Distribution
            ``log_prob`` takes (n_rows, n_outputs), or, of classes, numbers of classes (n_rows,); ``probs`` of classes
            are (n_rows, n_classes).
        """
        return self.head(*self.layer.answers((x - self.center) * self.inverse))


def from_mixture(estimator: Any) -> MixtureNetwork:
    """A fitted mixture as a torch module with the same densities and probabilities.

    Gates become one `Soft` router over the tree of the mixture, experts linear ones (``hidden=()``), and the head mixes
    their distributions, so nothing is approximated. Use it to go on training by gradients, inside a larger network, or
    on a GPU. `top_k` of the estimator plays no part, as in ``log_prob``.

    Parameters
    ----------
    estimator : skmoe.MoERegressor or skmoe.MoEClassifier
        Fitted, with gates whose log-odds are linear in x, and experts of one family: Gaussian, Student-t, Poisson, or
        classes. Averages too.

    Returns
    -------
    MixtureNetwork
        In double precision. ``.float()`` makes it single.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        Where the estimator was not fitted.
    ValueError
        Where a gate models x, experts are of several families, or the family is none that the head knows.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from skmoe import MoERegressor
    >>> from skmoe.datasets import make_moe_regression
    >>> from skmoe.neural import from_mixture
    >>> X, y = make_moe_regression(n_samples=300, n_features=3, random_state=0)
    >>> model = MoERegressor(3, n_init=1, random_state=0).fit(X, y)
    >>> network = from_mixture(model)
    >>> log_prob = network(torch.from_numpy(X)).log_prob(torch.from_numpy(y[:, None]))
    >>> np.allclose(log_prob.detach().numpy(), model.log_prob(X, y), atol=1e-10)
    True
    """
    check_is_fitted(estimator)
    fitted: FittedMixture | None = getattr(estimator, "_fitted", None)
    if fitted is None:
        raise ValueError(
            f"from_mixture carries over a fitted MoERegressor or MoEClassifier, got {type(estimator).__name__}."
        )
    experts, gate, units = _experts(fitted), _gate(fitted), _units(fitted)
    n_experts, n_columns, n_answers = experts.weight.shape
    tree = _shape(fitted.tree.nested) if fitted.tree.nested else 1
    layer = MoELayer(n_columns, n_answers, n_experts=n_experts, hidden=(), router=Soft(tree=tree)).double()
    floor = fitted.scale_floor()
    head = MixtureHead(experts.family, n_experts, n_answers, scale_floor=0.0).double()
    with torch.no_grad():
        for parameter, value in [
            (layer.router.gate.weight, gate[:, 1:]),
            (layer.router.gate.bias, gate[:, 0]),
            (layer.experts.maps[0].weight, experts.weight),
            (layer.experts.maps[0].bias, experts.bias),
        ]:
            parameter.copy_(torch.from_numpy(value))
        if experts.scale is not None:
            head.floor.copy_(torch.from_numpy(np.asarray(floor)))
            head.set_scale(torch.from_numpy(experts.scale))
        if experts.tail is not None:
            head.set_dof(torch.from_numpy(1 / experts.tail))
    return MixtureNetwork(layer, head, *(torch.from_numpy(values) for values in (units.center, units.scale))).eval()


class _Experts(NamedTuple):
    """Linear experts on standardised columns, answers in units of y: weight (n_experts, n_columns, n_answers), bias
    (n_experts, n_answers); scale and one over the degrees of freedom (n_experts, n_answers), or None."""

    family: str
    weight: np.ndarray
    bias: np.ndarray
    scale: np.ndarray | None
    tail: np.ndarray | None


def _experts(fitted: FittedMixture) -> _Experts:
    blocks = list(zip(fitted.mixture.experts, fitted.params.experts, strict=True))
    families = {_family(block.expert) for block, _ in blocks}
    if len(families) > 1 or not families <= set(FAMILIES):
        raise ValueError(
            f"Experts of {', '.join(sorted(families))} cannot be carried over: expected one family of "
            f"{', '.join(FAMILIES)}. Train a mixture whose experts are of one of these."
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
    return _Experts(families.pop(), np.ascontiguousarray(weight), bias, *(*shape, None, None)[:2])


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
