"""The Switch layer against that of transformers, with a capacity that drops rows.

Theirs counts a capacity for every sequence and keeps it at predict; ours counts it for the batch and has none at
predict, so that the output of a row depends on the row alone. In both a dropped row gives 0, which the skip connection
around the layer turns into the row itself, as in the paper (Fedus et al. 2022, section 2.2).
"""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="skmoe.neural needs torch")
pytest.importorskip("transformers", reason="the blocks to compare with are those of transformers")

from torch import Tensor, nn  # noqa: E402
from transformers.models.switch_transformers import SwitchTransformersConfig  # noqa: E402
from transformers.models.switch_transformers.modeling_switch_transformers import (  # noqa: E402
    SwitchTransformersLayerFF,
    SwitchTransformersSparseMLP,
)

from skmoe.neural import MoELayer, Switch  # noqa: E402

#: Columns, width of an expert, experts, rows of a sequence.
D, H, E, T = 12, 20, 4, 40
seeds = pytest.mark.parametrize("seed", range(3))
every_implementation = pytest.mark.parametrize("impl", ["loop", "grouped", "padded", "dense"])


def config(capacity: int) -> SwitchTransformersConfig:
    shape = {"d_model": D, "d_ff": H, "num_experts": E, "expert_capacity": capacity}
    return SwitchTransformersConfig(**shape, router_jitter_noise=0.0, dropout_rate=0.0, router_bias=False)


def drawn(module: nn.Module, seed: int) -> torch.Generator:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.3, generator=generator)
    return generator


def layer_of(theirs: SwitchTransformersSparseMLP, capacity: int, impl: str = "auto") -> MoELayer:
    """A layer with their weights, of which an expert takes as many rows of T."""
    factor = (capacity - 0.5) * E / T  # ceil(factor * T / E) is the capacity, whichever way the product is rounded
    router = Switch(capacity_factor=factor, jitter=0.0)
    layer = MoELayer(D, n_experts=E, hidden=(H,), activation="relu", bias=False, router=router, impl=impl)
    experts = [theirs.experts[f"expert_{number}"] for number in range(E)]
    with torch.no_grad():
        layer.router.gate.weight.copy_(theirs.router.classifier.weight)
        layer.experts.maps[0].weight.copy_(torch.stack([expert.wi.weight.mT for expert in experts]))
        layer.experts.maps[1].weight.copy_(torch.stack([expert.wo.weight.mT for expert in experts]))
    return layer


def pair(capacity: int, seed: int, impl: str = "auto") -> tuple[SwitchTransformersSparseMLP, MoELayer, Tensor]:
    theirs = SwitchTransformersSparseMLP(config(capacity))
    generator = drawn(theirs, seed)
    return theirs, layer_of(theirs, capacity, impl), torch.randn(3, T, D, generator=generator)


def by_sequence(layer: MoELayer, x: Tensor) -> Tensor:
    """Ours counts the capacity in the rows of a call: a call for every sequence."""
    return torch.stack([layer(sequence) for sequence in x])


@seeds
@every_implementation
@pytest.mark.parametrize("capacity", [3, 8, T])
def test_outputs_and_gradients_equal(seed, impl, capacity):
    theirs, layer, x = pair(capacity, seed, impl)
    their_x, our_x = x.clone().requires_grad_(), x.clone().requires_grad_()
    expected, found = theirs(their_x), by_sequence(layer, our_x)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)

    direction = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed + 100))
    (expected * direction).sum().backward()
    (found * direction).sum().backward()
    torch.testing.assert_close(our_x.grad, their_x.grad, rtol=1e-5, atol=1e-6)
    gate = theirs.router.classifier.weight.grad
    torch.testing.assert_close(layer.router.gate.weight.grad, gate, rtol=1e-4, atol=1e-5)


@seeds
@pytest.mark.parametrize("capacity", [3, 8])
def test_the_same_rows_are_dropped_and_give_zero(seed, capacity):
    theirs, layer, x = pair(capacity, seed)
    kept, *_ = theirs.router(x)  # one-hot, without those over the capacity
    for sequence, theirs_kept, answer in zip(x, kept, theirs(x), strict=True):
        ours = layer(sequence)
        dropped = layer.routing.dropped[:, 0]
        assert layer.routing.capacity == capacity
        assert torch.equal(~dropped, theirs_kept.sum(-1).bool())
        # An expert drops what is over its capacity, no more and no less; of these rows some are.
        assert dropped.sum() == (layer.routing.counts() - capacity).clamp_min(0).sum() > 0
        assert not ours[dropped].any()
        assert not answer[dropped].any()
        assert ours[~dropped].any(-1).all()


def test_the_skip_connection_passes_dropped_rows_on():
    """Their whole sublayer, x + layer(norm(x)): where a row is dropped, x comes out as it came in."""
    theirs = SwitchTransformersLayerFF(config(capacity=5), is_sparse=True)
    generator = drawn(theirs, seed=0)
    layer, x = layer_of(theirs.mlp, capacity=5), torch.randn(1, T, D, generator=generator)
    expected, found = theirs(x), x + layer(theirs.layer_norm(x))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    dropped = layer.routing.dropped[:, 0]
    assert dropped.any()
    assert torch.equal(expected[0, dropped], x[0, dropped])
    assert torch.equal(found[0, dropped], x[0, dropped])


@seeds
@every_implementation
def test_at_predict_ours_drops_none(seed, impl):
    """Ours then equals theirs with room for all. Theirs drops at predict too: a row alone has another output."""
    theirs, layer, x = pair(3, seed, impl)
    roomy = SwitchTransformersSparseMLP(config(capacity=T)).eval()
    roomy.load_state_dict(theirs.state_dict())
    theirs.eval()
    layer.eval()
    torch.testing.assert_close(layer(x), roomy(x), rtol=1e-5, atol=1e-6)
    assert layer.routing.dropped is layer.routing.capacity is None

    alone = torch.stack([theirs(row[None, None])[0, 0] for row in x[0]])
    assert not torch.allclose(alone, theirs(x)[0], atol=1e-3)
    torch.testing.assert_close(layer(x)[0], alone, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(torch.cat([layer(row[None]) for row in x[0]]), alone, rtol=1e-5, atol=1e-6)
