"""Experts that stay in host memory, of which few are on the compute device: for prediction with more than fit there.

Rows are sorted by expert, as by ``impl="loop"``. Linear map by linear map, the experts that have rows are visited:
first those that are resident, then the others, which take the places of those not used for the longest time. On CUDA,
host memory is pinned, and while an expert is computed the next is copied by a stream of its own. Products are the same
calls on the same numbers as those of the loop, so results are those of a layer without offload, on CPU to the bit.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Self

import torch
from torch import Tensor

from .devices import asked
from .dispatch.layout import Answer, Sorted, cast
from .experts.mlp import MLPExperts

#: Parameters that a layer can keep in host memory.
OFFLOADS = ("experts",)


def check_offload(
    offload: str | None, n_resident: int | None, *, own: bool, rank: int | None, shared_out: bool
) -> None:
    """Refuse what cannot stay in host memory."""
    if offload is None:
        if n_resident is not None:
            raise ValueError(f'n_resident={n_resident!r} has no meaning without offload="experts": give both or none.')
        return
    if offload not in OFFLOADS:
        raise ValueError(f"offload must be one of {OFFLOADS} or None, got {offload!r}.")
    if not isinstance(n_resident, Integral) or isinstance(n_resident, bool) or n_resident < 1:
        raise ValueError(
            f"n_resident must be a whole number of at least 1 with offload={offload!r}, got {n_resident!r}: how many "
            "experts the compute device holds at a time."
        )
    refused = {"experts=[...]": own, f"rank={rank}": rank is not None, "ep_group": shared_out}
    for setting, given in refused.items():
        if given:
            raise ValueError(f"offload={offload!r} does not go with {setting}: leave one of them out.")


class _Slots:
    """What is resident of one linear map: parameters of few experts, the one used longest ago first."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self.weight, self.bias, self.version = weight, bias, _version(weight, bias)
        self.kept: OrderedDict[int, tuple[Tensor, Tensor | None, Any]] = OrderedDict()

    def stale(self, bias: Tensor | None) -> bool:
        """Whether the parameters were written to since they were copied."""
        return self.bias is not bias or self.version != _version(self.weight, bias)


def _version(*parameters: Tensor | None) -> tuple[int, ...]:
    """How often parameters were written to."""
    return tuple(0 if p is None or p.is_inference() else p._version for p in parameters)


class Resident:
    """Which experts are on the compute device.

    Copies follow their parameters where these are replaced, loaded by ``load_state_dict``, or written to under
    ``torch.no_grad()`` (``parameter.copy_(...)``). Call `clear` after writing to ``parameter.data``, which is not seen.

    Attributes
    ----------
    n_resident : int
        Experts that are on the device at most.
    device : torch.device
        The compute device.
    hits, misses : int
        Visits to experts that were there, and to experts that had to be copied. All linear maps of an expert together
        count once for a call of the layer.
    """

    def __init__(self, n_resident: int, device: torch.device) -> None:
        self.n_resident, self.device = n_resident, device
        self.hits = self.misses = 0
        self._slots: dict[int, _Slots] = {}  # by the weights, which slots hold on to; in the order of maps
        self._stream: Any = None

    @property
    def experts(self) -> list[int]:
        """Numbers of the experts that are on the device, the one used longest ago first."""
        return list(next(iter(self._slots.values())).kept) if self._slots else []

    @property
    def ahead(self) -> bool:
        """Whether the next expert is copied while one is computed."""
        return self.device.type == "cuda" and self.n_resident > 1

    def clear(self) -> None:
        """Free the device of experts; they are copied anew when rows come for them. Counts stay."""
        self._slots.clear()

    def follow(self, weights: Sequence[Tensor]) -> None:
        """Forget experts of which a matrix was replaced; ``weights`` are those of all linear maps, first to last."""
        if list(self._slots) != [id(weight) for weight in weights][: len(self._slots)]:
            self.clear()

    def visit(
        self, weight: Tensor, bias: Tensor | None, experts: Sequence[int]
    ) -> Iterator[tuple[int, Tensor, Tensor | None]]:
        """Matrix and bias of each of some experts, on the device, those first that are there already."""
        slots = self._of(weight, bias)
        counts = slots is next(iter(self._slots.values()))  # every map is visited alike: the first one counts
        order = [e for e in experts if e in slots.kept] + [e for e in experts if e not in slots.kept]
        for place, expert in enumerate(order):
            if place == 0 or not self.ahead:
                self._bring(slots, expert, counts)
            matrix, constant, copied = slots.kept[expert]
            if self.ahead and place + 1 < len(order):
                self._bring(slots, order[place + 1], counts)
            if copied is not None:
                _await(copied, matrix, constant)
            yield expert, matrix, constant

    def _of(self, weight: Tensor, bias: Tensor | None) -> _Slots:
        slots = self._slots.get(id(weight))
        if slots is None or slots.stale(bias):
            slots = self._slots[id(weight)] = _Slots(weight, bias)
        return slots

    def _bring(self, slots: _Slots, expert: int, counts: bool) -> None:
        """Make an expert the one used last, in the place of the one used longest ago where there is no room."""
        there = expert in slots.kept
        if counts:
            self.hits, self.misses = self.hits + there, self.misses + (not there)
        if there:
            slots.kept.move_to_end(expert)
            return
        if len(slots.kept) == self.n_resident:
            slots.kept.popitem(last=False)
        slots.kept[expert] = self._copied(slots.weight[expert], None if slots.bias is None else slots.bias[expert])

    def _copied(self, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None, Any]:
        """Copies on the device, and on CUDA the event that says they are complete."""
        if self.device.type != "cuda":
            return _copy(weight, self.device), None if bias is None else _copy(bias, self.device), None
        if self._stream is None:
            self._stream = torch.cuda.Stream(self.device)
        with torch.cuda.stream(self._stream):
            matrix, constant = _copy(weight, self.device), None if bias is None else _copy(bias, self.device)
            return matrix, constant, self._stream.record_event()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_slots": {}, "_stream": None}

    def __repr__(self) -> str:
        return f"<{len(self.experts)} of {self.n_resident} on {self.device}: {self.hits} hits, {self.misses} misses>"


def _copy(values: Tensor, device: torch.device) -> Tensor:
    return values.detach().to(device, non_blocking=True, copy=True)


def _await(copied: Any, *parameters: Tensor | None) -> None:
    """Let products wait for copies, and memory of copies, once it is free, wait for products."""
    products = torch.cuda.current_stream(parameters[0].device)  # type: ignore[union-attr]
    products.wait_event(copied)
    for values in parameters:
        if values is not None:
            values.record_stream(products)


@dataclass(frozen=True)
class Visited(Sorted):
    """As `Sorted`, with the matrix of each expert fetched when it is its turn."""

    resident: Resident

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        x, *_ = cast(x, x, None)
        out, counts = x.new_empty(len(x), weight.shape[2]), self.counts.tolist()
        rows, products = x.split(counts), out.split(counts)
        wanted = [expert for expert, n_rows in enumerate(counts) if n_rows]
        for expert, matrix, constant in self.resident.visit(weight, bias, wanted):
            _, matrix, constant = cast(x, matrix, constant)
            if constant is None:
                torch.mm(rows[expert], matrix, out=products[expert])
            else:
                torch.addmm(constant, rows[expert], matrix, out=products[expert])
        return out


class HostExperts(MLPExperts):
    """Experts in host memory; ``resident`` knows those on the device. Moving the module moves the device alone."""

    implementations = ("loop",)

    def __init__(self, *shape: Any, n_resident: int, **settings: Any) -> None:
        super().__init__(*shape, **settings)
        self.resident = Resident(n_resident, next(self.parameters()).device)
        self.register_load_state_dict_post_hook(_forget)
        self._apply(lambda values: values)

    def layout(self, counts: Tensor, origin: Tensor) -> Visited:
        """How sorted rows meet these experts."""
        return Visited(counts, origin, self.resident)

    def forward(self, x: Tensor, layout: Any) -> Answer:
        if torch.is_grad_enabled():
            raise RuntimeError(
                'A layer with offload="experts" is for prediction: its experts come and go, and no gradient reaches '
                "them. Call layer.eval() and the layer under torch.no_grad(); to train, make a layer without offload "
                "and load its state_dict() into this one."
            )
        self.resident.follow([linear.weight for linear in self.maps])
        return super().forward(x, layout)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """What ``to`` and its like call. It is asked what it does to no numbers, so that the experts need not move."""
        dtype = next(self.parameters()).dtype
        probe = torch.empty(0, dtype=dtype, device=self.resident.device)
        moved = asked(fn, probe, "The device that the layer is moved to")
        self.resident.clear()
        self.resident.device = moved.device
        return super()._apply(lambda values: _in_host(values, moved.dtype))


def _in_host(values: Tensor, dtype: torch.dtype) -> Tensor:
    """Values in host memory; pinned where there is a device that reads them itself."""
    kept = values.to("cpu", dtype)
    return kept.pin_memory() if torch.cuda.is_available() and not kept.is_pinned() else kept


def _forget(experts: HostExperts, _: Any) -> None:
    experts.resident.clear()
