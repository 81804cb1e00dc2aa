"""Rows shared out to two processes: losses, gradients, balance and thresholds as of one process that has them all."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="skmoe.neural needs torch")
dist = pytest.importorskip("torch.distributed", reason="this torch was built without processes")

from processes import averaged, half, in_two_processes  # noqa: E402
from torch import Tensor  # noqa: E402

from skmoe.neural import (  # noqa: E402
    ExpertChoice,
    Hierarchical,
    MoELayer,
    MultiTask,
    NoisyTopK,
    Router,
    Soft,
    Switch,
    TopK,
    balance_loss,
    entropy_loss,
    importance_loss,
    load_loss,
    mutual_information_loss,
    noise,
    z_loss,
)

N_ROWS, D_IN, N_EXPERTS, N_TASKS = 24, 5, 8, 3
Loss = Callable[..., Tensor]

#: Losses that take any routing, and those of routers with noise.
LOSSES: tuple[Loss, ...] = (importance_loss, balance_loss, z_loss, entropy_loss, mutual_information_loss)
NOISY: tuple[Loss, ...] = (*LOSSES, load_loss)

#: Routers, and what they are tested with.
ROUTERS: dict[str, tuple[Router, tuple[Loss, ...]]] = {
    "soft": (Soft(), LOSSES),
    "top-k": (TopK(k=2), LOSSES),
    "sigmoid": (TopK(k=2, score="sigmoid"), LOSSES),
    "switch": (Switch(capacity_factor=None, jitter=0.0), LOSSES),
    "noisy": (NoisyTopK(k=2), NOISY),
    "noise of one deviation": (NoisyTopK(k=2, noise_std=0.3), NOISY),
    "noisy groups": (Hierarchical(n_groups=4, outer=NoisyTopK(k=2), inner=TopK(k=1, renormalize=False)), NOISY),
    "noise on both levels": (Hierarchical(n_groups=2, outer=NoisyTopK(k=1), inner=NoisyTopK(k=2)), NOISY),
    "a gate a task": (MultiTask(n_tasks=N_TASKS, router=TopK(k=2)), LOSSES),
}


def _alike(like: Tensor, generator: Any) -> Tensor:
    """In the place of noise, numbers that depend on the row alone."""
    return (10 * like.detach()).sin()


def _table(dtype: torch.dtype) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        "x": torch.randn(N_ROWS, D_IN, dtype=dtype, generator=generator),
        "y": torch.randn(N_ROWS, 2, dtype=dtype, generator=generator),
        "groups": torch.randint(5, (N_ROWS,), generator=generator),
    }


def _layer(router: Router, dtype: torch.dtype, group: Any) -> MoELayer:
    layer = MoELayer(
        D_IN, 2, n_experts=N_EXPERTS, hidden=(6,), router=router, dp_group=group, impl="loop", n_shared=1
    ).to(dtype)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in layer.parameters():  # not as they begin: noisy gates begin at zero
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return layer


def _losses(rank: int | None, dtype: torch.dtype) -> dict[str, Tensor]:
    """Values of all losses, and gradients of their sum with a squared error."""
    group, table, found = None if rank is None else dist.group.WORLD, _table(dtype), {}
    x, y, groups = (half(table[name], rank) for name in ("x", "y", "groups"))
    for name, (router, losses) in ROUTERS.items():
        layer = _layer(router, dtype, group)
        answer = layer(x)
        error = (answer - (y if answer.dim() == 2 else y[:, None])).square().mean()
        values = {loss.__name__: loss(layer.routing) for loss in losses}
        if layer.routing.probs.dim() == 2:
            values["of groups"] = mutual_information_loss(layer.routing, groups)
        (error + sum(values.values())).backward()
        gradients = {key: parameter.grad for key, parameter in layer.named_parameters()}
        found |= {f"{name}: {key}": value.detach() for key, value in values.items()}
        found |= {f"{name}: gradient of {key}": value for key, value in _all_rows(gradients, rank).items()}
    return found


def _of_a_task(rank: int | None) -> dict[str, Tensor]:
    """Rows of one task each; the last process alone has rows of the last task."""
    table = _table(torch.float64)
    layer = _layer(MultiTask(n_tasks=N_TASKS), torch.float64, None if rank is None else dist.group.WORLD)
    task = torch.arange(N_ROWS) * N_TASKS // N_ROWS
    layer(half(table["x"], rank), task=half(task, rank))
    loss = mutual_information_loss(layer.routing)
    loss.backward()
    gradients = {key: p.grad for key, p in layer.router.named_parameters()}
    return {"loss": loss.detach()} | _all_rows(gradients, rank)


def _all_rows(gradients: dict[str, Tensor], rank: int | None) -> dict[str, Tensor]:
    return gradients if rank is None else averaged(gradients)


def _balanced(rank: int | None) -> dict[str, Tensor]:
    """Balance biases after updates; some of them after two batches."""
    layer = _layer(TopK(k=2, bias_rate=0.25), torch.float64, None if rank is None else dist.group.WORLD)
    x = half(_table(torch.float64)["x"], rank)
    for n_batches in (1, 2, 1, 1):
        for _ in range(n_batches):
            layer(x)
        layer.update()
    return {"bias": layer.router.balance_bias, "pending": layer.router.n_chosen}


def _thresholds(rank: int) -> dict[str, Tensor]:
    """Thresholds after two batches, and of each; only the first process has rows the second time."""
    layer = _layer(ExpertChoice(momentum=0.75), torch.float64, dist.group.WORLD)
    x, taken = half(_table(torch.float64)["x"], rank), []
    for rows in (x, x if rank == 0 else x[:0]):
        layer(rows)
        if len(rows):
            n_taken = int((layer.routing.combine_weights() > 0).sum(0)[0])
            ordered = layer.routing.probs.detach().sort(0, descending=True).values
            taken.append((1 - 1e-4) * ordered[n_taken - 1 : n_taken + 1].mean(0))
    return {"threshold": layer.router.threshold, "last": torch.stack(taken)}


def _empty(rank: int) -> dict[str, Tensor]:
    """Losses where the second process has no rows, and those of the first alone."""
    table, found = _table(torch.float64), {}
    for name, group in (("both", dist.group.WORLD), ("one", None)):
        n_rows = N_ROWS if rank == 0 or group is None else 0
        layer = _layer(NoisyTopK(k=2), torch.float64, group)
        layer(table["x"][:n_rows])
        values = [loss(layer.routing) for loss in NOISY]
        values += [mutual_information_loss(layer.routing, table["groups"][:n_rows])]
        sum(values).backward()
        found[name] = torch.stack(values).detach()
        found[f"{name}: gradient"] = layer.router.gate.weight.grad
    found["both: gradient"] = averaged({"": found["both: gradient"]})[""]
    return found


def _copied(rank: int) -> dict[str, Any]:
    """Whether copies have the same processes, and what pickles say."""
    layer = _layer(Hierarchical(), torch.float64, dist.group.WORLD)
    layer(_table(torch.float64)["x"])
    copied = copy.deepcopy(torch.nn.Sequential(layer))[0]
    groups = [layer.dp_group, copied.dp_group, copied.router.group, copied.router.inner[0].group]
    with pytest.raises(TypeError, match="state_dict") as error:
        pickle.dumps(torch.nn.Sequential(layer))
    own = all(a is not b for a, b in zip(layer.parameters(), copied.parameters(), strict=True))
    return {"same": all(group is dist.group.WORLD for group in groups), "own": own, "error": str(error.value)}


def _work(rank: int | None) -> dict[str, dict[str, Any]]:
    normal, noise.normal = noise.normal, _alike
    try:
        found = {str(dtype): _losses(rank, dtype) for dtype in (torch.float32, torch.float64)}
        found |= {"tasks": _of_a_task(rank), "balance": _balanced(rank)}
        if rank is not None:
            found |= {"thresholds": _thresholds(rank), "empty": _empty(rank), "copied": _copied(rank)}
        return found
    finally:
        noise.normal = normal


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Of one process, and of each of two."""
    return _work(None), *in_two_processes(_work, tmp_path_factory.mktemp("processes"))


@pytest.mark.parametrize(("part", "atol"), [("torch.float32", 3e-6), ("torch.float64", 1e-12), ("tasks", 1e-12)])
def test_losses_and_gradients_are_those_of_all_rows(found, part, atol):
    one, *two = (of[part] for of in found)
    assert any("gradient" in name or "gate" in name for name in one)
    for name, expected in one.items():
        for value in (of[name] for of in two):
            scale = max(1, float(expected.abs().max()))
            assert float((value - expected).abs().max()) <= atol * scale, name


def test_balance_bias_is_that_of_all_rows(found):
    one, *two = (of["balance"] for of in found)
    assert len(one["bias"].unique()) > 2
    for of in two:
        assert torch.equal(of["bias"], one["bias"])
        assert not of["pending"].any()


def test_choices_are_counted_in_whole_numbers():
    layer = MoELayer(D_IN, n_experts=4, router=TopK(k=1, bias_rate=0.5)).to(torch.bfloat16)
    for _ in range(3):
        layer(torch.ones(300, D_IN, dtype=torch.bfloat16))  # of which bfloat16 has none from 256 to 512 that is odd
        layer(torch.ones(1, D_IN, dtype=torch.bfloat16))
    assert sorted(layer.router.n_chosen.tolist()) == [0, 0, 0, 903]
    layer.update()
    assert sorted(layer.router.balance_bias.tolist()) == [-0.5, 0.5, 0.5, 0.5]


def test_thresholds_are_means_over_processes_with_rows(found):
    _, first, second = (of.get("thresholds") for of in found)
    once = (first["last"][0] + second["last"][0]) / 2
    expected = 0.75 * once + 0.25 * first["last"][1]
    for of in (first, second):
        torch.testing.assert_close(of["threshold"], expected, rtol=0, atol=1e-14)


def test_a_process_may_have_no_rows(found):
    for of in found[1:]:
        for name in ("", ": gradient"):
            torch.testing.assert_close(of["empty"][f"both{name}"], of["empty"][f"one{name}"], rtol=0, atol=1e-12)


def test_copies_keep_their_processes_and_pickles_say_what_to_save(found):
    for of in found[1:]:
        assert of["copied"]["same"]
        assert of["copied"]["own"]
        assert "load it into a layer made where it is needed" in of["copied"]["error"]
