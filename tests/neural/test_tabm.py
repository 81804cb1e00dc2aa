"""Experts that scale rows and columns of one shared map against BatchEnsemble, as TabM has it in its package."""

from __future__ import annotations

from itertools import pairwise

import pytest

torch = pytest.importorskip("torch", reason="skmoe.neural needs torch")
tabm = pytest.importorskip("tabm", reason="the layers to compare with are those of the package tabm")

from torch import Tensor, nn  # noqa: E402

from skmoe.neural import MoELayer, Soft, TopK  # noqa: E402

#: Columns, hidden columns, columns of the answer, members of the ensemble, rows.
D, H, OUT, MEMBERS, ROWS = 7, 12, 3, 5, 30
#: Where a parameter of our map stands in theirs; it holds for gradients too.
PLACES = {
    "shared": lambda of: of("weight").mT,
    "before": lambda of: of("r")[:, None],
    "after": lambda of: of("s")[:, None],
    "bias": lambda of: of("bias"),
}
every_implementation = pytest.mark.parametrize("impl", ["loop", "grouped", "padded", "dense"])
depths = pytest.mark.parametrize("hidden", [(), (H,), (H, H)], ids=["linear", "one hidden", "two hidden"])
seeds = pytest.mark.parametrize("seed", range(3))


def ensemble(hidden: tuple[int, ...], seed: int) -> nn.Sequential:
    """Their layers, one after the other, all parameters drawn so that no factor is one and no bias shared."""
    widths = (D, *hidden, OUT)
    maps = [
        tabm.LinearBatchEnsemble(before, after, k=MEMBERS, scaling_init="ones") for before, after in pairwise(widths)
    ]
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in nn.ModuleList(maps).parameters():
            parameter.normal_(std=0.5, generator=generator)
    between = [module for linear in maps for module in (linear, nn.ReLU())]
    return nn.Sequential(*between[:-1])


def layer_of(theirs: nn.Sequential, hidden: tuple[int, ...], **settings) -> MoELayer:
    layer = MoELayer(D, OUT, n_experts=MEMBERS, hidden=hidden, rank=1, rank_form="scaled", **settings)
    with torch.no_grad():
        for ours, linear in zip(layer.experts.maps, theirs[::2], strict=True):
            for name, place in PLACES.items():
                ours.get_parameter(name).copy_(place(linear.get_parameter))
    return layer


def rows(seed: int) -> Tensor:
    return torch.randn(ROWS, D, generator=torch.Generator().manual_seed(seed + 100))


@seeds
@depths
@every_implementation
def test_members_are_experts(hidden, impl, seed):
    """All experts of a row, whatever their order of preference, answer as the members do."""
    theirs, x = ensemble(hidden, seed), rows(seed)
    layer = layer_of(theirs, hidden, router=TopK(k=MEMBERS), impl=impl)
    their_x, our_x = x.clone().requires_grad_(), x.clone().requires_grad_()
    expected = theirs(their_x[:, None].expand(-1, MEMBERS, -1))
    routing, found = layer.answers(our_x)
    by_preference = expected.gather(1, routing.index[..., None].expand(-1, -1, OUT))
    torch.testing.assert_close(found, by_preference, rtol=1e-5, atol=1e-6)

    by_preference.square().sum().backward()
    found.square().sum().backward()
    torch.testing.assert_close(our_x.grad, their_x.grad, rtol=1e-5, atol=1e-5)
    for ours, linear in zip(layer.experts.maps, theirs[::2], strict=True):
        for name, place in PLACES.items():
            gradient = place(lambda part, linear=linear: linear.get_parameter(part).grad)
            torch.testing.assert_close(ours.get_parameter(name).grad, gradient, rtol=1e-4, atol=1e-4)


@seeds
@depths
def test_the_mean_of_the_members_is_a_gate_of_equal_weights(hidden, seed):
    theirs, x = ensemble(hidden, seed), rows(seed)
    layer = layer_of(theirs, hidden, router=Soft())
    nn.init.zeros_(layer.router.gate.weight)
    mean = theirs(x[:, None].expand(-1, MEMBERS, -1)).mean(1)
    torch.testing.assert_close(layer(x), mean, rtol=1e-5, atol=1e-6)
