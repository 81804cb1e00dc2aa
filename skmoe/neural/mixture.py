"""A fitted mixture of experts as a torch module, exactly."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from .carried import carried
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
    mixture = carried(estimator, FAMILIES, "from_mixture")
    experts, (n_experts, n_columns, n_answers) = mixture.experts, mixture.experts.weight.shape
    layer = MoELayer(n_columns, n_answers, n_experts=n_experts, hidden=(), router=Soft(tree=mixture.tree)).double()
    head = MixtureHead(experts.family, n_experts, n_answers, scale_floor=0.0).double()
    with torch.no_grad():
        for parameter, value in [
            (layer.router.gate.weight, mixture.gate[:, 1:]),
            (layer.router.gate.bias, mixture.gate[:, 0]),
            (layer.experts.maps[0].weight, experts.weight),
            (layer.experts.maps[0].bias, experts.bias),
        ]:
            parameter.copy_(torch.from_numpy(value))
        if experts.scale is not None:
            head.floor.copy_(torch.from_numpy(mixture.floor))
            head.set_scale(torch.from_numpy(experts.scale))
        if experts.tail is not None:
            head.set_dof(torch.from_numpy(1 / experts.tail))
    units = (torch.from_numpy(values) for values in (mixture.units.center, mixture.units.scale))
    return MixtureNetwork(layer, head, *units).eval()
