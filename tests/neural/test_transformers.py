"""Layers against the blocks of transformers: with the same weights, the same outputs and the same gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

torch = pytest.importorskip("torch", reason="skmoe.neural needs torch")
pytest.importorskip("transformers", reason="the blocks to compare with are those of transformers")

from torch import Tensor, nn  # noqa: E402
from transformers.models.deepseek_v3 import DeepseekV3Config  # noqa: E402
from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3MoE  # noqa: E402
from transformers.models.gpt_oss import GptOssConfig  # noqa: E402
from transformers.models.gpt_oss.modeling_gpt_oss import GptOssMLP  # noqa: E402
from transformers.models.mixtral import MixtralConfig  # noqa: E402
from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock  # noqa: E402
from transformers.models.qwen2_moe import Qwen2MoeConfig  # noqa: E402
from transformers.models.qwen2_moe.modeling_qwen2_moe import Qwen2MoeSparseMoeBlock  # noqa: E402
from transformers.models.qwen3_moe import Qwen3MoeConfig  # noqa: E402
from transformers.models.qwen3_moe.modeling_qwen3_moe import Qwen3MoeSparseMoeBlock  # noqa: E402

from skmoe.neural import MoELayer, TopK  # noqa: E402

#: Columns, width of an expert, experts.
D, H, E = 12, 20, 8
SHAPE = {"hidden_size": D, "intermediate_size": H, "experts_implementation": "eager"}
SEEDS = range(3)
IMPLEMENTATIONS = ("loop", "grouped", "padded", "dense")
every_implementation = pytest.mark.parametrize("impl", IMPLEMENTATIONS)

#: Where a value of ours stands in theirs. What is linear holds for weights and for their gradients alike.
Place = Callable[[Callable[[str], Tensor]], Tensor]

#: Theirs map columns to columns, weight times row; ours map rows, row times weight.
STACKED: dict[str, Place] = {
    "router.gate.weight": lambda of: of("gate.weight"),
    "experts.maps.0.weight": lambda of: of("experts.gate_up_proj").mT,
    "experts.maps.1.weight": lambda of: of("experts.down_proj").mT,
}


class Case(NamedTuple):
    """A block of theirs, the settings of a layer that is to equal it, and where its weights stand."""

    theirs: nn.Module
    settings: dict[str, Any]
    places: dict[str, Place]


def mixtral(k: int = 2) -> Case:
    theirs = MixtralSparseMoeBlock(MixtralConfig(**SHAPE, num_local_experts=E, num_experts_per_tok=k))
    return Case(theirs, {"router": TopK(k=k)}, STACKED)


def qwen2(renormalize: bool) -> Case:
    width = 28
    shape = {**SHAPE, "moe_intermediate_size": H, "shared_expert_intermediate_size": width, "num_experts": E}
    config = Qwen2MoeConfig(**shape, num_experts_per_tok=3, norm_topk_prob=renormalize)
    settings = {"router": TopK(k=3, renormalize=renormalize)}
    settings |= {"n_shared": 1, "shared_hidden": (width,), "shared_gate": True}
    places: dict[str, Place] = {
        "shared.experts.maps.0.weight": lambda of: torch.cat(
            [of("shared_expert.gate_proj.weight"), of("shared_expert.up_proj.weight")]
        ).mT[None],
        "shared.experts.maps.1.weight": lambda of: of("shared_expert.down_proj.weight").mT[None],
        "shared.gate.weight": lambda of: of("shared_expert_gate.weight"),
    }
    return Case(Qwen2MoeSparseMoeBlock(config), settings, STACKED | places)


def qwen3(renormalize: bool) -> Case:
    shape = {**SHAPE, "moe_intermediate_size": H, "num_experts": E}
    config = Qwen3MoeConfig(**shape, num_experts_per_tok=3, norm_topk_prob=renormalize)
    return Case(Qwen3MoeSparseMoeBlock(config), {"router": TopK(k=3, renormalize=renormalize)}, STACKED)


def deepseek(renormalize: bool, n_groups: int = 4, groups_kept: int = 2, n_shared: int = 2) -> Case:
    """Their shared experts are one wide one: its hidden columns in equal parts are ours."""
    n_experts, k = 16, 4
    config = DeepseekV3Config(
        **SHAPE,
        moe_intermediate_size=H,
        n_routed_experts=n_experts,
        num_experts_per_tok=k,
        n_shared_experts=n_shared,
        n_group=n_groups,
        topk_group=groups_kept,
        norm_topk_prob=renormalize,
        routed_scaling_factor=2.5,
    )
    router = TopK(
        k=k,
        score="sigmoid",
        renormalize=renormalize,
        scale=2.5,
        bias_rate=0.001,
        n_groups=n_groups,
        groups_kept=groups_kept,
    )
    parts = (n_shared, H)
    places: dict[str, Place] = {
        "shared.experts.maps.0.weight": lambda of: (
            torch.cat(
                [of(f"shared_experts.{name}_proj.weight").unflatten(0, parts) for name in ("gate", "up")], dim=1
            ).mT
        ),
        "shared.experts.maps.1.weight": lambda of: of("shared_experts.down_proj.weight").mT.unflatten(0, parts),
    }
    return Case(
        DeepseekV3MoE(config), {"n_experts": n_experts, "router": router, "n_shared": n_shared}, STACKED | places
    )


def gpt_oss() -> Case:
    """Gate and value take turns in theirs, and stand one behind the other in ours."""

    def apart(values: Tensor) -> Tensor:
        return torch.cat([values[..., ::2], values[..., 1::2]], dim=-1)

    config = GptOssConfig(**SHAPE, num_local_experts=E, num_experts_per_tok=4)
    places: dict[str, Place] = {
        "router.gate.weight": lambda of: of("router.weight"),
        "router.gate.bias": lambda of: of("router.bias"),
        "experts.maps.0.weight": lambda of: apart(of("experts.gate_up_proj")),
        "experts.maps.0.bias": lambda of: apart(of("experts.gate_up_proj_bias")),
        "experts.maps.1.weight": lambda of: of("experts.down_proj"),
        "experts.maps.1.bias": lambda of: of("experts.down_proj_bias"),
    }
    settings = {"router": TopK(k=4, bias=True), "activation": "clamped_swiglu", "bias": True}
    return Case(GptOssMLP(config), settings, places)


CASES: dict[str, Callable[[], Case]] = {
    "Mixtral": mixtral,
    "Mixtral, 1 of 8": lambda: mixtral(k=1),
    "Mixtral, 8 of 8": lambda: mixtral(k=8),
    "Qwen2": lambda: qwen2(renormalize=False),
    "Qwen2, renormalised": lambda: qwen2(renormalize=True),
    "Qwen3": lambda: qwen3(renormalize=False),
    "Qwen3, renormalised": lambda: qwen3(renormalize=True),
    "DeepSeek-V3": lambda: deepseek(renormalize=True),
    "DeepSeek-V3, not renormalised": lambda: deepseek(renormalize=False),
    "DeepSeek-V3, one group, one shared": lambda: deepseek(True, n_groups=1, groups_kept=1, n_shared=1),
    "gpt-oss": gpt_oss,
}
every_case = pytest.mark.parametrize("name", CASES)


def draw(module: nn.Module, seed: int) -> torch.Generator:
    """Fill a block, which alone leaves its parameters as memory was; returns the generator for more."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.3, generator=generator)
        if hasattr(module, "gate") and hasattr(module.gate, "e_score_correction_bias"):
            module.gate.e_score_correction_bias.normal_(std=0.1, generator=generator)
    return generator


def layer_of(case: Case, impl: str = "auto") -> MoELayer:
    """A layer with their weights."""
    made = {"n_experts": E, "hidden": (H,), "activation": "swiglu", "bias": False, **case.settings}
    layer = MoELayer(D, impl=impl, **made)
    with torch.no_grad():
        for name, place in case.places.items():
            layer.get_parameter(name).copy_(place(case.theirs.get_parameter))
        if getattr(layer.router.record, "bias_rate", 0):
            layer.router.balance_bias.copy_(case.theirs.gate.e_score_correction_bias)
    assert set(dict(layer.named_parameters())) == set(case.places)  # nothing is left as it was drawn
    return layer


def pair(name: str, seed: int, impl: str = "auto") -> tuple[Case, MoELayer, Tensor]:
    """A block, a layer with its weights, and rows of two sequences."""
    case = CASES[name]()
    generator = draw(case.theirs, seed)
    return case, layer_of(case, impl), torch.randn(2, 40, D, generator=generator)


def their_router(theirs: nn.Module, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, weights and experts, as their router answers them."""
    router = theirs.gate if hasattr(theirs, "gate") else theirs.router
    return router(x.reshape(-1, D))


def their_answer(theirs: nn.Module, x: Tensor) -> Tensor:
    answer = theirs(x)
    return answer[0] if isinstance(answer, tuple) else answer  # gpt-oss answers its weights too


@every_case
@every_implementation
@pytest.mark.parametrize("seed", SEEDS)
def test_outputs_and_gradients_equal(name, impl, seed):
    case, layer, x = pair(name, seed, impl)
    direction = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed + 100))
    their_x, our_x = x.clone().requires_grad_(), x.clone().requires_grad_()
    theirs, ours = their_answer(case.theirs, their_x), layer(our_x)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)

    (theirs * direction).sum().backward()
    (ours * direction).sum().backward()
    torch.testing.assert_close(our_x.grad, their_x.grad, rtol=1e-5, atol=1e-5)
    for parameter, place in case.places.items():
        expected = place(lambda part: case.theirs.get_parameter(part).grad)
        torch.testing.assert_close(
            layer.get_parameter(parameter).grad, expected, rtol=1e-4, atol=1e-5, msg=f"{parameter}: {{}}".format
        )


@every_case
@pytest.mark.parametrize("seed", SEEDS)
def test_choices_equal(name, seed):
    case, layer, x = pair(name, seed)
    logits, weights, index = their_router(case.theirs, x)
    routing = layer.router(x.reshape(-1, D))
    torch.testing.assert_close(routing.logits, logits, rtol=0, atol=1e-6)
    assert torch.equal(routing.index.sort().values, index.sort().values)  # DeepSeek does not order its choices
    by_expert = torch.zeros_like(logits).scatter(-1, index, weights)
    torch.testing.assert_close(routing.combine_weights(), by_expert, rtol=0, atol=1e-6)


@every_implementation
def test_our_weights_in_their_block(impl):
    """The other way: what a layer drew, put into a block of Mixtral's, of which all places are views."""
    case = mixtral()
    layer = MoELayer(D, n_experts=E, hidden=(H,), activation="swiglu", bias=False, router=TopK(k=2), impl=impl)
    with torch.no_grad():
        for name, place in case.places.items():
            place(case.theirs.get_parameter).copy_(layer.get_parameter(name))
    x = torch.randn(3, 7, D, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(layer(x), case.theirs(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("without", ["balance bias", "groups"])
def test_every_part_of_the_deepseek_choice_counts(without):
    """The rows of these tests are such that a router without one of its parts chooses others."""
    case, layer, x = pair("DeepSeek-V3", seed=0)
    index = their_router(case.theirs, x)[2].sort().values
    if without == "groups":
        case = case._replace(settings={**case.settings, "router": TopK(k=4, score="sigmoid", bias_rate=0.001)})
        layer = layer_of(case)
    else:
        layer.router.balance_bias.zero_()
    assert not torch.equal(layer.router(x.reshape(-1, D)).index.sort().values, index)


def test_the_balance_bias_is_no_part_of_the_weights():
    """A bias that is alike for all experts changes neither their block nor our layer."""
    case, layer, x = pair("DeepSeek-V3", seed=0)
    before = layer(x)
    layer.router.balance_bias += 1.0
    case.theirs.gate.e_score_correction_bias += 1.0
    torch.testing.assert_close(layer(x), before, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(layer(x), case.theirs(x), rtol=1e-5, atol=1e-6)


def test_clamps_of_gpt_oss_hold_back():
    """Rows so long that gates and values pass the limit of 7, on both sides, and equal outputs still."""
    case, layer, x = pair("gpt-oss", seed=0)
    x = 5 * x
    inner = torch.einsum("td,edh->teh", x.reshape(-1, D), layer.experts.maps[0].weight) + layer.experts.maps[0].bias
    gate, value = inner.chunk(2, dim=-1)
    assert (gate > 7).any()
    assert (value > 7).any()
    assert (value < -7).any()
    their_x, our_x = x.clone().requires_grad_(), x.clone().requires_grad_()
    theirs, ours = their_answer(case.theirs, their_x), layer(our_x)
    scale = theirs.abs().max().item()
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6 * scale)
    theirs.sum().backward()
    ours.sum().backward()
    torch.testing.assert_close(our_x.grad, their_x.grad, rtol=1e-4, atol=1e-5)


@every_implementation
def test_in_double_precision_gpt_oss_equals_to_the_last_digits(impl):
    """The block that casts nothing to single precision on its way."""
    case, layer, x = pair("gpt-oss", 0, impl)
    case.theirs.double()
    their_x, our_x = x.double().requires_grad_(), x.double().requires_grad_()
    theirs, ours = their_answer(case.theirs, their_x), layer.double()(our_x)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-13)
    theirs.sum().backward()
    ours.sum().backward()
    torch.testing.assert_close(our_x.grad, their_x.grad, rtol=1e-12, atol=1e-13)
