"""The attentive gate: it sees what the experts have made of a row before it weighs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor, nn

from .. import noise
from ..checks import check_whole
from ..routing import Routing
from .protocol import LinearGate, Router, RouterModule


@dataclass(frozen=True)
class Attentive(Router):
    """Every row goes to all experts; the gate attends to their last hidden layers (Krishnamurthy et al. 2023).

    .. math::
        a(x) = \\mathrm{softmax}_e\\left((W_q h_g(x))^\\top (W_k h_e(x)) / \\sqrt{h}\\right), \\qquad
        h_g(x) = \\mathrm{relu}(W x + b)

    Use it where an ordinary gate leaves experts unused: it divides rows by what experts do, not by x alone. All experts
    are computed, in training and at predict. To compute few, train experts with it, then an ordinary gate on its
    probabilities with the experts frozen.

    Parameters
    ----------
    d_hidden : int or None, default=None
        Width of the gate's own hidden layer ``h_g``; None is that of the experts.

    Raises
    ------
    ValueError
        When a layer is made of linear experts (``hidden=()``) or of experts of one's own: they have no hidden layer.

    Notes
    -----
    The weights of a row never depend on the other rows of its batch.

    References
    ----------
    Y. Krishnamurthy, C. Watkins, T. Gärtner (2023). Improving expert specialization in mixture of experts.
    https://arxiv.org/abs/2302.14703

    Examples
    --------
    >>> import torch
    >>> from skmoe.neural import Attentive, MoELayer
    >>> layer = MoELayer(3, 1, n_experts=4, hidden=(16,), router=Attentive())
    >>> y = layer(torch.randn(8, 3))
    >>> torch.allclose(layer.routing.weight.sum(1), torch.ones(8))
    True
    """

    computes: ClassVar[str] = "all"
    batch_independent: ClassVar[str] = "always"
    gradient: ClassVar[str] = "all experts"
    balanced_by: ClassVar[str] = "nothing, or `importance_loss`"

    d_hidden: int | None = None

    def __post_init__(self) -> None:
        check_whole(none=True, d_hidden=self.d_hidden)

    def module(
        self, d_in: int, n_experts: int, *, d_hidden: int | None = None, generator: Generator | None = None
    ) -> AttentiveRouter:
        if d_hidden is None:
            raise ValueError(
                "Attentive reads the last hidden layer of the experts, and these experts have none. Give the layer a "
                "hidden layer, such as hidden=(64,), or use another router."
            )
        return AttentiveRouter(d_in, d_hidden, self.d_hidden or d_hidden)


class AttentiveRouter(RouterModule):
    """The module of `Attentive`; ``query`` and ``key`` are the two maps of its attention."""

    reads_experts: ClassVar[bool] = True

    def __init__(self, d_in: int, d_experts: int, d_gate: int) -> None:
        super().__init__()
        self.gate = nn.utils.skip_init(nn.Linear, d_in, d_gate)  # drawn by reset_parameters
        self.query = LinearGate(d_gate, d_experts)
        self.key = LinearGate(d_experts, d_experts)

    @property
    def capturable(self) -> bool:
        return True

    def reset_parameters(self, generator: Generator | None = None) -> None:
        bound = self.gate.in_features**-0.5
        for parameter in self.gate.parameters():
            noise.draw(parameter, generator, lambda drawn: nn.init.uniform_(drawn, -bound, bound, generator=generator))
        for projection in (self.query, self.key):
            projection.reset_parameters(generator, scale=1.0)

    def forward(self, x: Tensor, *, task: Tensor | None = None, hidden: Tensor | None = None) -> Routing:
        assert hidden is not None
        query, key = self.query(self.gate(x).relu()), self.key(hidden)
        logits = torch.einsum("th,teh->te", query, key) / key.shape[-1] ** 0.5
        proba = logits.softmax(-1)
        index = torch.arange(proba.shape[-1], device=x.device).expand(proba.shape)
        return Routing(index, proba, proba, logits, softmax=True)
