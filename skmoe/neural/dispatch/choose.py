"""Which implementation is fast where: what each would touch, times what that costs, as measured.

``python -m benchmarks.neural_prices`` measures the prices. Where they were measured, on 824 cases, the implementation
they choose takes 1.006 times as long as the fastest in the mean, and more than 1.1 times in one of a hundred. Only
their proportions count, so one table serves many processors, where "auto" may miss the fastest by more.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..capturing import is_capturing
from ..routing import Routing


class Price(NamedTuple):
    """Microseconds, on one thread; all but the first two are shared out evenly to threads."""

    once: float
    expert: float
    thousand_rows: float
    thousand_numbers_moved: float
    million_products: float
    million_weights: float


#: Measured on two cores of an Intel Xeon (Sapphire Rapids), torch 2.13, float32, one and two threads.
PREDICT = {
    "loop": Price(488, 19.5, 159, 0.900, 10.1, 293),
    "grouped": Price(586, 6.53, 156, 0.946, 19.8, 146),
    "padded": Price(440, 0.739, 157, 0.948, 8.44, 252),
    "dense": Price(183, 0, 184, 0.499, 12.3, 195),
}
TRAIN = {
    "loop": Price(1200, 36.3, 182, 3.36, 35.3, 1350),
    "grouped": Price(1330, 29.5, 56.8, 3.06, 28.0, 842),
    "padded": Price(896, 1.54, 31.0, 2.99, 22.9, 1100),
    "dense": Price(459, 0, 191, 2.08, 43.7, 445),
}


class Size(NamedTuple):
    """What decides how much there is to do, of a layer: experts, and of one expert numbers, products and weights."""

    n_experts: int
    width: int
    products: int
    weights: int


class Cost(NamedTuple):
    """Microseconds that a layer costs once, for every choice, and for every place where an expert is computed."""

    once: float
    choice: float
    place: float

    def of(self, n_choices: int, places: int) -> float:
        """All together."""
        return self.once + self.choice * n_choices + self.place * places


def cost(price: Price, size: Size, n_threads: int) -> Cost:
    """What computing a layer costs at a price."""
    n_weights = size.n_experts * size.weights
    return Cost(
        price.once + price.expert * size.n_experts + price.million_weights * n_weights / 1e6 / n_threads,
        price.thousand_rows / 1e3 / n_threads,
        (price.thousand_numbers_moved * size.width / 1e3 + price.million_products * size.products / 1e6) / n_threads,
    )


@lru_cache(maxsize=256)
def costs(size: Size, training: bool, n_threads: int) -> dict[str, Cost]:
    """What computing a layer costs, by implementation."""
    return {name: cost(price, size, n_threads) for name, price in (TRAIN if training else PREDICT).items()}


def choose(x: Tensor, routing: Routing, experts: Any) -> str:
    """Name of the implementation that should be fastest for a routing, of those that can compute the experts."""
    possible = experts.implementations
    if len(possible) == 1:
        return str(possible[0])
    if is_capturing():
        return _of_static_shapes(routing)
    if x.is_cuda:
        return _on_cuda(x, routing)
    size = Size(routing.n_experts, experts.width, experts.products, experts.weights)
    return _cheapest(costs(size, torch.is_grad_enabled(), torch.get_num_threads()), len(x), routing)


def _cheapest(by_name: dict[str, Cost], n_rows: int, routing: Routing) -> str:
    n_choices = routing.index.numel()
    total = {name: each.of(n_choices, n_choices) for name, each in by_name.items()}
    total["dense"] = by_name["dense"].of(n_choices, n_rows * routing.n_experts)
    best = min(total, key=total.__getitem__)
    if best == "padded":  # which has as many places for every expert as the most wanted one needs: look how many
        room = routing.capacity if routing.capacity is not None else int(routing.counts(carried_out=True).max())
        total[best] = by_name[best].of(n_choices, room * routing.n_experts)
        best = min(total, key=total.__getitem__)
    return best


def _of_static_shapes(routing: Routing) -> str:
    """No shape may depend on where rows are sent; only who compiles can loop over experts all the same."""
    if routing.k < routing.n_experts and routing.capacity is not None:
        return "padded"
    return "loop" if routing.k < routing.n_experts and torch.compiler.is_compiling() else "dense"


def _on_cuda(x: Tensor, routing: Routing) -> str:
    """By what torch has kernels for: its grouped product is one launch for bfloat16 from compute capability 9 on."""
    if routing.k == routing.n_experts:
        return "dense"
    dtype = torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else x.dtype
    fused = dtype == torch.bfloat16 and torch.cuda.get_device_capability(x.device) >= (9, 0)
    return "grouped" if fused else "padded"
