"""What every layer does, whatever its router, its experts and how they are computed."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest

torch = pytest.importorskip("torch", reason='torch is not installed: pip install "skmoe[neural]"')

from battery import EXPERTS, IMPLEMENTATIONS, ROUTERS, generator, layer_of, row_by_row, rows  # noqa: E402

from skmoe.neural import ExpertChoice, Hierarchical, MoELayer, Soft, TopK, noise  # noqa: E402


@pytest.mark.parametrize("impl", IMPLEMENTATIONS)
@pytest.mark.parametrize("train", [False, True], ids=["predict", "train"])
@pytest.mark.parametrize("router", ROUTERS)
def test_it_is_its_equation(router, train, impl):
    layer = layer_of(router, impl=impl).train(train)
    x = rows()
    y = layer(x)
    torch.testing.assert_close(y, row_by_row(layer, x, layer.routing), rtol=0, atol=1e-12)


@pytest.mark.parametrize("impl", IMPLEMENTATIONS)
@pytest.mark.parametrize("experts", EXPERTS)
def test_experts_are_their_equation(experts, impl):
    layer = layer_of(experts=experts, impl=impl)
    x = rows()
    y = layer(x)
    expected = row_by_row(layer, x, layer.routing)
    if layer.shared is not None:
        one_by_one = [layer.shared.experts.maps[0].weight, layer.shared.experts.maps[0].bias]
        hidden = torch.stack([x @ w + b for w, b in zip(*one_by_one, strict=True)]).relu()
        last = layer.shared.experts.maps[1]
        added = (torch.bmm(hidden, last.weight) + last.bias[:, None]).sum(0)
        expected = expected + torch.sigmoid(x @ layer.shared.gate.weight.T) * added
    torch.testing.assert_close(y, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("impl", IMPLEMENTATIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_single_and_half_precision(impl, dtype):
    exact = layer_of(seed=3, impl=impl)
    layer = copy.deepcopy(exact).to(dtype)
    x = rows(200)
    y = layer(x.to(dtype))
    assert y.dtype == dtype
    # Rows whose choice hangs on rounding are another matter: compare the others.
    exact(x)
    same = (layer.routing.index == exact.routing.index).all(-1)
    assert same.double().mean() > 0.9
    tolerance = 1e-5 if dtype == torch.float32 else 0.06
    torch.testing.assert_close(y[same].double(), exact(x)[same], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("impl", IMPLEMENTATIONS)
@pytest.mark.parametrize("experts", ["relu", "swiglu", "linear", "added", "scaled", "shared"])
def test_gradients_of_experts(experts, impl):
    check_gradients(layer_of("capacity", experts, impl=impl, bias=True))


@pytest.mark.parametrize("router", ROUTERS)
def test_gradients_of_routers(router):
    check_gradients(layer_of(router, "deep gelu", impl="loop").eval())  # without noise, which would be drawn twice


def check_gradients(layer):
    """Against differences, in every parameter and in the rows."""
    names, values = zip(*layer.named_parameters(), strict=True)
    x = rows(7).requires_grad_(True)
    layer(x)
    chosen = layer.routing.index

    def answer(x, *values):
        y = torch.func.functional_call(layer, dict(zip(names, values, strict=True)), (x,))
        assert bool((layer.routing.index == chosen).all())  # differences did not change who was chosen
        return y

    free = [value.detach().clone().requires_grad_(True) for value in values]
    assert torch.autograd.gradcheck(answer, (x, *free), atol=1e-5, fast_mode=True)


@pytest.mark.parametrize("impl", IMPLEMENTATIONS)
def test_second_derivatives(impl):
    layer = layer_of("topk", "swiglu", impl=impl)
    x = rows(4).requires_grad_(True)
    weight = layer.experts.maps[0].weight.detach().clone().requires_grad_(True)

    def answer(x, weight):
        return torch.func.functional_call(layer, {"experts.maps.0.weight": weight}, (x,))

    assert torch.autograd.gradgradcheck(answer, (x, weight), fast_mode=True)


@pytest.mark.parametrize("router", ["soft", "topk", "deepseek", "switch", "noisy", "expert choice"])
def test_experts_have_no_order(router):
    layer = layer_of(router).eval()
    order = torch.tensor([3, 1, 0, 2, 7, 5, 4, 6])  # groups of two stay groups
    if router == "deepseek":
        order = torch.tensor([2, 3, 1, 0, 6, 7, 4, 5])
    other = copy.deepcopy(layer)
    with torch.no_grad():
        for (name, old), new in zip(layer.state_dict().items(), other.state_dict().values(), strict=True):
            if old.dim() and len(old) == 8 and "shared" not in name:
                new.copy_(old[order])
    x = rows()
    torch.testing.assert_close(other(x), layer(x), rtol=0, atol=1e-12)


def test_one_expert_is_a_perceptron():
    layer = layer_of(n_experts=1, router=TopK(k=1))
    plain = torch.nn.Sequential(torch.nn.Linear(5, 6), torch.nn.ReLU(), torch.nn.Linear(6, 3)).double()
    with torch.no_grad():
        for linear, stacked in zip((plain[0], plain[2]), layer.experts.maps, strict=True):
            linear.weight.copy_(stacked.weight[0].T)
            linear.bias.copy_(stacked.bias[0])
    torch.testing.assert_close(layer(rows()), plain(rows()), rtol=0, atol=1e-13)


def test_all_experts_is_the_soft_gate():
    soft, every = layer_of("soft"), layer_of(TopK(k=8, bias=True))
    every.load_state_dict(soft.state_dict())
    torch.testing.assert_close(every(rows()), soft(rows()), rtol=0, atol=1e-13)


@pytest.mark.parametrize("policy", ["position", "probability"])
def test_without_drops_is_with_room_for_all(policy):
    free, roomy = layer_of("topk"), layer_of(TopK(bias=True, capacity_factor=float("inf"), capacity_policy=policy))
    assert bool((free(rows()) == roomy(rows())).all())
    assert roomy.routing.capacity == 37
    assert roomy.routing.drop_rate() == 0


@pytest.mark.parametrize(("dtype", "rtol", "atol"), [(torch.float32, 1e-4, 1e-5), (torch.float64, 1e-9, 1e-12)])
@pytest.mark.parametrize("impl", ["auto", *IMPLEMENTATIONS])
@pytest.mark.parametrize("router", ROUTERS)
def test_a_row_alone_is_the_row_in_its_batch(router, impl, dtype, rtol, atol):
    layer = layer_of(router, impl=impl)
    layer(rows(300, seed=4))  # thresholds of expert choice
    layer = layer.eval().to(dtype)
    x = rows(300, dtype=dtype)
    together, order = layer(x), torch.randperm(300, generator=generator())
    alone = torch.cat([layer(x[t : t + 1]) for t in range(40)])
    torch.testing.assert_close(alone, together[:40], rtol=rtol, atol=atol)
    torch.testing.assert_close(layer(x[order]), together[order], rtol=rtol, atol=atol)


#: Routers that let rows compete in training, by their record or by that of a part.
COMPETE = ("capacity", "priority", "switch", "gshard", "expert choice", "groups of choice")


@pytest.mark.parametrize("router", ROUTERS)
def test_dependence_on_the_batch_in_training_is_declared(router, monkeypatch):
    def by_row(like, generator):  # noise that is the same for a row in every batch
        return torch.frac(like.detach().double() * 1e4).abs().to(like.dtype)

    for name in ("uniform", "normal", "gumbel"):
        monkeypatch.setattr(noise, name, by_row)
    layer, x = layer_of(router), rows(64)
    whole, first = layer(x)[:32], layer(x[:32])
    assert torch.allclose(whole, first, rtol=1e-9, atol=1e-12) == (router not in COMPETE)
    record = ROUTERS[router]
    if not isinstance(record, Hierarchical):
        assert ("at predict" in record.batch_independent) or router not in COMPETE


@pytest.mark.parametrize("impl", ["auto", *IMPLEMENTATIONS])
@pytest.mark.parametrize("n_rows", [0, 1])
@pytest.mark.parametrize("router", ROUTERS)
def test_no_row_and_one_row(router, n_rows, impl):
    layer = layer_of(router, impl=impl)
    x = rows(n_rows).requires_grad_(True)
    y = layer(x)
    y.sum().backward()
    assert y.shape[0] == n_rows
    assert y.shape[-1] == 3
    assert bool(torch.isfinite(x.grad).all())


@pytest.mark.parametrize("router", ["topk", "mmoe", "attentive"])
def test_leading_axes_are_rows(router):
    layer = layer_of(router).eval()
    x = rows(24)
    y = layer(x.view(2, 3, 4, 5))
    assert bool((y.flatten(0, 2) == layer(x)).all())


@pytest.mark.parametrize("router", ROUTERS)
@pytest.mark.parametrize("impl", IMPLEMENTATIONS)
def test_answers_are_what_is_mixed(router, impl):
    layer = layer_of(router, impl=impl).eval()
    x = rows()
    routing, answer = layer.answers(x)
    mixed = (routing.weight[..., None] * answer).sum(-2)
    torch.testing.assert_close(mixed, layer(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("router", ROUTERS)
def test_a_generator_is_all_the_chance_there_is(router):
    before = torch.get_rng_state()
    layers = [layer_of(router, seed=7, spread=1.0) for _ in range(2)]
    x = rows()
    first, second = (layer(x) for layer in layers)
    assert bool((first == second).all())
    assert bool((torch.get_rng_state() == before).all())
    again = layers[0](x)  # the noise goes on
    noisy = router in ("noisy", "noisy fixed", "switch", "gshard", "gumbel", "noisy groups")
    assert bool((again != first).any()) == noisy


@pytest.mark.parametrize("router", ROUTERS)
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_copies_do_the_same(router, duplicate):
    layer = layer_of(router)
    layer(rows())
    other = duplicate(layer)
    assert other.routing is None
    assert bool((other.eval()(rows()) == layer.eval()(rows())).all())


@pytest.mark.parametrize("router", ROUTERS)
def test_state_is_all_there_is_to_know(router):
    layer, other = layer_of(router, seed=1), layer_of(router, seed=2)
    layer(rows())
    other.load_state_dict(layer.state_dict())
    assert bool((other.eval()(rows()) == layer.eval()(rows())).all())


@pytest.mark.parametrize("router", ROUTERS)
def test_a_layer_can_begin_anew(router):
    layer = layer_of(router, dtype=torch.float32)
    layer(rows(dtype=torch.float32))
    layer.update()
    layer.reset_parameters(generator(5))
    fresh = layer_of(router, seed=6, dtype=torch.float32)
    fresh.reset_parameters(generator(5))
    for (name, ours), theirs in zip(layer.state_dict().items(), fresh.state_dict().values(), strict=True):
        assert bool((ours == theirs).all()), name


def test_parameters_start_like_those_of_linear_layers():
    layer = MoELayer(100, 10, n_experts=50, hidden=(40,), generator=generator())
    for linear, n_inputs in zip(layer.experts.maps, (100, 40), strict=True):
        for parameter in (linear.weight, linear.bias):
            bound = n_inputs**-0.5
            assert bound * 0.99 < float(parameter.detach().abs().max()) <= bound
            assert abs(float(parameter.detach().std()) - bound / 3**0.5) < 0.03 * bound
    gate = layer.router.gate.weight.detach()
    deviation = 0.1**0.5 / 10
    assert float(gate.abs().max()) <= 2 * deviation
    assert 0.8 * deviation < float(gate.std()) < 0.95 * deviation  # a normal cut at two deviations has .88 of them


def test_the_report_is_of_the_weights_at_predict():
    layer = layer_of("noisy", spread=1.0)
    layer(rows(200))
    kept = layer.routing
    report = layer.routing_report(rows(200))
    assert layer.training
    assert layer.routing is kept
    layer.eval()(rows(200))
    weights = layer.routing.combine_weights().detach()
    assert report.usage == pytest.approx(weights.mean(0).numpy(), abs=1e-12)


def test_the_report_is_divided_by_what_rows_got():
    layer = layer_of(ExpertChoice(capacity_factor=0.5))
    layer(rows(300, seed=4))
    layer.eval()
    report = layer.routing_report(rows(200))
    layer(rows(200))
    weights = layer.routing.combine_weights().detach().numpy()
    got = weights.sum(1) > 0
    assert 0 < got.sum() < 200
    share = weights[got] / weights[got].sum(1, keepdims=True)
    assert report.usage == pytest.approx(share.mean(0), abs=1e-12)


def test_the_balance_bias_balances():
    """Loss-free balancing drives the largest load to the mean on rows that all look alike to the router at first."""
    layer = layer_of(TopK(k=2, bias_rate=0.002), spread=0.3, dtype=torch.float32)
    x = rows(1000, dtype=torch.float32) + torch.tensor([1.0, 0, 0, 0, 0])
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.0)
    layer.follow(optimizer)

    def worst():
        counts = layer.routing.counts().double()
        return float(counts.max() / counts.mean() - 1)

    layer(x)
    assert worst() > 0.5
    for _ in range(300):
        layer(x)
        optimizer.step()
    assert worst() < 0.1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_type_of_the_rows_is_kept(dtype):
    for router in ROUTERS:
        layer = layer_of(router, dtype=dtype)
        assert layer(rows(4, dtype=dtype)).dtype == dtype


@pytest.mark.parametrize("router", ROUTERS)
def test_routers_are_precise_under_autocast(router):
    layer = layer_of(router, dtype=torch.float32).eval()
    with torch.autocast("cpu", torch.bfloat16):
        layer(rows(50, dtype=torch.float32))
    routing = layer.routing
    assert routing.logits.dtype == routing.probs.dtype == routing.weight.dtype == torch.float32
    torch.testing.assert_close(routing.probs.sum(-1), torch.ones(routing.probs.shape[:-1]))


def test_small_steps_are_kept_in_half_precision():
    layer = layer_of(TopK(k=2, bias_rate=1e-3), dtype=torch.float32).bfloat16()
    layer.router.balance_bias.fill_(0.6)
    layer(rows(50, dtype=torch.bfloat16))
    layer.update()
    moved = (layer.router.balance_bias - 0.6).abs()
    assert layer.router.balance_bias.dtype == torch.float32
    assert bool(((moved - 1e-3).abs() < 1e-6).any())


def test_one_layer_serves_many_threads():
    layer = layer_of("topk", dtype=torch.float32).eval()
    batches = [rows(n, seed=n, dtype=torch.float32) for n in (3, 50, 200, 700)]
    with torch.no_grad():
        expected = [layer(x) for x in batches]

    def serve(number):
        with torch.no_grad():
            return all(torch.allclose(layer(batches[number]), expected[number], atol=1e-5) for _ in range(60))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(serve, range(4)))


def test_a_single_row_is_a_row():
    layer = layer_of("topk").eval()
    x = rows(3)
    torch.testing.assert_close(layer(x[0]), layer(x)[0])


@pytest.mark.parametrize("impl", IMPLEMENTATIONS)
def test_autocast_computes_in_its_type(impl):
    layer = layer_of("topk", impl=impl, dtype=torch.float32)
    x = rows(50, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
    assert y.dtype == torch.bfloat16
    assert layer.routing.logits.dtype == torch.float32
    y.float().sum().backward()
    torch.testing.assert_close(y.float(), layer(x), rtol=0.05, atol=0.05)


@pytest.mark.parametrize("n_threads", [1, 3])
def test_auto_gives_the_same(n_threads):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(n_threads)
        for n in (3, 300, 3000):
            for router in ("soft", "topk", "expert choice"):
                auto, loop = layer_of(router), layer_of(router, impl="loop")
                torch.testing.assert_close(auto(rows(n)), loop(rows(n)), rtol=0, atol=1e-12)
    finally:
        torch.set_num_threads(before)


def test_experts_that_are_not_wanted_have_no_gradient():
    layer = layer_of(TopK(k=1, renormalize=False), impl="loop")
    layer(rows(2)).sum().backward()
    wanted = set(layer.routing.index.flatten().tolist())
    for e in range(8):
        assert bool((layer.experts.maps[0].weight.grad[e] == 0).all()) == (e not in wanted)


def test_thresholds_start_even_and_follow():
    layer = layer_of(ExpertChoice(capacity_factor=2.0, momentum=0.75))
    assert bool((layer.router.threshold == 1 / 8).all())
    x = rows(80)
    proba = layer.router.gate(x).softmax(-1)
    middle = proba.sort(0, descending=True).values[19:21].detach().mean(0)  # ceil(2 * 80 / 8) rows an expert
    layer(x)
    torch.testing.assert_close(layer.router.threshold, (1 - 1e-4) * middle)
    layer.train()(2 * x)
    other = layer.router.gate(2 * x).softmax(-1).sort(0, descending=True).values[19:21].detach().mean(0)
    torch.testing.assert_close(layer.router.threshold, (1 - 1e-4) * (0.75 * middle + 0.25 * other))


def test_experts_that_chose_a_row_take_it_alone():
    """Thresholds lie between rows, so rounding does not decide; rows that are all alike pass."""
    for seed in range(20):
        layer = layer_of(ExpertChoice(capacity_factor=2.0), n_experts=4, seed=seed, dtype=torch.float32)
        x = rows(64, seed=seed, dtype=torch.float32)
        chosen = (layer(x).shape, layer.routing.combine_weights() > 0)[1]
        layer.eval()
        alone = torch.cat([(layer(row), layer.routing.combine_weights() > 0)[1] for row in x.split(1)])
        layer(x)
        assert bool((alone == (layer.routing.combine_weights() > 0)).all())
        assert bool((alone == chosen).all())
    for n_experts, x in ((1, rows(9)), (4, rows(1).expand(8, 5))):
        layer = layer_of(ExpertChoice(capacity_factor=float(n_experts)), n_experts=n_experts)
        layer(x)
        layer.eval()(x)
        assert bool((layer.routing.combine_weights() > 0).all())


def test_soft_gate_over_a_tree_multiplies_along_the_way():
    layer = layer_of(Soft(tree=((2, 2), 4)))
    layer(rows())
    logits = layer.router.gate(rows())
    root, left, first, second, right = logits.split([2, 2, 2, 2, 4], dim=-1)
    root, left, first, second, right = (part.softmax(-1) for part in (root, left, first, second, right))
    by_hand = torch.cat(
        [
            root[:, :1] * left[:, :1] * first,
            root[:, :1] * left[:, 1:] * second,
            root[:, 1:] * right,
        ],
        dim=1,
    )
    torch.testing.assert_close(layer.routing.weight, by_hand, rtol=0, atol=1e-14)
