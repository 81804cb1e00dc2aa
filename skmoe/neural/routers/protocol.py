"""What a router is: a frozen record that makes a module, which maps rows to a `Routing`."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import torch
from torch import Generator, Tensor, nn
from torch.distributed import ProcessGroup

from .. import noise
from ..capturing import is_capturing
from ..forward.rule import Rule
from ..routing import Routing


class RouterModule(nn.Module, ABC):
    """The part of a router that learns: rows (n_rows, d_in) in, a `Routing` out."""

    #: Whether ``forward`` needs the last hidden layer of every expert as ``hidden`` (n_rows, n_experts, d_hidden).
    reads_experts: ClassVar[bool] = False

    #: Whether a routing has a gate for every task of a row, and so an axis more.
    by_task: ClassVar[bool] = False

    #: The processes that hold the other rows of a batch, set by the layer; None where this one holds all.
    group: ProcessGroup | None = None

    #: Buffers that stay in single precision at least, because they move in small steps.
    precise: ClassVar[tuple[str, ...]] = ()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        before = {name: self._buffers[name] for name in self.precise if self._buffers.get(name) is not None}
        super()._apply(fn, recurse)
        for name, old in before.items():
            new = self._buffers[name]
            if old is not None and new is not None and torch.finfo(new.dtype).bits < 32:
                self._buffers[name] = old.to(new.device)
        return self

    @abstractmethod
    def forward(self, x: Tensor, *, task: Tensor | None = None, hidden: Tensor | None = None) -> Routing:
        """Route rows."""

    @abstractmethod
    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw the parameters anew, and forget what else was learned."""

    def update(self) -> None:
        """What is to be done once an optimiser step."""

    @property
    def capturable(self) -> bool:
        """Whether steps can be captured and replayed: shapes follow from the number of rows, and nothing is drawn."""
        return False

    def choose(self, k: int) -> None:
        """Send rows to k experts from now on; routers to whom the number is no setting go on as they are."""

    def rule(self) -> Rule | None:
        """How this gate chooses at predict, for those who compute without torch; None where that cannot be said."""
        return None

    def extra_repr(self) -> str:
        """``k``, and settings of the record that are not the usual ones."""
        record = getattr(self, "record", None)
        if not isinstance(record, Router):
            return ""
        shown = {field.name: repr(getattr(record, field.name)) for field in fields(record)}
        usual = {field.name: repr(field.default) for field in fields(record) if field.name != "k"}
        return ", ".join(f"{name}={value}" for name, value in shown.items() if usual.get(name) != value)


@dataclass(frozen=True)
class Router(ABC):
    """A way to send rows to experts; a frozen record of its settings, without parameters.

    To write a router, derive a frozen dataclass from this class and a module from ``RouterModule`` in
    ``skmoe.neural.routers.protocol``, whose ``forward`` returns a `Routing`.
    """

    #: Experts that are computed for a row: "k of them", "all", or what else decides.
    computes: ClassVar[str]
    #: Where routing of a row does not depend on the other rows of its batch: "always", "at predict" or "never".
    batch_independent: ClassVar[str]
    #: Whether gradients reach the gate through the combine weights of all experts, or of the chosen ones only.
    gradient: ClassVar[str]
    #: What keeps experts in use.
    balanced_by: ClassVar[str]

    @abstractmethod
    def module(
        self, d_in: int, n_experts: int, *, d_hidden: int | None = None, generator: Generator | None = None
    ) -> RouterModule:
        """The module that learns.

        Parameters
        ----------
        d_in : int
            Columns of the rows.
        n_experts : int
            Experts to choose from.
        d_hidden : int or None
            Width of the last hidden layer of the experts, None where they have none.
        generator : torch.Generator or None
            Source of noise in training; None is torch's own.
        """


class LinearGate(nn.Module):
    """Logits that are linear in the row, computed in single precision at least.

    Half precision changes which logit is the largest, so routers of half precision layers compute in float32
    ("selective precision", Fedus et al. 2022, section 2.4, https://jmlr.org/papers/v23/21-0998.html). Who makes a gate
    draws its parameters, by ``reset_parameters``.
    """

    def __init__(self, d_in: int, n_experts: int, *, bias: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_experts, d_in))
        self.bias = nn.Parameter(torch.empty(n_experts)) if bias else None

    def reset_parameters(self, generator: Generator | None = None, scale: float = 0.1) -> None:
        """Draw weights from a normal distribution cut at two deviations, of variance ``scale / d_in``.

        Small logits send rows to all experts alike at first (Fedus et al. 2022, section 2.4). 0 is exactly alike.
        """
        if scale > 0:
            deviation = (scale / self.weight.shape[1]) ** 0.5
            bounds = (-2 * deviation, 2 * deviation)
            noise.draw(
                self.weight,
                generator,
                lambda drawn: nn.init.trunc_normal_(drawn, 0.0, deviation, *bounds, generator=generator),
            )
        else:
            nn.init.zeros_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def extra_repr(self) -> str:
        return f"d_in={self.weight.shape[1]}, d_out={self.weight.shape[0]}, bias={self.bias is not None}"

    def forward(self, x: Tensor) -> Tensor:
        """Logits (n_rows, n_experts)."""
        precise = torch.promote_types(x.dtype, torch.float32)
        bias = None if self.bias is None else self.bias.to(precise)
        with torch.autocast(x.device.type, enabled=False):
            return checked(nn.functional.linear(x.to(precise), self.weight.to(precise), bias))


def checked(logits: Tensor) -> Tensor:
    """The logits, if none is NaN or infinite.

    Raises
    ------
    ValueError
        Which names a row and an expert. Compiled code and captured graphs are not interrupted to look.
    """
    if is_capturing():
        return logits
    # A sum is finite only if all its terms are, and needs no mask.
    if not math.isfinite(logits.detach().sum().item()):
        bad = ~torch.isfinite(logits.detach())
        if bool(bad.any()):
            row, expert = torch.nonzero(bad.reshape(-1, bad.shape[-1]))[0].tolist()
            raise ValueError(
                f"The logit of expert {expert} is {logits.reshape(-1, bad.shape[-1])[row, expert].item()} in row {row} "
                f"(one of {int(bad.sum())} such logits): expected finite numbers. Look for NaN or infinity in the rows "
                "that came in, or lower the learning rate if parameters have overflowed."
            )
    return logits


def largest(scores: Tensor, k: int) -> Tensor:
    """Numbers of the k largest scores of each row, (n_rows, k), the largest first; no gradient passes.

    One or two are looked for one after the other on the processor: by ``max`` that takes a third of the time of
    ``topk``, and half of that of ``argmax``.
    """
    scores = scores.detach()
    if k > 2 or scores.is_cuda:
        return scores.topk(k, dim=-1).indices
    first = scores.max(-1, keepdim=True).indices
    if k == 1:
        return first
    second = scores.scatter(-1, first, -torch.inf).max(-1, keepdim=True).indices
    return torch.cat([first, second], dim=-1)


def check_router(setting: str, router: Any) -> None:
    """Refuse what is no record of a router."""
    if isinstance(router, Router):
        return
    given = f"{router!r}"
    if isinstance(router, nn.Module):
        given = f"a module, {type(router).__name__}: the layer makes the module itself, give it the record"
    elif isinstance(router, type):
        given = f"the class {router.__name__}" + (": call it" if issubclass(router, Router) else "")
    raise ValueError(f"{setting} must be a Router record such as TopK(k=2), got {given}.")


def check_part(whole: str, part: Router, module: RouterModule) -> None:
    """Refuse a router inside of another that only works by itself."""
    if module.reads_experts or module.by_task:
        reason = "it reads the experts" if module.reads_experts else "it has a gate for every task"
        raise ValueError(
            f"{type(part).__name__} cannot be part of {whole}: {reason}. Use a router of rows alone, such as TopK or "
            "Soft."
        )


def check_choice(name: str, k: int, n_experts: int) -> None:
    """Refuse to choose more experts than there are."""
    if k > n_experts:
        raise ValueError(
            f"{name} chooses {k} experts of {n_experts}: expected at most n_experts={n_experts}. Lower k or raise "
            "n_experts."
        )
