"""Which implementation is fast where: what each would touch, times what that costs, as measured.

``python -m benchmarks.neural_prices`` measures the prices. Where they were measured, on 824 cases, the implementation
they choose takes 1.01 times as long as the fastest in the mean, and more than 1.1 times in one of thirty. Only their
proportions count, so one table serves many processors, where "auto" may miss the fastest by more.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..routing import Routing


class Price(NamedTuple):
    """Microseconds, on one thread; all but the first two are shared out to threads."""

    once: float
    expert: float
    thousand_rows: float
    thousand_numbers_moved: float
    million_products: float
    million_weights: float


#: Measured on two cores of an Intel Xeon (Sapphire Rapids), torch 2.13, float32, one and two threads.
PREDICT = {
    "loop": Price(462, 10.9, 192, 0.709, 14.8, 261),
    "grouped": Price(382, 5.62, 183, 0.787, 14.4, 232),
    "padded": Price(397, 1.14, 133, 0.911, 8.95, 273),
    "dense": Price(228, 0, 165, 0.377, 12.0, 131),
}
TRAIN = {
    "loop": Price(1260, 31.0, 244, 2.31, 40.0, 1230),
    "grouped": Price(913, 14.8, 189, 3.84, 36.9, 1110),
    "padded": Price(875, 1.59, 128, 2.12, 30.9, 1150),
    "dense": Price(545, 0, 233, 1.53, 37.4, 552),
}

#: Two threads do this power of two times the work of one.
_SHARED = 0.85


class Size(NamedTuple):
    """What decides how much there is to do: rows, choices, experts, and of one expert numbers, products and weights."""

    n_rows: int
    n_choices: int
    n_experts: int
    width: int
    products: int
    weights: int


def microseconds(price: Price, size: Size, places: int, n_threads: int) -> float:
    """What computing so many places costs."""
    shared = (
        price.thousand_rows * size.n_choices / 1e3
        + price.thousand_numbers_moved * places * size.width / 1e3
        + price.million_products * places * size.products / 1e6
        + price.million_weights * size.n_experts * size.weights / 1e6
    )
    return price.once + price.expert * size.n_experts + shared / n_threads**_SHARED


def choose(x: Tensor, routing: Routing, experts: Any) -> str:
    """Name of the implementation that should be fastest for a routing, of those that can compute the experts."""
    possible = experts.implementations
    if len(possible) == 1:
        return str(possible[0])
    if torch.compiler.is_compiling():
        # No shape may depend on where rows are sent.
        return "dense" if routing.k == routing.n_experts else "loop" if routing.capacity is None else "padded"
    if x.is_cuda:
        return _on_cuda(x, routing)
    size = Size(len(x), routing.index.numel(), routing.n_experts, experts.width, experts.products, experts.weights)
    return _cheapest(size, routing, training=torch.is_grad_enabled(), n_threads=torch.get_num_threads())


def _cheapest(size: Size, routing: Routing, *, training: bool, n_threads: int) -> str:
    prices = TRAIN if training else PREDICT
    places = dict.fromkeys(prices, size.n_choices) | {"dense": size.n_rows * size.n_experts}
    cost = {name: microseconds(price, size, places[name], n_threads) for name, price in prices.items()}
    best = min(cost, key=cost.__getitem__)
    if best == "padded":  # which has as many places for every expert as the most wanted one needs: look how many
        room = routing.capacity if routing.capacity is not None else int(routing.counts().max())
        cost[best] = microseconds(prices[best], size, room * size.n_experts, n_threads)
        best = min(cost, key=cost.__getitem__)
    return best


def _on_cuda(x: Tensor, routing: Routing) -> str:
    """By what torch has kernels for: its grouped product is one launch for bfloat16 from compute capability 9 on."""
    if routing.k == routing.n_experts:
        return "dense"
    dtype = torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else x.dtype
    fused = dtype == torch.bfloat16 and torch.cuda.get_device_capability(x.device) >= (9, 0)
    return "grouped" if fused else "padded"
