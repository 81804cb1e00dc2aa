"""Expert choice, Gumbel, attentive, hierarchical and multi-task routers."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason='torch is not installed: pip install "skmoe[neural]"')

from skmoe.neural import (  # noqa: E402
    Attentive,
    ExpertChoice,
    GShard,
    Gumbel,
    Hierarchical,
    MoELayer,
    MultiTask,
    NoisyTopK,
    Soft,
    TopK,
    balance_loss,
    entropy_loss,
    importance_loss,
    load_loss,
    mutual_information_loss,
    z_loss,
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def layer(record, *, n_experts=6, spread=2.0, seed=0, **settings):
    made = MoELayer(
        4, 3, n_experts=n_experts, hidden=(5,), router=record, generator=generator(seed), **settings
    ).double()
    with torch.no_grad():
        for parameter in made.router.parameters():
            parameter.normal_(0, spread / 2, generator=generator(seed + 1))
    return made


def rows(n=50, seed=5):
    return torch.randn(n, 4, generator=generator(seed), dtype=torch.float64)


# -- expert choice -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.5, 6.0])
def test_every_expert_takes_its_best_rows(factor):
    made = layer(ExpertChoice(capacity_factor=factor))
    made(rows(60))
    weights, proba = made.routing.combine_weights(), made.routing.probs
    n_taken = math.ceil(factor * 60 / 6)
    for e in range(6):
        best = proba[:, e].topk(n_taken).indices
        assert set(torch.nonzero(weights[:, e])[:, 0].tolist()) == set(best.tolist())
        torch.testing.assert_close(weights[best, e], proba[best, e])


def test_thresholds_take_as_many_rows_as_training_did():
    made = layer(ExpertChoice(capacity_factor=2.0, momentum=0.9))
    for seed in range(60):
        made(rows(300, seed=seed))
    made.eval()(rows(20_000, seed=1000))
    chosen = (made.routing.combine_weights() > 0).double()
    assert chosen.mean(0).tolist() == pytest.approx([2 / 6] * 6, abs=0.02)


# -- Gumbel ------------------------------------------------------------------------------------------------------------


def test_gumbel_noise_draws_experts_by_their_softmax():
    """The largest noisy logit is a draw from the softmax (Gumbel 1954), so frequencies are its probabilities."""
    made = layer(Gumbel(temperature=0.1, bias=False), spread=1.0)
    x, n_draws = rows(5), 4000
    frequency = torch.zeros(5, 6, dtype=torch.float64)
    for _ in range(n_draws):
        made.router(x)
        frequency += torch.nn.functional.one_hot(made.router(x).weight.argmax(1), 6)
    proba = made.router(x).logits.softmax(-1).detach()
    error = (proba * (1 - proba) / n_draws).sqrt()
    assert bool(((frequency / n_draws - proba).abs() < 5 * error).all())


def test_gumbel_averages_its_draws_at_predict():
    made = layer(Gumbel(temperature=0.7, n_samples=3)).eval()
    routing = made.router(rows())
    draws = made.router.draws
    assert draws.shape == (3, 6)
    by_hand = sum(((routing.logits + draw) / 0.7).softmax(-1) for draw in draws) / 3
    torch.testing.assert_close(routing.weight, by_hand)


# -- attentive ---------------------------------------------------------------------------------------------------------


def test_attention_by_hand():
    made = layer(Attentive(d_hidden=7))
    x = rows(9)
    y = made(x)
    router, maps = made.router, made.experts.maps
    gate = (x @ router.gate.weight.T + router.gate.bias).relu()
    query = gate @ router.query.weight.T
    expected = torch.zeros_like(y)
    logits, outputs = [], []
    for e in range(6):
        hidden = (x @ maps[0].weight[e] + maps[0].bias[e]).relu()
        logits.append((query * (hidden @ router.key.weight.T)).sum(1) / 5**0.5)
        outputs.append(hidden @ maps[1].weight[e] + maps[1].bias[e])
    weight = torch.stack(logits, 1).softmax(1)
    expected = sum(weight[:, e : e + 1] * outputs[e] for e in range(6))
    torch.testing.assert_close(y, expected)


def test_attention_without_keys_is_even():
    made = layer(Attentive())
    with torch.no_grad():
        made.router.key.weight.zero_()
    made(rows())
    torch.testing.assert_close(made.routing.weight, torch.full((50, 6), 1 / 6, dtype=torch.float64))


# -- hierarchical ------------------------------------------------------------------------------------------------------


def test_soft_on_both_levels_is_the_product_gate():
    made = layer(Hierarchical(n_groups=2, outer=Soft(), inner=Soft()))
    tree = layer(Soft(tree=(2, 3)))
    tree.load_state_dict(tree.state_dict() | {k: v for k, v in made.state_dict().items() if k.startswith("experts")})
    outer, inner = made.router.outer.gate, [gate.gate for gate in made.router.inner]
    with torch.no_grad():
        tree.router.gate.weight.copy_(torch.cat([outer.weight, *(gate.weight for gate in inner)]))
        tree.router.gate.bias.copy_(torch.cat([outer.bias, *(gate.bias for gate in inner)]))
    torch.testing.assert_close(made(rows()), tree(rows()), rtol=0, atol=1e-13)
    torch.testing.assert_close(made.routing.combine_weights(), tree.routing.weight, rtol=0, atol=1e-14)


def test_groups_and_experts_by_hand():
    made = layer(Hierarchical(n_groups=3, outer=TopK(k=2), inner=TopK(k=1, renormalize=False)))
    x = rows(20)
    made(x)
    outer = made.router.outer(x)
    inner = [gate(x) for gate in made.router.inner]
    for t in range(20):
        for slot, group in enumerate(outer.index[t].tolist()):
            assert int(made.routing.index[t, slot]) == 2 * group + int(inner[group].index[t, 0])
            expected = outer.weight[t, slot] * inner[group].weight[t, 0]
            torch.testing.assert_close(made.routing.weight[t, slot], expected)


def test_loads_of_two_levels_by_hand():
    """Load of (i, j) is that of group i times the mean chance of j over the rows sent to i (Shazeer, appendix B)."""
    made = layer(Hierarchical(n_groups=2, outer=NoisyTopK(k=1), inner=NoisyTopK(k=2)))
    made.router.outer.generator = generator(3)
    for gate in made.router.inner:
        gate.generator = generator(4)
    x = rows(40)
    made(x)
    made.router.outer.generator = generator(3)
    for gate in made.router.inner:
        gate.generator = generator(4)
    outer = made.router.outer(x)
    expected = torch.zeros(6, dtype=torch.float64)
    for group, gate in enumerate(made.router.inner):
        inner = gate(x[outer.index[:, 0] == group])
        expected[3 * group : 3 * group + 3] = outer.chance[:, group].sum() * inner.chance.mean(0)
    torch.testing.assert_close(made.routing.chance.sum(0), expected)
    variation = expected.var(correction=0) / expected.mean() ** 2
    torch.testing.assert_close(load_loss(made.routing), variation)
    importance = made.routing.combine_weights().sum(0)
    torch.testing.assert_close(importance_loss(made.routing), importance.var(correction=0) / importance.mean() ** 2)


@pytest.mark.parametrize(("outer", "inner"), [(TopK(k=1), NoisyTopK(k=1)), (NoisyTopK(k=1), TopK(k=1))])
def test_noise_on_one_level(outer, inner):
    made = layer(Hierarchical(n_groups=2, outer=outer, inner=inner))
    made(rows(40))
    chance = made.routing.chance
    assert chance.shape == (40, 6)
    assert 0 < float(load_loss(made.routing).detach()) < 5
    made.eval()(rows())
    assert made.routing.chance is None


def test_groups_see_their_rows_and_no_others():
    record = TopK(k=1, bias_rate=0.1, capacity_factor=0.5)
    made = layer(Hierarchical(n_groups=2, outer=TopK(k=1, bias_rate=0.1), inner=record))
    x = rows(60)
    made(x)
    index, group = made.routing.index[:, 0], made.routing.index[:, 0] // 3
    for g, gate in enumerate(made.router.inner):
        counts = torch.bincount(index[group == g] - 3 * g, minlength=3)
        assert gate.n_chosen.tolist() == counts.tolist()
        room = math.ceil(0.5 * int(counts.sum()) / 3)
        carried = made.routing.carried_out()[group == g, 0]
        kept = torch.bincount((index[group == g] - 3 * g)[carried], minlength=3)
        assert kept.tolist() == counts.clamp_max(room).tolist()
    share = torch.bincount(index, minlength=6).double() / 60  # dropped choices are counted by the loss
    expected = 6 * (share @ made.routing.probs.mean(0)).item()
    assert balance_loss(made.routing).item() == pytest.approx(expected)
    torch.testing.assert_close(made.routing.probs.sum(1), torch.ones(60, dtype=torch.float64))
    made.update()
    counts = torch.bincount(group, minlength=2).double()
    assert made.router.outer.balance_bias.tolist() == pytest.approx((0.1 * torch.sign(30 - counts)).tolist())


# -- tasks -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("record", [Soft(), TopK(k=2)])
def test_a_task_is_a_layer_with_its_own_gate(record):
    made = layer(MultiTask(n_tasks=3, router=record))
    x, task = rows(30), torch.arange(30) % 3
    every = made(x)
    assert every.shape == (30, 3, 3)
    for m in range(3):
        single = layer(record)
        state = {k: v for k, v in made.state_dict().items() if k.startswith("experts")}
        state |= {k.replace(f"gates.{m}.", ""): v for k, v in made.state_dict().items() if f"gates.{m}." in k}
        single.load_state_dict(state)
        torch.testing.assert_close(every[:, m], single(x), rtol=0, atol=1e-13)
    own = made(x, task=task)
    torch.testing.assert_close(own, every[torch.arange(30), task], rtol=0, atol=1e-13)
    assert made.routing.task is task


def test_a_task_routes_its_own_rows():
    record = TopK(k=1, bias_rate=0.1, capacity_factor=1.0)
    made = layer(MultiTask(n_tasks=2, router=record))
    x, task = rows(60), (torch.arange(60) % 3 == 0).long()
    y = made(x, task=task)
    for m, gate in enumerate(made.router.gates):
        mine = made.routing.index[task == m, 0]
        counts = torch.bincount(mine, minlength=6)
        assert gate.n_chosen.tolist() == counts.tolist()
        kept = torch.bincount(mine[made.routing.carried_out()[task == m, 0]], minlength=6)
        assert kept.tolist() == counts.clamp_max(math.ceil(len(mine) / 6)).tolist()
    assert y.shape == (60, 3)
    chosen = layer(MultiTask(n_tasks=2, router=ExpertChoice(capacity_factor=1.0)))
    chosen(x, task=task)
    for m, n_taken in ((0, 7), (1, 4)):  # rounded up
        taken = (chosen.routing.combine_weights()[task == m] > 0).sum(0)
        assert taken.tolist() == [n_taken] * 6
    nobody = made(x, task=torch.zeros(60, dtype=torch.int64))  # a task without rows
    assert nobody.shape == (60, 3)


def test_shared_experts_serve_all_tasks():
    made = layer(MultiTask(n_tasks=2), n_shared=1)
    bare = layer(MultiTask(n_tasks=2))
    bare.load_state_dict({k: v for k, v in made.state_dict().items() if not k.startswith("shared")})
    x = rows(8)
    difference = made(x) - bare(x)
    torch.testing.assert_close(difference[:, 0], difference[:, 1])
    torch.testing.assert_close(difference[:, 0], made.shared(x))


def test_information_of_tasks_and_of_groups():
    made = layer(MultiTask(n_tasks=2, router=Soft()))
    x, task = rows(40), torch.arange(40) % 2
    made(x, task=task)
    proba = made.routing.probs.detach()
    joint = torch.stack([proba[task == m].sum(0) for m in range(2)]) / 40
    independent = joint.sum(0) * joint.sum(1, keepdim=True)
    expected = -(joint * (joint / independent).log()).sum()
    torch.testing.assert_close(mutual_information_loss(made.routing).detach(), expected)
    torch.testing.assert_close(mutual_information_loss(made.routing._replace(task=None), task).detach(), expected)
    made(x)  # every row for every task
    proba = made.routing.probs.detach()
    joint = proba.sum(0) / proba.sum()
    independent = joint.sum(0) * joint.sum(1, keepdim=True)
    expected = -(joint * (joint / independent).log()).sum()
    torch.testing.assert_close(mutual_information_loss(made.routing).detach(), expected)


def test_balance_over_tasks_counts_all_gates():
    made = layer(MultiTask(n_tasks=2, router=TopK(k=2)))
    made(rows(40))
    flat = made.routing.flattened()
    assert flat.index.shape == (80, 2)
    torch.testing.assert_close(balance_loss(made.routing), balance_loss(flat))


def test_balance_counts_choices_and_no_empty_slots():
    made = layer(ExpertChoice(capacity_factor=2.0))
    made(rows(60))
    # Every expert takes as many rows, so the loss is 1 whatever the probabilities.
    assert balance_loss(made.routing).item() == pytest.approx(1.0)
    assert made.routing.drop_rate() == 0  # rows that fewer experts want have empty slots, and lost nothing
    assert bool(made.routing.empty.any())
    assert made.routing.counts().tolist() == [20] * 6


def test_capacities_of_tasks_add_up():
    made = layer(MultiTask(n_tasks=3, router=TopK(k=2, capacity_factor=0.5)), impl="padded")
    looped = layer(MultiTask(n_tasks=3, router=TopK(k=2, capacity_factor=0.5)), impl="loop")
    torch.testing.assert_close(made(rows()), looped(rows()), rtol=0, atol=1e-13)
    assert made.routing.capacity == 3 * math.ceil(0.5 * 2 * 50 / 6)
    assert looped.routing.drop_rate() > 0


@pytest.mark.parametrize("record", [Soft(), Gumbel(), Attentive(), TopK(k=2), NoisyTopK(k=2), Soft(tree=(2, 3))])
def test_a_loss_that_balances_has_a_gradient(record):
    """Of every loss that a router names, in its gate."""
    losses = {"balance_loss": balance_loss, "importance_loss": importance_loss, "load_loss": load_loss}
    named = [loss for name, loss in losses.items() if f"`{name}`" in record.balanced_by]
    assert named
    for loss in named:
        made = layer(record)
        made(rows())
        loss(made.routing).backward()
        assert max(float(p.grad.abs().max()) for p in made.router.parameters() if p.grad is not None) > 1e-4


@pytest.mark.parametrize("record", [Soft(), TopK(k=2), ExpertChoice(), GShard(), Hierarchical(), MultiTask()])
def test_losses_of_no_rows_are_numbers(record):
    made = layer(record)
    made(rows(0))
    for loss in (balance_loss, importance_loss, z_loss, entropy_loss, mutual_information_loss):
        assert bool(torch.isfinite(loss(made.routing)))
