"""The Gumbel router: a soft gate whose logits are perturbed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from .. import noise
from ..checks import check_positive, check_whole
from ..routing import Routing
from .protocol import LinearGate, Router, RouterModule


@dataclass(frozen=True)
class Gumbel(Router):
    """Every row goes to all experts, with a softmax of logits with Gumbel noise (Chernov 2025).

    .. math::
        g(x) = \\mathrm{softmax}\\left((W x + b + \\gamma) / \\tau\\right), \\quad
        \\gamma_e \\sim \\mathrm{Gumbel}(0, 1)

    Noise regularises the gate: in training it is drawn for every row. At predict the gates of `n_samples` draws are
    averaged, the same draws for all rows, so that a row is routed alike in any batch. Use it for few small experts on
    small tables; all experts are computed.

    Parameters
    ----------
    temperature : float, default=1.0
        Above 0: the nearer to 0, the nearer a draw is to a single expert.
    n_samples : int, default=10
        Draws that are averaged at predict, at least 1. They are drawn when the layer is made and kept with its state.
    bias : bool, default=True
        Whether the gate has intercepts.

    Notes
    -----
    The experts of a row never depend on the other rows of its batch. In training they depend on the noise.

    References
    ----------
    A. Chernov (2025). (GG) MoE vs. MLP on tabular data. https://arxiv.org/abs/2502.03608

    E. Jang, S. Gu, B. Poole (2017). Categorical reparameterization with Gumbel-softmax. ICLR.
    https://arxiv.org/abs/1611.01144

    Examples
    --------
    >>> import torch
    >>> from skmoe.neural import Gumbel, MoELayer
    >>> layer = MoELayer(3, 1, n_experts=4, router=Gumbel(temperature=0.5)).eval()
    >>> x = torch.randn(8, 3)
    >>> torch.allclose(layer(x)[:1], layer(x[:1]), atol=1e-6)
    True
    """

    computes: ClassVar[str] = "all"
    batch_independent: ClassVar[str] = "always"
    gradient: ClassVar[str] = "all experts"
    balanced_by: ClassVar[str] = "noise, or `importance_loss`"

    temperature: float = 1.0
    n_samples: int = 10
    bias: bool = True

    def __post_init__(self) -> None:
        check_positive(temperature=self.temperature)
        check_whole(n_samples=self.n_samples)

    def module(
        self, d_in: int, n_experts: int, *, d_hidden: int | None = None, generator: Generator | None = None
    ) -> GumbelRouter:
        return GumbelRouter(self, d_in, n_experts, generator)


class GumbelRouter(RouterModule):
    """The module of `Gumbel`; ``draws`` (n_samples, n_experts) is the noise at predict."""

    draws: Tensor

    def __init__(self, record: Gumbel, d_in: int, n_experts: int, generator: Generator | None) -> None:
        super().__init__()
        self.record, self.generator = record, generator
        self.gate = LinearGate(d_in, n_experts, bias=record.bias)
        self.register_buffer("draws", torch.empty(record.n_samples, n_experts))

    def reset_parameters(self, generator: Generator | None = None) -> None:
        self.gate.reset_parameters(generator)
        self.draws.copy_(noise.gumbel(torch.empty_like(self.draws, device="cpu"), generator))

    def forward(self, x: Tensor, *, task: Tensor | None = None, hidden: Tensor | None = None) -> Routing:
        logits = self.gate(x)
        if self.training:
            weight = ((logits + noise.gumbel(logits, self.generator)) / self.record.temperature).softmax(-1)
        else:
            noisy = logits[:, None] + self.draws.to(logits.dtype)
            weight = (noisy / self.record.temperature).softmax(-1).mean(1)
        index = torch.arange(logits.shape[-1], device=x.device).expand(logits.shape)
        return Routing(index, weight, weight, logits)
