"""The soft gate: every row goes to all experts, in proportion to a softmax."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Generator, Tensor

from ...tree import Shape, Tree
from ..checks import check_positive
from ..forward.rule import Rule
from ..routing import Routing
from .protocol import LinearGate, Router, RouterModule


@dataclass(frozen=True)
class Soft(Router):
    """Every row goes to all experts, with the probabilities of a softmax (Jacobs et al. 1991).

    .. math:: y = \\sum_e g_e(x) f_e(x), \\qquad g(x) = \\mathrm{softmax}(W x + b)

    Over a tree the probability of an expert is the product of the softmaxes along the way to it (Jordan & Jacobs 1994).
    Use it where all experts can be computed: its gradient is exact and nothing has to be balanced. Of many experts use
    `TopK`, or begin softly and end sparsely.

    Parameters
    ----------
    tree : int, tuple or None, default=None
        Shape of the tree, as ``n_experts`` of `skmoe.MoERegressor`, for example ``(2, 4)``; its leaves must be as many
        as the experts. None is one softmax over all experts.
    bias : bool, default=True
        Whether the gate has intercepts.
    temperature : float, default=1.0
        What the logits are divided by, above 0: below 1 rows are divided more sharply.

    Notes
    -----
    The experts of a row never depend on the other rows of its batch.

    References
    ----------
    R. A. Jacobs, M. I. Jordan, S. J. Nowlan, G. E. Hinton (1991). Adaptive mixtures of local experts. Neural
    Computation 3, 79-87. https://doi.org/10.1162/neco.1991.3.1.79

    M. I. Jordan, R. A. Jacobs (1994). Hierarchical mixtures of experts and the EM algorithm. Neural Computation 6,
    181-214. https://doi.org/10.1162/neco.1994.6.2.181

    Examples
    --------
    >>> import torch
    >>> from skmoe.neural import MoELayer, Soft
    >>> layer = MoELayer(3, 1, n_experts=4, router=Soft(tree=(2, 2)))
    >>> layer(torch.randn(5, 3)).shape
    torch.Size([5, 1])
    >>> layer.routing.weight.shape
    torch.Size([5, 4])
    """

    computes: ClassVar[str] = "all"
    batch_independent: ClassVar[str] = "always"
    gradient: ClassVar[str] = "all experts"
    balanced_by: ClassVar[str] = "nothing, or `importance_loss`"

    tree: Shape | None = None
    bias: bool = True
    temperature: float = 1.0

    def __post_init__(self) -> None:
        check_positive(temperature=self.temperature)

    def module(
        self, d_in: int, n_experts: int, *, d_hidden: int | None = None, generator: Generator | None = None
    ) -> SoftRouter:
        tree = Tree.parse(n_experts if self.tree is None else self.tree)
        if tree.n_leaves != n_experts:
            raise ValueError(
                f"tree={self.tree!r} of Soft has {tree.n_leaves} leaves and the layer has n_experts={n_experts}: give "
                "as many."
            )
        return SoftRouter(d_in, tree, bias=self.bias, temperature=self.temperature)


class SoftRouter(RouterModule):
    """Probabilities of the leaves of a tree; ``gate`` has one output a branch, in the order of ``tree.branches``."""

    #: Whether a leaf (column) hangs under a branch (row), 1 or 0, in host memory; None where the root gates all leaves.
    #: No buffer: it follows from the tree, and is not to be lost where buffers are made anew without numbers.
    above: Tensor | None

    def __init__(self, d_in: int, tree: Tree, *, bias: bool, temperature: float) -> None:
        super().__init__()
        self.gate = LinearGate(d_in, len(tree.branches), bias=bias)
        self.tree, self.temperature = tree, temperature
        self.sizes = [len(node.branches) for node in tree.nodes]
        self.above = self._copy = _above(tree) if len(tree.nodes) > 1 else None

    def reset_parameters(self, generator: Generator | None = None) -> None:
        self.gate.reset_parameters(generator)

    def extra_repr(self) -> str:
        return f"n_branches={self.sizes}, temperature={self.temperature}"

    def forward(self, x: Tensor, *, task: Tensor | None = None, hidden: Tensor | None = None) -> Routing:
        logits = self.gate(x) / self.temperature
        if self.above is not None:  # the log probability of a leaf is the sum of those of its branches
            branches = torch.cat([node.log_softmax(-1) for node in logits.split(self.sizes, dim=-1)], dim=-1)
            logits = branches @ self._above_on(x.device, self.above).to(branches.dtype)
            proba = logits.exp()
        else:
            proba = logits.softmax(-1)
        index = torch.arange(proba.shape[-1], device=x.device).expand(proba.shape)
        return Routing(index, proba, proba, logits, softmax=True)

    @property
    def capturable(self) -> bool:
        return True

    def rule(self) -> Rule | None:
        return Rule(temperature=self.temperature) if self.above is None else None

    def _above_on(self, device: torch.device, above: Tensor) -> Tensor:
        """``above`` where it is needed."""
        if self._copy is None or self._copy.device != device:
            self._copy = above.to(device)
        return self._copy

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        self._copy = self.above
        return super()._apply(fn, recurse)


def _above(tree: Tree) -> Tensor:
    """Whether each leaf hangs under each branch (n_branches, n_leaves), 1 or 0."""
    first, last = torch.tensor([(b.leaves.start, b.leaves.stop) for b in tree.branches], device="cpu").T[..., None]
    leaf = torch.arange(tree.n_leaves, device="cpu")
    return ((first <= leaf) & (leaf < last)).float()
