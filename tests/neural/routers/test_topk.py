"""Top-k routers: choices, weights, groups, balance, capacity and chance."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='torch is not installed: pip install "skmoe[neural]"')

from skmoe.neural import GShard, MoELayer, Switch, TopK, balance_loss  # noqa: E402
from skmoe.neural.routers.capacity import capacity, over_capacity  # noqa: E402


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def router(record, n_experts=6, d_in=4, seed=0, spread=2.0):
    module = record.module(d_in, n_experts, generator=generator(seed + 1)).double()
    module.reset_parameters()
    with torch.no_grad():
        module.gate.weight.normal_(0, spread, generator=generator(seed))
    return module


def rows(n=50, d_in=4, seed=5):
    return torch.randn(n, d_in, generator=generator(seed), dtype=torch.float64)


@pytest.mark.parametrize("k", [1, 2, 5, 6])
def test_weights_are_the_softmax_over_the_chosen(k):
    module, x = router(TopK(k=k)), rows()
    routing = module(x)
    logits = (x @ module.gate.weight.T).detach().numpy()
    for t in range(len(x)):
        best = np.argsort(-logits[t])[:k]
        assert routing.index[t].tolist() == best.tolist()
        share = np.exp(logits[t, best] - logits[t].max())
        np.testing.assert_allclose(routing.weight[t].detach().numpy(), share / share.sum(), rtol=1e-12)


@pytest.mark.parametrize(
    ("score", "function"),
    [("softmax", lambda z: np.exp(z) / np.exp(z).sum()), ("sigmoid", lambda z: 1 / (1 + np.exp(-z)))],
)
@pytest.mark.parametrize("renormalize", [True, False])
def test_scores_and_scale(score, function, renormalize):
    module, x = router(TopK(k=3, score=score, renormalize=renormalize, scale=2.5)), rows()
    routing = module(x)
    logits = (x @ module.gate.weight.T).detach().numpy()
    for t in range(len(x)):
        scores = function(logits[t])
        chosen = scores[routing.index[t].numpy()]
        expected = 2.5 * (chosen / chosen.sum() if renormalize else chosen)
        np.testing.assert_allclose(routing.weight[t].detach().numpy(), expected, rtol=1e-12)
        np.testing.assert_allclose(routing.probs[t].detach().numpy(), scores / scores.sum(), rtol=1e-12)


def test_groups_by_hand():
    """Eight experts in four groups: the two groups whose two best scores sum highest are open."""
    module = router(TopK(k=3, score="sigmoid", n_groups=4, groups_kept=2), n_experts=8, d_in=8)
    with torch.no_grad():
        module.gate.weight.copy_(torch.eye(8))
    logits = torch.tensor([[4.0, -9, 1, 1.1, 2, 2.2, 0, 0]], dtype=torch.float64)  # best expert in a poor group
    index = module(logits).index[0].tolist()
    # Sums of sigmoids: .982, 1.481, 1.781, 1.0: groups 1 and 2 are open, and expert 0 is not.
    assert index == [5, 4, 3]


def test_the_balance_bias_moves_against_the_counts():
    module, x = router(TopK(k=2, bias_rate=0.1)), rows(200)
    module.train()
    counts = sum(module(part).counts() for part in x.split(50))
    module.update()
    expected = 0.1 * torch.sign(counts.double().mean() - counts)
    assert module.balance_bias.tolist() == pytest.approx(expected.tolist())
    assert not module.balance_bias.requires_grad
    module.update()  # nothing was counted since
    assert module.balance_bias.tolist() == pytest.approx(expected.tolist())
    module.eval()
    module(x)
    module.update()
    assert module.balance_bias.tolist() == pytest.approx(expected.tolist())


def test_the_balance_bias_chooses_and_does_not_weigh():
    module, x = router(TopK(k=2, bias_rate=0.1)), rows()
    before = module(x)
    module.balance_bias[3] = 10.0
    after = module(x)
    assert bool((after.index[:, 0] == 3).all())
    logits = before.logits.gather(1, after.index)
    torch.testing.assert_close(after.weight, logits.softmax(-1))


def test_jitter_is_for_training():
    module, x = router(TopK(k=2, jitter=0.3)), rows(2000)
    module.eval()
    still = module(x).logits
    assert bool((module(x).logits == still).all())
    module.train()
    moved = module(x).logits
    one = torch.eye(4, dtype=torch.float64)[:1].expand(4000, 4)
    factor = (module(one).logits / module.gate.weight[:, 0])[:, 0]
    assert 0.7 <= float(factor.min().detach()) < 0.71
    assert 1.29 < float(factor.max().detach()) <= 1.3
    assert bool((moved != still).any())


# -- capacity ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("factor", "k", "n_rows", "n_experts", "least", "expected"),
    [
        (1.0, 1, 10, 4, 1, 3),
        (1.25, 2, 16, 8, 1, 5),
        (1.0, 2, 3, 8, 4, 3),
        (0.01, 1, 10, 4, 1, 1),
        (math.inf, 2, 7, 8, 1, 7),
        (1.1, 1, 100, 10, 1, 11),
    ],
)
def test_capacity_by_hand(factor, k, n_rows, n_experts, least, expected):
    assert capacity(factor, k, n_rows, n_experts, least) == expected


@pytest.mark.parametrize("policy", ["position", "probability"])
@pytest.mark.parametrize("room", [1, 3, 10, 100])
@pytest.mark.parametrize("seed", range(3))
def test_over_capacity_by_hand(policy, room, seed):
    rng = np.random.default_rng(seed)
    n, n_experts, k = 40, 5, 3
    index = np.stack([rng.permutation(n_experts)[:k] for _ in range(n)])
    weight = rng.random((n, k))
    skip = rng.random((n, k)) < 0.2
    over = over_capacity(torch.tensor(index), torch.tensor(weight), n_experts, room, policy, torch.tensor(skip)).numpy()
    queue = [(j, t) for j in range(k) for t in range(n) if not skip[t, j]]
    if policy == "probability":
        queue.sort(key=lambda place: -weight[place[1], place[0]])
    taken, expected = np.zeros(n_experts, dtype=int), np.zeros((n, k), dtype=bool)
    for j, t in queue:
        expected[t, j] = taken[index[t, j]] >= room
        taken[index[t, j]] += 1
    assert (over == expected).all()


def test_switch_drops_the_rows_that_come_last():
    module, x = router(Switch(capacity_factor=1.0, jitter=0.0)), rows(60)
    routing = module.train()(x)
    counts = routing.counts()
    kept = (routing.combine_weights() > 0).sum(0)
    assert kept.tolist() == counts.clamp_max(10).tolist()
    for e in range(6):
        mine = torch.nonzero(routing.index[:, 0] == e)[:, 0]
        assert not bool(routing.dropped[mine[:10]].any())
        assert bool(routing.dropped[mine[10:]].all())
    assert routing.drop_rate() == pytest.approx(float((counts - 10).clamp_min(0).sum()) / 60)
    # Counts of the loss are those before any were dropped.
    share, proba = counts.double() / 60, routing.probs.mean(0)
    assert balance_loss(routing).item() == pytest.approx(float((6 * share @ proba).detach()))
    assert module.eval()(x).dropped is None


def test_dropped_rows_give_nothing():
    layer = MoELayer(4, 3, n_experts=6, router=Switch(capacity_factor=0.5, jitter=0.0), generator=generator()).double()
    y = layer(rows(60))
    dropped = layer.routing.dropped[:, 0]
    assert bool((y[dropped] == 0).all())
    assert bool((y[~dropped] != 0).all())


def test_the_router_is_precise_where_the_layer_is_not():
    """In bfloat16 some rows would go elsewhere; the router of a layer in bfloat16 computes in float32."""
    n_rows, d_in, n_experts = 4000, 32, 16
    x = torch.randn(n_rows, d_in, generator=generator(3)).to(torch.bfloat16)
    module = TopK(k=1, renormalize=False).module(d_in, n_experts)
    with torch.no_grad():
        module.gate.weight.copy_(torch.randn(n_experts, d_in, generator=generator(4)))
    module = module.to(torch.bfloat16)
    exact = (x.double() @ module.gate.weight.double().T).argmax(1)
    half = (x @ module.gate.weight.T).argmax(1)
    ours = module(x).index[:, 0]
    assert int((ours != exact).sum()) == 0
    assert int((half != exact).sum()) > 10


# -- chance ------------------------------------------------------------------------------------------------------------


def test_the_second_expert_is_used_as_often_as_it_should():
    module, x = router(GShard(capacity_factor=None), spread=0.7), rows(20)
    module.train()
    n_draws = 3000
    used = sum((~module(x).dropped).double() for _ in range(n_draws)) / n_draws
    weight = module.eval()(x).weight.detach()
    assert bool((used[:, 0] == 1).all())
    expected = (2 * weight[:, 1]).clamp_max(1)
    error = (expected * (1 - expected) / n_draws).sqrt()
    assert bool(((used[:, 1] - expected).abs() < 5 * error + 1e-12).all())
    assert float(expected.min()) < 0.5
    torch.testing.assert_close(weight.sum(1), torch.ones(20, dtype=torch.float64))


def test_gshard_serves_first_choices_first_and_counts_no_place_for_the_unused():
    module, x = router(GShard(capacity_factor=0.5), spread=0.7), rows(120)
    routing = module.train()(x)
    room = routing.capacity
    assert room == 20
    for e in range(6):
        first = torch.nonzero(routing.index[:, 0] == e)[:, 0]
        second = torch.nonzero((routing.index[:, 1] == e) & (routing.weight[:, 1] > 0))[:, 0]
        kept = int((~routing.dropped[first, 0]).sum())
        assert kept == min(len(first), room)
        assert len(second) <= room - kept
    at_predict = module.eval()(x)
    assert at_predict.dropped is None
    assert bool((at_predict.weight == module(x).weight).all())


def test_first_choices_are_counted_for_gshard():
    routing = router(GShard())(rows(70))
    first = torch.bincount(routing.index[:, 0], minlength=6).double() / 70
    expected = 6 * (first @ routing.probs.mean(0)).item()
    assert balance_loss(routing, first_choice=True).item() == pytest.approx(expected)
