"""Linear maps, one an expert, as stacks of parameters: experts first.

Every map meets its rows through a layout (`skmoe.neural.dispatch.layout`), which knows how rows lie. So a map is
written once, and each implementation computes it in its own way.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Generator, Tensor, nn

from .. import noise
from ..dispatch.layout import Layout


def _uniform(parameter: Tensor, n_inputs: int, generator: Generator | None) -> None:
    """As torch.nn.Linear: uniform, within one over the root of the number of inputs."""
    bound = max(1, n_inputs) ** -0.5
    noise.draw(parameter, generator, lambda drawn: nn.init.uniform_(drawn, -bound, bound, generator=generator))


class LinearMaps(nn.Module, ABC):
    """Linear maps, one an expert; who makes them draws their parameters."""

    @property
    def n_weights(self) -> int:
        """Numbers that an expert has for itself."""
        return sum(parameter[0].numel() for name, parameter in self.named_parameters() if name != "shared")

    def extra_repr(self) -> str:
        return ", ".join(f"{name}: {tuple(parameter.shape)}" for name, parameter in self.named_parameters())

    @abstractmethod
    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw the parameters anew."""

    @abstractmethod
    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        """Rows as they lie, times the map of their expert."""


class StackedLinear(LinearMaps):
    """A linear map of its own for every expert: ``weight`` (n_experts, d_in, d_out), ``bias`` (n_experts, d_out).

    .. math:: f_e(x) = x W_e + b_e
    """

    def __init__(self, n_experts: int, d_in: int, d_out: int, *, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_experts, d_in, d_out))
        self.bias = nn.Parameter(torch.empty(n_experts, d_out)) if bias else None

    def reset_parameters(self, generator: Generator | None = None) -> None:
        for parameter in self.parameters():
            _uniform(parameter, self.weight.shape[1], generator)

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        return layout.linear(x, self.weight, self.bias)


class AddedLinear(LinearMaps):
    """One shared map and for every expert a change of low rank that is added to it (Hu et al. 2022).

    .. math:: f_e(x) = x (W + A_e B_e) + b_e

    At the start B is zero, so that all experts are the shared map. Parameters: ``shared`` (d_in, d_out), ``down``
    (n_experts, d_in, rank), ``up`` (n_experts, rank, d_out).

    References
    ----------
    E. J. Hu et al. (2022). LoRA: low-rank adaptation of large language models. ICLR. https://arxiv.org/abs/2106.09685
    """

    def __init__(self, n_experts: int, d_in: int, d_out: int, *, rank: int, bias: bool = True) -> None:
        super().__init__()
        self.shared = nn.Parameter(torch.empty(d_in, d_out))
        self.down = nn.Parameter(torch.empty(n_experts, d_in, rank))
        self.up = nn.Parameter(torch.empty(n_experts, rank, d_out))
        self.bias = nn.Parameter(torch.empty(n_experts, d_out)) if bias else None

    def reset_parameters(self, generator: Generator | None = None) -> None:
        d_in = len(self.shared)
        _uniform(self.shared, d_in, generator)
        _uniform(self.down, d_in, generator)
        nn.init.zeros_(self.up)
        if self.bias is not None:
            one = torch.empty_like(self.bias[0])
            _uniform(one, d_in, generator)
            with torch.no_grad():
                self.bias.copy_(one.expand_as(self.bias))

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        return x @ self.shared + layout.linear(layout.linear(x, self.down, None), self.up, self.bias)


class ScaledLinear(LinearMaps):
    """One shared map and for every expert factors of its rows and columns (Wen et al. 2020).

    .. math:: f_e(x) = \\sum_{j \\le r} \\left((x \\odot r_{ej}) W\\right) \\odot s_{ej} + b_e

    With rank 1 these are the layers of BatchEnsemble. Parameters: ``shared`` (d_in, d_out), ``before``
    (n_experts, rank, d_in), ``after`` (n_experts, rank, d_out). At the start ``before`` holds random signs and
    ``after`` is ``1 / rank``.

    References
    ----------
    Y. Wen, D. Tran, J. Ba (2020). BatchEnsemble: an alternative approach to efficient ensemble and lifelong learning.
    ICLR. https://arxiv.org/abs/2002.06715
    """

    def __init__(self, n_experts: int, d_in: int, d_out: int, *, rank: int, bias: bool = True) -> None:
        super().__init__()
        self.shared = nn.Parameter(torch.empty(d_in, d_out))
        self.before = nn.Parameter(torch.empty(n_experts, rank, d_in))
        self.after = nn.Parameter(torch.empty(n_experts, rank, d_out))
        self.bias = nn.Parameter(torch.empty(n_experts, d_out)) if bias else None

    def reset_parameters(self, generator: Generator | None = None) -> None:
        _uniform(self.shared, len(self.shared), generator)
        with torch.no_grad():
            noise.draw(self.before, generator, lambda drawn: drawn.bernoulli_(generator=generator))
            self.before.mul_(2.0).sub_(1.0)
        nn.init.constant_(self.after, 1 / self.after.shape[1])
        if self.bias is not None:
            _uniform(self.bias, len(self.shared), generator)

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        terms = [
            (x * layout.rows(before)) @ self.shared * layout.rows(after)
            for before, after in zip(self.before.unbind(1), self.after.unbind(1), strict=True)
        ]
        total = torch.stack(terms).sum(0) if len(terms) > 1 else terms[0]
        return total if self.bias is None else total + layout.rows(self.bias)
