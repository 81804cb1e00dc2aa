"""Expert layers on the processor: beside other ways to compute them, by the number of experts, and what "auto" chooses.

Rows a second of one layer, in training (forward, backward with gradients of rows and parameters) and at predict.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .report import Row, Tables
from .timing import alternated, ratio

#: Rows, columns in and out, width of an expert, experts, and experts a row: what a table may ask for.
SHAPES = [
    (2048, 256, 256, 32, 2),
    (2048, 256, 256, 8, 2),
    (256, 256, 256, 32, 2),
    (256, 64, 128, 8, 2),
    (2048, 64, 128, 8, 2),
    (16384, 64, 128, 8, 2),
    (16384, 128, 256, 32, 2),
    (4096, 32, 64, 8, 2),
    (2048, 64, 64, 64, 4),
    (32, 64, 64, 16, 2),
]
NAMES = ("loop", "grouped", "padded", "dense")


def layers(shape: tuple[int, ...], names: tuple[str, ...]) -> tuple[Any, dict[str, Any]]:
    """Rows, and layers of the same parameters by implementation."""
    import torch

    from skmoe.neural import MoELayer, TopK

    n_rows, width, hidden, n_experts, k = shape
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n_rows, width, generator=generator)
    made = {
        name: MoELayer(width, n_experts=n_experts, hidden=(hidden,), router=TopK(k=k), impl=name, generator=generator)
        for name in names
    }
    for layer in made.values():
        layer.load_state_dict(made[names[0]].state_dict())
    return x, made


def loop_over_experts(layer: Any) -> Any:
    """The same layer as it is mostly written: for every expert look up its rows, and add what it answers to theirs."""
    import torch

    first, last = layer.experts.maps

    class Loop(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.router, self.first, self.last = layer.router, first, last

        def forward(self, x: Any) -> Any:
            routing = self.router(x)
            chosen = torch.nn.functional.one_hot(routing.index, routing.n_experts).permute(2, 1, 0)
            y = torch.zeros_like(x)
            for e in range(routing.n_experts):
                slot, row = torch.where(chosen[e])
                if len(row):
                    hidden = torch.addmm(self.first.bias[e], x[row], self.first.weight[e]).relu()
                    answer = torch.addmm(self.last.bias[e], hidden, self.last.weight[e])
                    y.index_add_(0, row, answer * routing.weight[row, slot, None])
            return y

    return Loop()


def perceptron(shape: tuple[int, ...]) -> Any:
    """A perceptron with as many products a row as the experts of a row together, and no router."""
    import torch

    _, width, hidden, _, k = shape
    return torch.nn.Sequential(torch.nn.Linear(width, k * hidden), torch.nn.ReLU(), torch.nn.Linear(k * hidden, width))


def steps(x: Any, modules: Mapping[str, Any], *, training: bool) -> dict[str, Callable[[], Any]]:
    """A step of every module on the same rows."""
    import torch

    upstream = torch.randn(x.shape, generator=torch.Generator().manual_seed(1))

    def train(module: Any) -> None:
        module.zero_grad()
        module(x.detach().requires_grad_(True)).backward(upstream)

    @torch.no_grad()
    def predict(module: Any) -> None:
        module(x)

    step = train if training else predict
    return {name: lambda module=module: step(module) for name, module in modules.items()}


def beside_others(quick: bool) -> list[Row]:
    shape = (256, 64, 64, 8, 2) if quick else SHAPES[0]
    x, made = layers(shape, ("auto",))
    layer = made["auto"]
    others = {"loop over experts": loop_over_experts(layer), "perceptron, as many products": perceptron(shape)}
    rows: list[Row] = []
    for training in (True, False):
        # Beside one at a time: the loop takes and frees so much memory that what comes after it is slowed down.
        for name, other in others.items():
            two = steps(x, {"layer": layer, name: other}, training=training)
            seconds = alternated(two, 3 if quick else 41)
            done = {what: 1e-3 * shape[0] / float(np.median(s)) for what, s in seconds.items()}
            rows.append(
                {
                    "step": "training" if training else "predict",
                    "beside": name,
                    "its thousand rows a second": done[name],
                    "ours": done["layer"],
                    "ours over its": ratio(seconds[name], seconds["layer"]),
                }
            )
    return rows


def by_experts(quick: bool) -> list[Row]:
    sizes = (4, 8) if quick else (8, 16, 32, 64)
    seconds: dict[bool, dict[str, Any]] = {}
    for training in (True, False):
        every: dict[str, Callable[[], Any]] = {}
        for n_experts in sizes:
            shape = (256, 64, 64, n_experts, 2) if quick else (2048, 256, 256, n_experts, 2)
            x, made = layers(shape, ("auto",))
            every |= steps(x, {str(n_experts): made["auto"]}, training=training)
        seconds[training] = alternated(every, 3 if quick else 31)
    first = str(8 if 8 in sizes else sizes[0])
    return [
        {
            "experts": n_experts,
            f"training, times as long as {first}": ratio(seconds[True][str(n_experts)], seconds[True][first]),
            f"predict, times as long as {first}": ratio(seconds[False][str(n_experts)], seconds[False][first]),
        }
        for n_experts in sizes
    ]


def choices(quick: bool) -> list[Row]:
    """Every implementation as a multiple of the fastest one, and "auto" beside it."""
    rows: list[Row] = []
    for shape in [(64, 16, 16, 4, 2)] if quick else SHAPES:
        n_rows, width, hidden, n_experts, k = shape
        # All experts for all rows: not where that is hopeless and slow to measure.
        names = tuple(n for n in NAMES if n != "dense" or n_rows * n_experts * width * hidden < 2e9)
        x, made = layers(shape, (*names, "auto"))
        for training in (True, False):
            rounds = 3 if quick else 15 if n_rows * width * hidden * k > 2e8 else 41
            seconds = alternated(steps(x, made, training=training), rounds)
            best = min(names, key=lambda name: sorted(seconds[name])[rounds // 2])
            words = dict(zip(("rows", "width", "hidden", "experts", "k"), shape, strict=True))
            each = {name: ratio(seconds[name], seconds[best]) if name in names else None for name in NAMES}
            step = "training" if training else "predict"
            rows.append({**words, "step": step, **each, "auto": ratio(seconds["auto"], seconds[best])})
    return rows


def measured(quick: bool) -> Tables:
    """Tables by title, on as many threads as the machine has cores."""
    import torch

    n_threads = os.cpu_count() or 1
    torch.set_num_threads(n_threads)
    words = f"{n_threads} threads"
    return {
        f"2,048 rows of 256 columns, 32 experts of width 256, two a row, {words}": beside_others(quick),
        f"2,048 rows of 256 columns, experts of width 256, two a row, {words}": by_experts(quick),
        f'Times the fastest implementation, and what "auto" takes, {words}': choices(quick),
    }
