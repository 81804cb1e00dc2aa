"""Losses that keep experts in use, and gates honest: pure functions of a `Routing`.

Add them to the loss of the task, times a small number. Of rows that are shared out to several processes
(`MoELayer(dp_group=...)`) they have the value, and after averaging over processes the gradients, of all rows together.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .collectives import all_max, all_sum
from .routing import Routing

#: What sums over no rows are divided by.
_TINY = 1e-30


def importance_loss(routing: Routing, *, ddof: int = 0) -> Tensor:
    """Squared coefficient of variation of the experts' summed weights (Shazeer et al. 2017, section 4).

    .. math:: L = \\mathrm{Var}(I) / \\mathrm{Mean}(I)^2, \\qquad I_e = \\sum_t g_e(x_t)

    0 where all experts count alike. The paper adds it times 0.1, for `NoisyTopK`.

    Parameters
    ----------
    routing : Routing
    ddof : int, default=0
        1 divides the variance by ``n_experts - 1``, as several torch implementations do.

    Returns
    -------
    Tensor of shape ()

    References
    ----------
    N. Shazeer et al. (2017). Outrageously large neural networks. ICLR. https://arxiv.org/abs/1701.06538

    Examples
    --------
    >>> import torch
    >>> from skmoe.neural import MoELayer, Soft, importance_loss
    >>> layer = MoELayer(3, 1, n_experts=4, router=Soft())
    >>> y = layer(torch.zeros(5, 3))
    >>> round(importance_loss(layer.routing).item(), 6)
    0.0
    """
    return _squared_variation(_per_expert(routing, routing.combine_weights()), ddof)


def load_loss(routing: Routing, *, ddof: int = 0) -> Tensor:
    """Squared coefficient of variation of the experts' expected loads (Shazeer et al. 2017, appendix A).

    .. math:: L = \\mathrm{Var}(L_e) / \\mathrm{Mean}(L_e)^2, \\qquad L_e = \\sum_t P(e \\text{ is chosen for } x_t)

    0 where all experts expect as many rows. The paper adds it times 0.1, for `NoisyTopK`.

    Parameters
    ----------
    routing : Routing
        Of a noisy router in training.
    ddof : int, default=0
        1 divides the variance by ``n_experts - 1``.

    Returns
    -------
    Tensor of shape ()

    Raises
    ------
    ValueError
        Where the router has no noise, or did not draw it because the layer predicts.

    References
    ----------
    N. Shazeer et al. (2017). Outrageously large neural networks. ICLR. https://arxiv.org/abs/1701.06538
    """
    if routing.chance is None:
        raise ValueError(
            "load_loss needs the chances of choice that NoisyTopK leaves in training, and this routing has none. Use "
            "NoisyTopK and layer.train(), or balance_loss for other routers."
        )
    return _squared_variation(_per_expert(routing, routing.chance), ddof)


def balance_loss(routing: Routing, *, first_choice: bool = False) -> Tensor:
    """Product of how often experts are chosen and how probable they are (Fedus et al. 2022; Lepikhin et al. 2021).

    .. math:: L = E \\sum_e f_e P_e, \\qquad f_e = \\text{share of the choices}, \\quad P_e = \\frac1T \\sum_t p_{te}

    1 where all experts are chosen alike and as probable; gradients pass through P alone. Choices are counted before any
    are dropped. Where all experts answer every row, as behind `Soft`, it is 1 whatever the gate does, and teaches
    nothing: use `importance_loss` there. Papers add it times 0.01. Mixtral in transformers does not divide by the
    choices of a row, and its loss is k times this one.

    Parameters
    ----------
    routing : Routing
    first_choice : bool, default=False
        Count the first choice of every row only, as GShard does.

    Returns
    -------
    Tensor of shape ()

    References
    ----------
    W. Fedus, B. Zoph, N. Shazeer (2022). Switch transformers. Journal of Machine Learning Research 23(120), 1-39.
    https://jmlr.org/papers/v23/21-0998.html

    Examples
    --------
    >>> import torch
    >>> from skmoe.neural import MoELayer, TopK, balance_loss
    >>> layer = MoELayer(3, 1, n_experts=4, router=TopK(k=4))
    >>> y = layer(torch.randn(5, 3))
    >>> round(balance_loss(layer.routing).item(), 6)
    1.0
    """
    wanted = routing.wanted().to(routing.probs.dtype)
    index, wanted = (routing.index[..., :1], wanted[..., :1]) if first_choice else (routing.index, wanted)
    counts = _per_expert(routing, torch.zeros_like(routing.probs).scatter_add(-1, index, wanted))
    proba = _per_expert(routing, routing.probs)
    share, mean = counts / counts.sum().clamp_min(_TINY), proba / proba.detach().sum().clamp_min(_TINY)
    return routing.n_experts * (share * mean).sum()


def z_loss(routing: Routing) -> Tensor:
    """Mean square of the logarithm of the softmax's denominator (Zoph et al. 2022, section 3).

    .. math:: L = \\frac1T \\sum_t \\left(\\log \\sum_e \\exp z_{te}\\right)^2

    It keeps logits small, where half precision can tell them apart. The paper adds it times 0.001.

    Parameters
    ----------
    routing : Routing

    Returns
    -------
    Tensor of shape ()

    References
    ----------
    B. Zoph et al. (2022). ST-MoE: designing stable and transferable sparse expert models.
    https://arxiv.org/abs/2202.08906

    Examples
    --------
    >>> import torch
    >>> from skmoe.neural import MoELayer, Soft, z_loss
    >>> layer = MoELayer(3, 1, n_experts=4, router=Soft())
    >>> y = layer(torch.zeros(5, 3))  # logits of zero
    >>> round(z_loss(layer.routing).item() ** 0.5, 6)  # log 4
    1.386294
    """
    return _mean(routing, routing.logits.logsumexp(-1).square())


def entropy_loss(routing: Routing) -> Tensor:
    """Mean entropy of the probabilities of a row, in nats.

    .. math:: L = -\\frac1T \\sum_t \\sum_e p_{te} \\log p_{te}

    Adding it, times a number that grows, makes a gate sharp: begin softly, end with few experts a row. By itself it is
    content with one expert for all rows; `mutual_information_loss` is not.

    Parameters
    ----------
    routing : Routing

    Returns
    -------
    Tensor of shape ()

    Examples
    --------
    >>> import torch
    >>> from skmoe.neural import MoELayer, Soft, entropy_loss
    >>> layer = MoELayer(3, 1, n_experts=4, router=Soft())
    >>> y = layer(torch.zeros(5, 3))
    >>> round(entropy_loss(layer.routing).item(), 6)  # log 4
    1.386294
    """
    return _mean(routing, _entropy(routing.probs))


def mutual_information_loss(routing: Routing, groups: Tensor | None = None) -> Tensor:
    """Less the mutual information of experts and groups of rows, in nats (Chen et al. 2023).

    .. math:: L = -\\sum_m P(m) \\sum_e P(e \\mid m) \\log \\frac{P(e \\mid m)}{P(e)}, \\qquad
              P(e \\mid m) = \\text{mean of } p_{te} \\text{ over the rows of } m

    Between 0, where all groups use the same experts alike, and ``-log(min(n_experts, n_groups))``, where each uses its
    own. It makes experts differ and be used.

    Parameters
    ----------
    routing : Routing
    groups : Tensor of shape (n_rows,), int64, default=None
        The group of each row, numbers from 0: a segment, a month, a class. None are the tasks of `MultiTask`, and where
        there are no tasks every row is a group of its own.

    Returns
    -------
    Tensor of shape ()

    References
    ----------
    Z. Chen et al. (2023). Mod-Squad: designing mixtures of experts as modular multi-task learners. CVPR.
    https://arxiv.org/abs/2212.08066

    Examples
    --------
    >>> import torch
    >>> from skmoe.neural import MoELayer, TopK, mutual_information_loss
    >>> layer = MoELayer(3, 1, n_experts=4, router=TopK(k=2))
    >>> y = layer(torch.zeros(5, 3))
    >>> abs(round(mutual_information_loss(layer.routing).item(), 6))
    0.0
    """
    proba = routing.probs
    groups = routing.task if groups is None else groups
    weighted = proba if routing.row_weight is None else proba * routing.row_weight[..., None]
    if proba.dim() == 3:  # a gate a task: the tasks are the groups
        joint = all_sum(weighted.sum(0), routing.group)
    elif groups is None:
        usage = _per_expert(routing, proba)
        return _mean(routing, _entropy(proba)) - _entropy(usage / usage.sum().clamp_min(_TINY))
    else:
        largest = groups.max() if len(groups) else groups.new_tensor(-1)
        n_groups = int(all_max(largest, routing.group)) + 1
        joint = all_sum(proba.new_zeros(n_groups, routing.n_experts).index_add(0, groups, weighted), routing.group)
    joint = joint / joint.sum().clamp_min(_TINY)
    return _entropy(joint.flatten()) - _entropy(joint.sum(0)) - _entropy(joint.sum(1))


def _per_expert(routing: Routing, values: Tensor) -> Tensor:
    """Sum of values (..., n_experts) over rows, and tasks, of all processes."""
    values = values if routing.row_weight is None else values * routing.row_weight[..., None]
    return all_sum(values.reshape(-1, values.shape[-1]).sum(0), routing.group)


def _mean(routing: Routing, values: Tensor) -> Tensor:
    """Mean over rows, and tasks, of all processes."""
    if routing.row_weight is None:
        count = all_sum(values.new_full((), values.numel()), routing.group).clamp_min(1)
    else:
        count = all_sum(routing.row_weight.sum(), routing.group).clamp_min(_TINY)
        values = values * routing.row_weight
    return all_sum(values.sum(), routing.group) / count


def _squared_variation(values: Tensor, ddof: int) -> Tensor:
    if len(values) == 1:
        return values.sum() * 0.0
    return values.var(correction=ddof) / values.mean().square().clamp_min(torch.finfo(values.dtype).tiny)


def _entropy(proba: Tensor) -> Tensor:
    """Entropy over the last axis; log p of a probability of 0 is not asked for, nor is its gradient."""
    return torch.special.entr(proba.clamp_min(torch.finfo(proba.dtype).tiny)).sum(-1)
