"""Losses against those of transformers: the same logits, the same values and gradients, in their conventions."""

from __future__ import annotations

from importlib import import_module

import pytest

torch = pytest.importorskip("torch", reason="skmoe.neural needs torch")
pytest.importorskip("transformers", reason="the losses to compare with are those of transformers")

from torch import Tensor  # noqa: E402
from transformers.models.switch_transformers import modeling_switch_transformers as switch  # noqa: E402

from skmoe.neural import Routing, balance_loss, z_loss  # noqa: E402

seeds = pytest.mark.parametrize("seed", range(3))
#: Models with a balance loss of their own, to which all choices of a row count.
FAMILIES = ("mixtral", "qwen2_moe", "qwen3_moe", "gpt_oss")


def logits_of(seed: int, shape: tuple[int, ...]) -> Tensor:
    """Logits that favour the experts of high number, so that the balance is far from even."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator) + torch.linspace(0, 2, shape[-1])


def routing_of(logits: Tensor, k: int) -> Routing:
    proba = logits.softmax(-1)
    weight, index = proba.topk(k)
    return Routing(index, weight, proba, logits)


def assert_same(ours: Tensor, theirs: Tensor, our_logits: Tensor, their_logits: Tensor) -> None:
    """Values, and gradients with respect to logits."""
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)
    (expected,) = torch.autograd.grad(theirs, their_logits)
    (found,) = torch.autograd.grad(ours, our_logits)
    torch.testing.assert_close(found, expected.reshape(found.shape), rtol=1e-5, atol=1e-7)


@seeds
@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("family", FAMILIES)
def test_balance_is_theirs_divided_by_the_choices_of_a_row(family, k, seed):
    module = import_module(f"transformers.models.{family}.modeling_{family}")
    logits = logits_of(seed, (60, 5)).requires_grad_()
    theirs = module.load_balancing_loss_func((logits,), 5, k)
    ours = k * balance_loss(routing_of(logits, k))
    assert_same(ours, theirs, logits, logits)
    if k < 5:
        assert abs(theirs.item() - k) > 0.05  # rows that are not balanced


@seeds
def test_balance_of_switch_is_the_mean_over_groups(seed):
    """A group of theirs is a sequence; of one group ours is theirs."""
    logits = logits_of(seed, (3, 40, 4)).requires_grad_()
    proba = logits.softmax(-1)
    theirs = switch.load_balancing_loss_func(proba, proba.argmax(-1))
    ours = torch.stack([balance_loss(routing_of(group, k=1)) for group in logits]).mean()
    assert_same(ours, theirs, logits, logits)
    pooled = balance_loss(routing_of(logits.flatten(0, 1), k=1))
    assert not torch.isclose(pooled, theirs, atol=1e-4)  # groups differ, so their mean is another number


@seeds
def test_first_choices_alone_are_the_balance_of_switch(seed):
    logits = logits_of(seed, (1, 60, 4)).requires_grad_()
    proba = logits.softmax(-1)
    theirs = switch.load_balancing_loss_func(proba, proba.argmax(-1))
    ours = balance_loss(routing_of(logits[0], k=2), first_choice=True)
    assert_same(ours, theirs, logits, logits)


@seeds
def test_z_loss_is_that_of_switch(seed):
    logits = logits_of(seed, (3, 40, 4)).requires_grad_()
    assert_same(z_loss(routing_of(logits.flatten(0, 1), k=1)), switch.router_z_loss_func(logits), logits, logits)
