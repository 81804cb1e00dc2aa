"""The noisy top-k router: noise in training lets experts that would not be chosen learn whether they should be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Generator, Tensor, nn

from .. import noise
from ..checks import check_positive, check_whole
from ..forward.rule import Rule
from ..routing import Routing
from .protocol import LinearGate, Router, RouterModule, check_choice, largest

#: Smallest deviation of learned noise, in logits (Shazeer et al. 2017, their code).
LEAST_NOISE = 1e-2


@dataclass(frozen=True)
class NoisyTopK(Router):
    """Every row goes to the k experts with the largest noisy logits (Shazeer et al. 2017).

    .. math::
        g(x) = \\mathrm{softmax}(\\mathrm{keep}_k(\\tilde z)), \\quad
        \\tilde z_e = z_e + \\varepsilon_e \\sigma_e, \\quad z = W x, \\quad
        \\sigma = \\mathrm{softplus}(W' x) + 0.01, \\quad \\varepsilon \\sim N(0, 1)

    The probability of being chosen is then smooth, and its sum over rows, the load

    .. math:: L_e = \\sum_t \\Phi\\left((z_{te} - \\tau_{te}) / \\sigma_{te}\\right),

    can be balanced by gradients (`load_loss`); :math:`\\tau_{te}` is the k-th largest noisy logit of the row among the
    other experts. There is no noise at predict. Use it where experts are to be tried out in training, with
    `importance_loss` and `load_loss`; `TopK` has fewer parts.

    Parameters
    ----------
    k : int, default=2
        Experts of a row, at least 1. With 1 every weight is 1, and the gate learns from the losses alone.
    noise_std : float or None, default=None
        Deviation of the noise in logits, above 0. None learns it for every row and expert, as in the paper.
        ``1 / n_experts`` is the choice of Riquelme et al. (2021), who balance with thresholds that include the expert
        itself; here they never do.

    Notes
    -----
    The experts of a row never depend on the other rows of its batch. In training they depend on the noise. Both gates
    begin at zero, so that all experts are as probable.

    References
    ----------
    N. Shazeer et al. (2017). Outrageously large neural networks: the sparsely-gated mixture-of-experts layer. ICLR.
    https://arxiv.org/abs/1701.06538

    C. Riquelme et al. (2021). Scaling vision with sparse mixture of experts. NeurIPS. https://arxiv.org/abs/2106.05974

    Examples
    --------
    >>> import torch
    >>> from skmoe.neural import MoELayer, NoisyTopK, load_loss
    >>> layer = MoELayer(3, 1, n_experts=4, router=NoisyTopK(k=2))
    >>> y = layer(torch.randn(100, 3))
    >>> bool(load_loss(layer.routing) < 0.1)
    True
    """

    computes: ClassVar[str] = "k"
    batch_independent: ClassVar[str] = "always"
    gradient: ClassVar[str] = "chosen experts; all through the load"
    balanced_by: ClassVar[str] = "`importance_loss`, `load_loss`"

    k: int = 2
    noise_std: float | None = None

    def __post_init__(self) -> None:
        check_whole(k=self.k)
        check_positive(none=True, noise_std=self.noise_std)

    def module(
        self, d_in: int, n_experts: int, *, d_hidden: int | None = None, generator: Generator | None = None
    ) -> NoisyTopKRouter:
        check_choice(f"NoisyTopK(k={self.k})", self.k, n_experts)
        return NoisyTopKRouter(self, d_in, n_experts, generator)


class NoisyTopKRouter(RouterModule):
    """The module of `NoisyTopK`: ``gate`` makes logits, ``noise`` the deviations of their noise."""

    def __init__(self, record: NoisyTopK, d_in: int, n_experts: int, generator: Generator | None) -> None:
        super().__init__()
        self.record, self.generator = record, generator
        self.gate = LinearGate(d_in, n_experts)
        self.noise = LinearGate(d_in, n_experts) if record.noise_std is None else None

    def reset_parameters(self, generator: Generator | None = None) -> None:
        self.gate.reset_parameters(scale=0.0)
        if self.noise is not None:
            self.noise.reset_parameters(scale=0.0)

    def forward(self, x: Tensor, *, task: Tensor | None = None, hidden: Tensor | None = None) -> Routing:
        logits, chance = self.gate(x), None
        noisy = logits
        if self.training:
            std = self._std(x, logits)
            noisy = logits + noise.normal(logits, self.generator) * std
            chance = chance_of_choice(logits, noisy, std, self.record.k)
        index = largest(noisy, self.record.k)
        weight = noisy.gather(-1, index).softmax(-1)
        return Routing(index, weight, logits.softmax(-1), logits, chance=chance, softmax=not self.training)

    def choose(self, k: int) -> None:
        self.record = replace(self.record, k=k)

    def rule(self) -> Rule:
        return Rule(self.record.k)

    def _std(self, x: Tensor, logits: Tensor) -> Tensor:
        if self.noise is not None:
            return nn.functional.softplus(self.noise(x)) + LEAST_NOISE
        return torch.full_like(logits, self.record.noise_std or 0.0)


def chance_of_choice(logits: Tensor, noisy: Tensor, std: Tensor, k: int) -> Tensor:
    """Probability of each expert to be chosen if only its own noise were drawn again.

    All of shape (n_rows, n_experts). Rows sum to k in expectation over the noise.
    """
    if k == logits.shape[-1]:
        return torch.ones_like(logits)
    largest = noisy.topk(k + 1).values
    inside, outside = largest[:, k:], largest[:, k - 1 : k]  # what a chosen expert, and what any other, has to beat
    threshold = torch.where(noisy > inside, inside, outside)
    return torch.special.ndtr((logits - threshold) / std)
