"""Where parameters are drawn, and what is not lost where layers are made without numbers."""

from __future__ import annotations

import copy
import pickle

import pytest

torch = pytest.importorskip("torch", reason='torch is not installed: pip install "skmoe[neural]"')

from battery import EXPERTS, ROUTERS, generator, layer_of, rows  # noqa: E402

from skmoe.neural import AdaptedLinear, MoELayer, Soft, TopK  # noqa: E402


@pytest.mark.parametrize("router", ["tree", "topk", "gumbel", "attentive"])
@pytest.mark.parametrize("experts", EXPERTS)
def test_parameters_are_drawn_on_the_processor_whatever_the_default(router, experts):
    settings = {"n_experts": 8, "router": ROUTERS[router], **EXPERTS[experts]}
    if router == "attentive" and experts == "linear":
        pytest.skip("these experts have no hidden layer")
    first, second = generator(), generator()
    MoELayer(5, 3, generator=first, **settings)
    with torch.device("meta"):
        elsewhere = MoELayer(5, 3, generator=second, **settings)
        here = MoELayer(5, 3, generator=generator(), device="cpu", **settings)
    assert {p.device.type for p in elsewhere.parameters()} == {"meta"}
    assert {p.device.type for p in here.parameters()} == {"cpu"}
    assert torch.equal(torch.rand(3, generator=first), torch.rand(3, generator=second))


@pytest.mark.parametrize("router", ["tree", "topk", "gumbel", "attentive"])
@pytest.mark.parametrize("experts", ["relu", "shared", "added", "scaled"])
def test_drawing_anew_elsewhere_draws_where_the_generator_is(router, experts):
    layer, source, other = layer_of(router, experts), generator(3), generator(3)
    copy.deepcopy(layer).reset_parameters(source)
    layer.to("meta").reset_parameters(other)
    assert torch.equal(torch.rand(3, generator=source), torch.rand(3, generator=other))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("router", ["tree", "topk", "gumbel", "attentive"])
@pytest.mark.parametrize("experts", ["relu", "shared", "added", "scaled"])
def test_on_cuda_parameters_are_those_of_the_processor(router, experts):
    settings = {"n_experts": 8, "router": ROUTERS[router], **EXPERTS[experts]}
    here = MoELayer(5, 3, generator=generator(), **settings)
    with torch.device("cuda"):
        there = MoELayer(5, 3, generator=generator(), **settings)
        adapted = AdaptedLinear(torch.nn.Linear(5, 3), generator=generator())
    assert {p.device.type for p in adapted.parameters()} == {"cuda"}
    for _ in range(2):
        for name, parameter in there.named_parameters():
            assert parameter.is_cuda
            assert torch.equal(parameter.cpu(), here.get_parameter(name))
        here.reset_parameters(generator(4))
        there.reset_parameters(generator(4))


def test_experts_of_ones_own_stay_where_they_are():
    layer = MoELayer(5, 3, experts=[torch.nn.Linear(5, 3, device="meta")] * 2, router=TopK(k=1))
    assert {p.device.type for p in layer.experts.parameters()} == {"meta"}


@pytest.mark.parametrize("way", ["load", "draw"])
def test_a_tree_made_without_numbers_is_a_tree(way):
    layer = layer_of("tree")
    x = rows()
    expected = layer(x)
    other = MoELayer(5, 3, router=ROUTERS["tree"], hidden=(6,), device="meta")
    assert other.router._above_on(torch.device("meta"), other.router.above).is_meta
    if way == "load":
        other.load_state_dict(layer.state_dict(), assign=True)
    else:
        other.to_empty(device="cpu").double().reset_parameters(generator())
        other.load_state_dict(layer.state_dict())
    assert torch.equal(other(x), expected)
    for again in (copy.deepcopy(other), pickle.loads(pickle.dumps(other))):
        assert torch.equal(again(x), expected)


def test_a_flat_gate_needs_no_table_of_branches():
    flat, tree = (MoELayer(5, 3, router=Soft(tree=shape)).router for shape in (8, (2, 4)))
    assert flat.above is None
    assert tree.above.int().tolist() == [
        [int(b.leaves.start <= e < b.leaves.stop) for e in range(8)] for b in tree.tree.branches
    ]
    assert not list(tree.buffers())
