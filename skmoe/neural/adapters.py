"""Adapters: a frozen linear map, and a mixture of small changes that is trained beside it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor, nn

from .experts.activations import Activation
from .layer import MoELayer
from .routers.protocol import Router
from .routers.soft import Soft
from .routing import Routing


class AdaptedLinear(nn.Module):
    """A linear map that stays as it is, plus a mixture of changes of low rank (Zadouri et al. 2024).

    .. math:: y = W x + b + \\frac{\\alpha}{r} \\sum_e g_e(x) B_e A_e x

    Use it to adapt a trained network to other rows, or to several kinds of them: only the changes and the router are
    trained, and at the start the output is exactly that of the base.

    Parameters
    ----------
    base : torch.nn.Linear
        The map to adapt. Its parameters no longer ask for gradients.
    n_experts : int, default=4
        Changes to mix.
    rank : int, default=2
        Rank of a change.
    alpha : float, default=16.0
        Changes are multiplied by ``alpha / rank``.
    router : Router, default=Soft()
        How rows are sent to changes.
    generator : torch.Generator or None, default=None
        Source of the parameters, and of noise in training. None is torch's own.
    **settings : object
        Other settings of `MoELayer`, such as ``impl``.

    Attributes
    ----------
    base : torch.nn.Linear
    changes : MoELayer

    References
    ----------
    T. Zadouri et al. (2024). Pushing mixture of experts to the limit: extremely parameter efficient MoE for instruction
    tuning. ICLR. https://arxiv.org/abs/2309.05444

    Examples
    --------
    >>> import torch
    >>> from skmoe.neural import AdaptedLinear
    >>> base = torch.nn.Linear(3, 2)
    >>> x = torch.randn(5, 3)
    >>> bool((AdaptedLinear(base)(x) == base(x)).all())
    True
    """

    def __init__(
        self,
        base: nn.Linear,
        *,
        n_experts: int = 4,
        rank: int = 2,
        alpha: float = 16.0,
        router: Router = Soft(),  # noqa: B008  (frozen)
        generator: Generator | None = None,
        **settings: Any,
    ) -> None:
        super().__init__()
        self.base, self.scale = base.requires_grad_(False), alpha / rank
        shape: dict[str, Any] = {
            "n_experts": n_experts,
            "hidden": (rank,),
            "activation": Activation(_same),
            "bias": False,
        }
        self.changes = MoELayer(
            base.in_features, base.out_features, **shape, router=router, generator=generator, **settings
        )
        self.changes.to(base.weight)
        self.reset_parameters(generator)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw the changes anew, so that they change nothing; the base stays."""
        self.changes.reset_parameters(generator)
        nn.init.zeros_(self.changes.experts.maps[-1].weight)

    @property
    def routing(self) -> Routing | None:
        """Of the last call."""
        return self.changes.routing

    def forward(self, x: Tensor, *, task: Tensor | None = None) -> Tensor:
        """Rows (..., in_features) to (..., out_features)."""
        return torch.add(self.base(x), self.changes(x, task=task), alpha=self.scale)


def _same(x: Tensor) -> Tensor:
    return x
