"""What is minimised: minus the log density of the rows, and small losses that keep the gates in order."""

from __future__ import annotations

from torch import Tensor
from torch.distributed import ProcessGroup

from ..collectives import all_sum
from ..losses import balance_loss, entropy_loss, importance_loss, z_loss
from ..network import Inputs, Network
from ..routing import Routing
from .settings import Settings


def objective(
    network: Network,
    rows: Inputs,
    y: Tensor,
    weight: Tensor,
    settings: Settings,
    entropy: Tensor | None,
    group: ProcessGroup | None = None,
) -> Tensor:
    """Loss of a batch.

    .. math:: -\\frac{1}{n} \\sum_i w_i \\tfrac1M \\sum_m \\Bigl[\\log p_m(y_i \\mid x_i)
              - \\tfrac{\\mu}{2} \\lVert y_i - E_m(y \\mid x_i) \\rVert^2\\Bigr]
              + \\lambda \\, L_{balance} + \\zeta \\, L_z + \\eta_t H(e \\mid x)

    where :math:`\\eta_t` is ``entropy``, None where it plays no part.

    Every member is trained for itself, and only what they predict is averaged: the mean of the losses, not the loss of
    the mean (Gorishniy et al. 2025, https://arxiv.org/abs/2410.24210). Weights are those of the table divided by their
    mean, so that batches of heavy rows count for more than batches of light ones.
    """
    distribution, each = network.distribution(network(rows)), network.each_member(y)
    gain = distribution.log_prob(each)
    if settings.mean_weight:
        gain = gain - 0.5 * settings.mean_weight * (each - distribution.mean).square().sum(-1)
    gain = network.by_member(gain).mean(1)
    n_rows = all_sum(gain.new_full((), len(y)), group)
    loss = -all_sum((weight * gain).sum(), group) / n_rows
    if settings.n_experts > 1:
        for layer in network.layers:
            assert layer.routing is not None
            loss = loss + _of_gate(layer.routing._replace(row_weight=network.each_member(weight)), settings, entropy)
    return loss


def _of_gate(routing: Routing, settings: Settings, entropy: Tensor | None) -> Tensor:
    """What is added for one gate. Where rows go to all experts, how often each is chosen teaches nothing."""
    loss = routing.probs.new_zeros(())
    if settings.balance:
        spread = importance_loss(routing) if routing.k == routing.n_experts else balance_loss(routing)
        loss = loss + settings.balance * spread
    if settings.z_loss:
        loss = loss + settings.z_loss * z_loss(routing)
    return loss if entropy is None else loss + entropy * entropy_loss(routing)
