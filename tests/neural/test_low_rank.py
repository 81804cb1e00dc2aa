"""Experts of low rank, adapters, and experts of one's own."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason='torch is not installed: pip install "skmoe[neural]"')

from battery import generator, layer_of, rows  # noqa: E402

from skmoe.neural import AdaptedLinear, MoELayer, MultiTask, NoisyTopK, Soft, TopK  # noqa: E402


def n_numbers(module):
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def test_numbers_of_parameters():
    d_in, width, d_out, n_experts, rank = 20, 30, 10, 6, 2
    settings = {"n_experts": n_experts, "hidden": (width,), "router": TopK(k=1)}
    gate = n_experts * d_in
    whole = MoELayer(d_in, d_out, **settings)
    assert n_numbers(whole) == n_experts * (d_in * width + width + width * d_out + d_out) + gate
    biases = n_experts * (width + d_out)
    shared = d_in * width + width * d_out
    changes = n_experts * rank * (d_in + width + width + d_out)
    for form in ("added", "scaled"):
        layer = MoELayer(d_in, d_out, **settings, rank=rank, rank_form=form)
        assert n_numbers(layer) == shared + changes + biases + gate
        assert layer.experts.weights == rank * (d_in + 2 * width + d_out) + width + d_out


def test_added_experts_start_alike_and_learn_apart():
    layer = MoELayer(5, 3, n_experts=4, hidden=(6,), rank=2, router=TopK(k=1), generator=generator())
    x = rows(60, dtype=torch.float32)
    layer(x)
    answers = torch.stack([layer.experts(x.expand(4, -1, -1), batched()).output[e] for e in range(4)])
    assert bool((answers == answers[0]).all())
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    for _ in range(5):
        optimizer.zero_grad()
        (layer(x) - x[:, :3] * torch.sign(x[:, 3:4])).square().mean().backward()
        optimizer.step()
    answers = layer.experts(x.expand(4, -1, -1), batched()).output
    assert float((answers[1:] - answers[:1]).detach().abs().amax((1, 2)).min()) > 1e-5


def batched():
    from skmoe.neural.dispatch.layout import Batched

    return Batched()


@pytest.mark.parametrize("router", [Soft(), TopK(k=1), NoisyTopK(k=2)])
def test_an_adapter_begins_with_its_base(router):
    base = torch.nn.Linear(5, 3)
    adapted = AdaptedLinear(base, rank=3, alpha=6.0, router=router, generator=generator())
    x = rows(20, dtype=torch.float32)
    assert bool((adapted(x) == base(x)).all())
    gate = n_numbers(adapted.changes.router)
    assert n_numbers(adapted) == 4 * 3 * (5 + 3) + gate
    adapted(x).square().sum().backward()
    assert base.weight.grad is None
    assert bool((adapted.changes.experts.maps[-1].weight.grad != 0).any())


def test_an_adapter_is_its_equation():
    base = torch.nn.Linear(5, 3).double()
    adapted = AdaptedLinear(base, rank=2, alpha=16.0, generator=generator())
    assert adapted.changes.experts.maps[0].weight.dtype == torch.float64
    down, up = (linear.weight for linear in adapted.changes.experts.maps)
    with torch.no_grad():
        up.normal_(generator=generator(1))
    x = rows(9)
    y = adapted(x)
    expected = base(x)
    for e in range(4):
        expected = expected + 8.0 * adapted.routing.weight[:, e : e + 1] * (x @ down[e] @ up[e])
    torch.testing.assert_close(y, expected, rtol=0, atol=1e-12)


class Counting(torch.nn.Linear):
    """A linear expert that remembers how many rows it was called with."""

    seen = None

    def forward(self, x):
        self.seen = len(x)
        return super().forward(x)


def test_modules_are_called_with_their_rows():
    experts = [Counting(5, 3).double() for _ in range(4)]
    layer = layer_of(TopK(k=1, renormalize=False), experts="linear", n_experts=4)
    own = MoELayer(5, 3, experts=experts, router=TopK(k=1, renormalize=False)).double()
    with torch.no_grad():
        for expert, weight, bias in zip(experts, *layer.experts.maps[0].parameters(), strict=True):
            expert.weight.copy_(weight.T)
            expert.bias.copy_(bias)
        own.router.load_state_dict(layer.router.state_dict())
    x = rows(30)
    torch.testing.assert_close(own(x), layer(x), rtol=0, atol=1e-12)
    assert [expert.seen for expert in experts] == own.routing.counts().tolist()
    assert own.n_experts == 4


class Neighbours(torch.nn.Module):
    """Answers a row by the mean of its neighbours in a graph."""

    def __init__(self, power):
        super().__init__()
        self.power = power

    def forward(self, x, rows, adjacency):
        mean = x
        for _ in range(self.power):
            mean = adjacency @ mean
        return mean[rows]


def test_modules_may_see_the_whole_table():
    adjacency = torch.rand(12, 12, dtype=torch.float64, generator=generator()).softmax(-1)
    layer = MoELayer(5, experts=[Neighbours(1), Neighbours(2)], router=TopK(k=1), generator=generator(3)).double()
    x = rows(12)
    y = layer(x, adjacency)
    chosen = layer.routing.index[:, 0]
    assert 0 < int(chosen.sum()) < 12
    by_power = torch.stack([adjacency @ x, adjacency @ (adjacency @ x)])
    torch.testing.assert_close(y, by_power[chosen, torch.arange(12)], rtol=0, atol=1e-12)


def test_modules_see_the_table_behind_several_gates():
    adjacency = torch.rand(12, 12, dtype=torch.float64, generator=generator()).softmax(-1)
    experts = [Neighbours(1), Neighbours(2)]
    layer = MoELayer(5, experts=experts, router=MultiTask(n_tasks=3), generator=generator(3)).double()
    x = rows(12)
    y = layer(x, adjacency)
    by_power = torch.stack([adjacency @ x, adjacency @ (adjacency @ x)], 1)
    expected = torch.einsum("tme,ted->tmd", layer.routing.combine_weights(), by_power)
    torch.testing.assert_close(y, expected, rtol=0, atol=1e-12)


def test_modules_without_rows_are_left_alone():
    experts = [Counting(5, 3) for _ in range(6)]
    layer = MoELayer(5, 3, experts=experts, router=TopK(k=1), generator=generator())
    layer(rows(1, dtype=torch.float32))
    assert sorted(e.seen or 0 for e in experts) == [0, 0, 0, 0, 0, 1]
    assert layer(rows(0, dtype=torch.float32)).shape == (0, 3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rank": 0}, "rank must be at least 1, got 0"),
        ({"rank": 2.0}, r"rank must be a whole number of at least 1, got 2\.0"),
        ({"alpha": "16"}, "alpha must be a number, got '16'"),
        ({"router": MultiTask()}, "router of AdaptedLinear must give a row one answer, got MultiTask"),
        ({"n_shared": 1}, "AdaptedLinear takes no n_shared, got n_shared=1: .* use MoELayer"),
        ({"experts": [torch.nn.Linear(5, 3)]}, "AdaptedLinear takes no experts"),
        ({"hidden": (4,)}, r"AdaptedLinear takes no hidden, got hidden=\(4,\)"),
        ({"activation": "relu"}, "AdaptedLinear takes no activation"),
        ({"bias": True}, "AdaptedLinear takes no bias"),
        ({"rank_form": "scaled"}, "AdaptedLinear takes no rank_form"),
        ({"base": torch.nn.ReLU()}, r"base must be a torch\.nn\.Linear, got ReLU"),
        ({"base": torch.nn.Linear}, r"base must be a torch\.nn\.Linear, got type"),
    ],
)
def test_what_an_adapter_refuses(settings, message):
    base = torch.nn.Linear(5, 3)
    with pytest.raises(ValueError, match=message):
        AdaptedLinear(**{"base": base} | settings)
    assert base.weight.requires_grad


def test_an_adapter_tells_its_columns():
    adapted = AdaptedLinear(torch.nn.Linear(5, 3), impl="dense")
    assert (adapted.in_features, adapted.out_features) == (5, 3)
    assert adapted.changes.impl == "dense"


def test_an_adapter_of_a_base_elsewhere_draws_what_others_draw():
    base = torch.nn.Linear(5, 3)
    source = generator()
    AdaptedLinear(torch.nn.Linear(5, 3, device="meta"), generator=source)
    after = torch.rand(3, generator=source)
    source = generator()
    adapted = AdaptedLinear(base, generator=source)
    assert torch.equal(after, torch.rand(3, generator=source))
    again = AdaptedLinear(base)
    again.changes.experts.reset_parameters(generator())
    assert torch.equal(again.changes.experts.maps[0].weight, adapted.changes.experts.maps[0].weight)
