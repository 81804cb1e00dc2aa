"""The Switch router: a row goes to one expert."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Generator

from .protocol import Router
from .topk import TopK, TopKRouter


@dataclass(frozen=True)
class Switch(Router):
    """Every row goes to its most probable expert, times that probability (Fedus et al. 2022).

    .. math:: y = p_{e^*} f_{e^*}(x), \\qquad e^* = \\arg\\max_e p_e, \\qquad p = \\mathrm{softmax}(W x)

    Use it where one expert a row is all that can be afforded. It needs `balance_loss`, and on tables two experts a row
    learn more (`TopK`). Dropped rows give 0, so place the layer beside a skip connection, ``x + layer(x)``.

    Parameters
    ----------
    capacity_factor : float or None, default=1.25
        In training an expert takes this many times its even share of the rows; the rest are dropped. None drops none.
        At predict none is dropped.
    capacity_policy : {"position", "probability"}, default="position"
        Which rows stay: the first ones, as in the paper, or the most probable ones.
    min_capacity : int, default=1
        Rows that an expert takes at least.
    jitter : float, default=0.01
        In training the router sees its rows times numbers drawn from ``[1 - jitter, 1 + jitter]``.

    Notes
    -----
    In training, rows compete for places, so outputs depend on the batch; at predict they do not. Implementations that
    keep the capacity at predict give a row alone another output than the row in its batch.

    References
    ----------
    W. Fedus, B. Zoph, N. Shazeer (2022). Switch transformers: scaling to trillion parameter models with simple and
    efficient sparsity. Journal of Machine Learning Research 23(120), 1-39. https://jmlr.org/papers/v23/21-0998.html

    Examples
    --------
    >>> import torch
    >>> from skmoe.neural import MoELayer, Switch
    >>> layer = MoELayer(3, 1, n_experts=4, router=Switch(capacity_factor=1.0))
    >>> y = layer(torch.randn(8, 3))
    >>> layer.routing.index.shape
    torch.Size([8, 1])
    """

    computes: ClassVar[str] = "1"
    batch_independent: ClassVar[str] = "at predict"
    gradient: ClassVar[str] = "chosen expert"
    balanced_by: ClassVar[str] = "`balance_loss`, capacity"

    capacity_factor: float | None = 1.25
    capacity_policy: Literal["position", "probability"] = "position"
    min_capacity: int = 1
    jitter: float = 0.01

    def __post_init__(self) -> None:
        self._top_1()

    def _top_1(self) -> TopK:
        return TopK(
            k=1,
            renormalize=False,
            capacity_factor=self.capacity_factor,
            capacity_policy=self.capacity_policy,
            min_capacity=self.min_capacity,
            jitter=self.jitter,
        )

    def module(
        self, d_in: int, n_experts: int, *, d_hidden: int | None = None, generator: Generator | None = None
    ) -> TopKRouter:
        return self._top_1().module(d_in, n_experts, generator=generator)
