"""torch.compile: compiled layers answer and learn as the others do."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="skmoe.neural needs torch")

from skmoe.neural import MoELayer, Soft, TopK  # noqa: E402

D_IN = 5

#: Settings of layers, of which each is one graph without breaks.
LAYERS = {
    "dense": {"impl": "dense", "router": Soft()},
    "dense, two of four": {"impl": "dense", "router": TopK(k=2)},
    "padded to a capacity": {"impl": "padded", "router": TopK(k=2, capacity_factor=1.0)},
    "loop": {"impl": "loop", "router": TopK(k=2)},
}


@pytest.fixture(autouse=True)
def compiler():
    """Skip where torch cannot compile; forget graphs of other tests."""
    torch._dynamo.reset()
    try:
        torch.compile(torch.sin)(torch.ones(3))
    except Exception as error:  # of a missing compiler, or of a Python that torch does not know yet
        pytest.skip(f"torch.compile does not work here: {str(error).splitlines()[0]}")


def _answer_and_gradients(layer, call):
    x = torch.randn(32, D_IN, generator=torch.Generator().manual_seed(1)).requires_grad_()
    layer.zero_grad()
    answer = call(x)
    (answer.square().sum() + layer.routing.logits.square().sum()).backward()
    return {"answer": answer.detach(), "x": x.grad} | {name: p.grad.clone() for name, p in layer.named_parameters()}


@pytest.mark.parametrize("name", LAYERS)
def test_compiled_layers_answer_and_learn_as_others(name):
    layer = MoELayer(D_IN, 3, n_experts=4, hidden=(8,), generator=torch.Generator().manual_seed(0), **LAYERS[name])
    expected = _answer_and_gradients(layer, layer)
    found = _answer_and_gradients(layer, torch.compile(layer, fullgraph=True))
    assert found["router.gate.weight"].abs().max() > 0
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=1e-5, atol=1e-5, msg=lambda text, key=key: f"{key}: {text}")


def test_balance_is_counted_in_compiled_layers():
    layer = MoELayer(D_IN, n_experts=4, hidden=(8,), impl="dense", router=TopK(k=2, bias_rate=0.25))
    compiled, n_chosen = torch.compile(layer, fullgraph=True), torch.zeros(4, dtype=torch.int64)
    for seed in range(3):
        compiled(torch.randn(32, D_IN, generator=torch.Generator().manual_seed(seed)))
        n_chosen += layer.routing.counts()
    assert torch.equal(layer.router.n_chosen, n_chosen)
