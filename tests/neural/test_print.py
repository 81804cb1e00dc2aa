"""What a layer looks like in print."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason='torch is not installed: pip install "skmoe[neural]"')

from battery import ROUTERS, layer_of  # noqa: E402

from skmoe.neural import AdaptedLinear  # noqa: E402


@pytest.mark.parametrize(
    ("router", "experts", "shown"),
    [
        ("topk", "relu", ["k=2, bias=True\n", "StackedLinear(weight: (8, 5, 6), bias: (8, 6))"]),
        ("capacity", "swiglu", ["k=2, capacity_factor=0.6\n", "StackedLinear(weight: (8, 5, 12))"]),
        ("switch", "added", ["k=1, ", "AddedLinear(shared: (5, 6), down: (8, 5, 2), up: (8, 2, 6), bias: (8, 6))"]),
        ("noisy", "scaled", ["k=2\n", "(8, 3, 5)", "(noise): LinearGate(d_in=5, d_out=8, bias=False)"]),
        ("tree", "linear", ["n_branches=[2, 2, 2, 2, 4], temperature=0.7", "(gate): LinearGate(d_in=5, d_out=12"]),
    ],
)
def test_settings_and_sizes_are_shown(router, experts, shown):
    printed = str(layer_of(router, experts))
    for part in shown:
        assert part in printed


@pytest.mark.parametrize("router", ROUTERS)
def test_all_layers_can_be_printed(router):
    assert all(len(line) < 120 for line in str(layer_of(router)).split("\n"))


def test_an_adapter_in_print():
    assert "StackedLinear(weight: (4, 5, 2))" in str(AdaptedLinear(torch.nn.Linear(5, 3)))
