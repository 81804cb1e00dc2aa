"""Adapters: a frozen linear map, and a mixture of small changes that is trained beside it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor, nn

from .checks import check_real, check_whole
from .experts.activations import Activation
from .layer import MoELayer
from .routers.protocol import Router
from .routers.soft import Soft
from .routing import Routing


class AdaptedLinear(nn.Module):
    """A linear map that stays as it is, plus a mixture of changes of low rank (Zadouri et al. 2024).

    .. math:: y = W x + b + \\frac{\\alpha}{r} \\sum_e g_e(x) B_e A_e x

    Use it to adapt a trained network to other rows, or to several kinds of them: only the changes and the router are
    trained, and at the start the output is exactly that of the base: A starts as `torch.nn.Linear` does, uniform within
    one over the root of its inputs, and B at zero. (The paper draws A from a normal distribution of deviation 0.02.)

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
        How rows are sent to changes; any but `MultiTask`.
    generator : torch.Generator or None, default=None
        Source of the parameters, and of noise in training. None is torch's own.
    **settings : object
        Other settings of `MoELayer`, such as ``impl``; not those of its experts, which are changes here.

    Attributes
    ----------
    base : torch.nn.Linear
    changes : MoELayer
    in_features, out_features : int
        Columns of the input and of the output.

    Raises
    ------
    ValueError
        Where the base is no `torch.nn.Linear`, or a setting makes no sense.

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
        if not isinstance(base, nn.Linear):
            raise ValueError(
                f"base must be a torch.nn.Linear, got {type(base).__name__}: adapt the linear maps of a network one by "
                "one."
            )
        check_whole(rank=rank)
        check_real(alpha=alpha)
        _check_settings(settings)
        shape: dict[str, Any] = {
            "n_experts": n_experts,
            "hidden": (rank,),
            "activation": Activation(_same),
            "bias": False,
        }
        changes = MoELayer(base.in_features, base.out_features, **shape, router=router, generator=generator, **settings)
        if changes.router.by_task:
            raise ValueError(
                f"router of AdaptedLinear must give a row one answer, got {type(router).__name__}, which has one for "
                "every task. Use a router such as Soft() or TopK(k=2), or an adapter for every task."
            )
        nn.init.zeros_(changes.experts.maps[-1].weight)
        self.base, self.scale = base.requires_grad_(False), alpha / rank
        self.changes = changes.to(base.weight)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw the changes anew, so that they change nothing; the base stays."""
        self.changes.reset_parameters(generator)
        nn.init.zeros_(self.changes.experts.maps[-1].weight)

    @property
    def in_features(self) -> int:
        """Columns of the input."""
        return self.base.in_features

    @property
    def out_features(self) -> int:
        """Columns of the output."""
        return self.base.out_features

    @property
    def routing(self) -> Routing | None:
        """Of the last call."""
        return self.changes.routing

    def forward(self, x: Tensor, *, task: Tensor | None = None) -> Tensor:
        """Rows (..., in_features) to (..., out_features)."""
        return torch.add(self.base(x), self.changes(x, task=task), alpha=self.scale)


def _check_settings(settings: dict[str, Any]) -> None:
    """Refuse settings under which the experts of the layer are no changes of low rank."""
    for setting in ("hidden", "activation", "bias", "n_shared", "shared_hidden", "shared_gate", "rank_form", "experts"):
        if setting in settings:
            raise ValueError(
                f"AdaptedLinear takes no {setting}, got {setting}={settings[setting]!r}: its experts are changes of "
                "low rank, of which n_experts, rank and alpha may be chosen. For other experts use MoELayer."
            )


def _same(x: Tensor) -> Tensor:
    return x
