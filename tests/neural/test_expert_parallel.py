"""Experts shared out to two processes: answers and gradients are those of one process that holds all of them."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="skmoe.neural needs torch")
dist = pytest.importorskip("torch.distributed", reason="this torch was built without processes")

from processes import WORLD, averaged, half, in_two_processes  # noqa: E402
from torch import Tensor  # noqa: E402

from skmoe.neural import (  # noqa: E402
    Attentive,
    ExpertChoice,
    GShard,
    Hierarchical,
    MoELayer,
    MultiTask,
    NoisyTopK,
    Soft,
    Switch,
    TopK,
    balance_loss,
    z_loss,
)
from skmoe.neural.collectives import exchange  # noqa: E402

N_ROWS, D_IN, D_OUT, N_EXPERTS = 24, 5, 3, 6

#: Settings of layers, and whether they predict: routers with noise draw it for other rows where rows are shared out,
#: and capacities are of a process.
LAYERS: dict[str, tuple[dict[str, Any], bool]] = {
    "one choice": ({"router": TopK(k=1, renormalize=False)}, False),
    "two choices": ({"router": TopK(k=2)}, False),
    "DeepSeek": ({"router": TopK(k=3, score="sigmoid", n_groups=3, groups_kept=2, bias_rate=0.1)}, False),
    "all experts": ({"router": Soft()}, False),
    "switch": ({"router": Switch(capacity_factor=None, jitter=0.0)}, False),
    "GShard at predict": ({"router": GShard()}, True),
    "expert choice at predict": ({"router": ExpertChoice()}, True),
    "noisy at predict": ({"router": NoisyTopK(k=2)}, True),
    "groups": ({"router": Hierarchical(n_groups=3)}, False),
    "a gate a task": ({"router": MultiTask(n_tasks=2, router=TopK(k=2))}, False),
    "shared experts": ({"n_shared": 2, "shared_gate": True}, False),
    "gated": ({"activation": "swiglu", "bias": False}, False),
    "linear": ({"hidden": ()}, False),
    "padded": ({"impl": "padded"}, False),
    "dense": ({"impl": "dense"}, False),
    "whichever is fastest": ({"impl": "auto"}, False),
    "grouped": ({"impl": "grouped"}, False),
    "an expert a process": ({"n_experts": WORLD, "router": TopK(k=1, renormalize=False)}, False),
}


def _layer(rank: int | None, dtype: torch.dtype, **settings: Any) -> MoELayer:
    settings = {"n_experts": N_EXPERTS, "hidden": (4,), "impl": "loop"} | settings
    group = None if rank is None else dist.group.WORLD
    generator = torch.Generator().manual_seed(3)
    layer = MoELayer(D_IN, D_OUT, ep_group=group, dp_group=group, generator=generator, **settings)
    with torch.no_grad():  # gates that begin at zero, or nearly, know no favourites
        for parameter in layer.router.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(4)))
    return layer.to(dtype)


def _x(dtype: torch.dtype, n_rows: int = N_ROWS) -> Tensor:
    return torch.randn(n_rows, D_IN, dtype=dtype, generator=torch.Generator().manual_seed(5))


def _learned(layer: MoELayer, x: Tensor, rank: int | None) -> dict[str, Tensor]:
    """Answers, and gradients of a mean over the rows of a process plus losses of all rows."""
    x = x.clone().requires_grad_()
    answer = layer(x)
    row_losses = answer.square().reshape(len(x), -1).sum(1)
    loss = row_losses.mean() + z_loss(layer.routing)
    if layer.routing.dropped is None:  # where experts choose, how many slots stay empty is a matter of the process
        loss = loss + balance_loss(layer.routing)
    loss.backward()
    gradients = {f"gradient of {name}": p.grad for name, p in layer.named_parameters() if p.grad is not None}
    local = {name: value for name, value in gradients.items() if name.startswith("gradient of experts.")}
    copied = {name: value for name, value in gradients.items() if name not in local}
    assert len(local) == len(list(layer.expert_parameters()))
    copied = copied if rank is None else averaged(copied)
    return {"answer": answer.detach(), "to x": x.grad, **copied, **local}


def _layers(rank: int | None, dtype: torch.dtype) -> dict[str, dict[str, Tensor]]:
    found = {}
    for name, (settings, predicts) in LAYERS.items():
        layer = _layer(rank, dtype, **settings).train(not predicts)
        found[name] = {f"begins as {key}": p.detach().clone() for key, p in layer.named_parameters()}
        found[name] |= _learned(layer, half(_x(dtype), rank), rank)
        found[name]["single"] = layer.answers(half(_x(dtype), rank))[1].detach().square().sum(-2)
    return found


def _of_a_task(rank: int | None) -> Tensor:
    layer = _layer(rank, torch.float64, router=MultiTask(n_tasks=2, router=TopK(k=2)))
    task = torch.arange(N_ROWS) % 2
    return layer(half(_x(torch.float64), rank), task=half(task, rank)).detach()


def _dropped(rank: int | None) -> dict[str, dict[str, Tensor]]:
    """A capacity that each half of the rows fills up by itself; one process has each half in a call of its own."""
    layer = _layer(rank, torch.float64, router=TopK(k=2, capacity_factor=0.5))
    x, found = _x(torch.float64), {}
    for number in range(WORLD) if rank is None else [rank]:
        found[number] = layer(half(x, number)).detach()
        found[f"{number} dropped"] = layer.routing.dropped
    return found


def _uneven(rank: int | None) -> dict[str, Tensor]:
    """Other numbers of rows in each process, none in the second, and none for its experts."""
    layer, found = _layer(rank, torch.float64), {}
    x = _x(torch.float64)
    for name, first in {"uneven": 17, "none": N_ROWS}.items():
        rows = x if rank is None else (x[:first], x[first:])[rank]
        rows, layer = rows.clone().requires_grad_(), copy.deepcopy(layer)
        answer = layer(rows)
        loss = answer.square().sum() / N_ROWS * (1 if rank is None else WORLD)  # a mean over all rows
        loss.backward()
        experts = {key: p.grad for key, p in layer.named_parameters() if key.startswith("experts.")}
        found |= {f"{name}: {key}": value for key, value in experts.items()}
        gate = {f"{name}: gate": layer.router.gate.weight.grad}
        found |= {f"{name}: answer": answer.detach()} | (gate if rank is None else averaged(gate))
    with torch.no_grad():
        layer.router.gate.weight[N_EXPERTS // WORLD :] = 0
        layer.router.gate.weight[: N_EXPERTS // WORLD] = 0.1
    found["nothing came"] = layer(half(x.abs(), rank)).detach()
    return found


def _drawn(rank: int | None) -> dict[str, Tensor]:
    """Parameters drawn anew, and from torch's own generator."""
    layer = _layer(rank, torch.float64)
    layer.reset_parameters(torch.Generator().manual_seed(6))
    again = {f"anew {key}": value for key, value in layer.state_dict().items()}
    torch.manual_seed(7)
    group = None if rank is None else dist.group.WORLD
    layer = MoELayer(D_IN, n_experts=N_EXPERTS, n_shared=1, ep_group=group)
    return again | {f"torch's {key}": value for key, value in layer.state_dict().items()}


def _refused(rank: int) -> dict[str, str]:
    group, said = dist.group.WORLD, {}
    refused: dict[str, dict[str, Any]] = {
        "no multiple": {"n_experts": 5},
        "of your own": {"experts": [torch.nn.Linear(D_IN, D_IN) for _ in range(2)]},
        "of low rank": {"rank": 2},
        "before it routes": {"router": Attentive()},
        "does not go with ep_group": {"offload": "experts", "n_resident": 1},
    }
    for sentence, settings in refused.items():
        with pytest.raises(ValueError, match=sentence) as error:
            MoELayer(D_IN, ep_group=group, **settings)
        said[sentence] = str(error.value)
    layer = MoELayer(D_IN, ep_group=group)
    assert copy.deepcopy(layer).ep_group is group
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(layer)
    return said


def _exchanged(rank: int) -> dict[str, Tensor]:
    """Rows there and back, and derivatives of an exchange by finite differences."""
    sent, received = ([1, 3], [1, 0]) if rank == 0 else ([0, 2], [3, 2])
    rows = (torch.arange(sum(sent)) + 10.0 * rank).double()[:, None].requires_grad_()
    arrived = exchange(rows, sent, received, dist.group.WORLD, back=3.0)
    (gradient,) = torch.autograd.grad((arrived * (1 + rank)).sum(), rows, create_graph=True)
    returned = exchange(arrived, received, sent, dist.group.WORLD)
    return {"arrived": arrived.detach()[:, 0], "gradient": gradient.detach()[:, 0], "returned": returned - rows}


def _work(rank: int | None) -> dict[str, Any]:
    found: dict[str, Any] = {str(dtype): _layers(rank, dtype) for dtype in (torch.float32, torch.float64)}
    found |= {"task": _of_a_task(rank), "dropped": _dropped(rank), "uneven": _uneven(rank), "drawn": _drawn(rank)}
    if rank is not None:
        found |= {"refused": _refused(rank), "exchanged": _exchanged(rank)}
    return found


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Of one process, and of each of two."""
    return _work(None), in_two_processes(_work, tmp_path_factory.mktemp("processes"))


def _whole(name: str, parts: list[Tensor]) -> Tensor:
    """What one process has: rows and experts are shared out, all else is the same everywhere."""
    if ("experts." in name and "shared." not in name) or name in ("answer", "single"):
        return torch.cat(parts)
    if name == "to x":  # each is of the mean loss of its own rows
        return torch.cat(parts) / WORLD
    for part in parts[1:]:
        assert torch.equal(part, parts[0]), name
    return parts[0]


def _compare(one: dict[str, Tensor], two: list[dict[str, Tensor]], atol: float) -> None:
    assert one.keys() == two[0].keys()
    for name, expected in one.items():
        value = _whole(name.split(": ")[-1], [of[name] for of in two])
        assert value.shape == expected.shape, name
        assert float((value - expected).abs().max()) <= atol * max(1, float(expected.abs().max())), name


@pytest.mark.parametrize("dtype", ["torch.float32", "torch.float64"])
def test_answers_and_gradients_are_those_of_one_process(found, dtype):
    one, two = found
    for name, expected in one[dtype].items():
        assert expected["gradient of router." + _first_router_parameter(expected)].abs().max() > 0, name
        _compare(expected, [of[dtype][name] for of in two], atol=1e-6 if dtype == "torch.float32" else 1e-13)


def _first_router_parameter(found: dict[str, Tensor]) -> str:
    return next(key for key in found if key.startswith("gradient of router.")).removeprefix("gradient of router.")


def test_rows_of_a_task(found):
    one, two = found
    torch.testing.assert_close(torch.cat([of["task"] for of in two]), one["task"], rtol=0, atol=1e-14)


def test_dropped_choices_do_not_travel(found):
    one, two = found
    for rank, of in enumerate(two):
        assert of["dropped"][f"{rank} dropped"].any()
        assert torch.equal(of["dropped"][f"{rank} dropped"], one["dropped"][f"{rank} dropped"])
        torch.testing.assert_close(of["dropped"][rank], one["dropped"][rank], rtol=0, atol=1e-14)


def test_processes_may_have_other_numbers_of_rows_and_none(found):
    one, two = found
    for name, expected in one["uneven"].items():
        parts = [of["uneven"][name] for of in two]
        together = parts[0] if name.endswith("gate") else torch.cat(parts)
        torch.testing.assert_close(together, expected, rtol=0, atol=1e-14, msg=lambda text, name=name: f"{name} {text}")


def test_parameters_are_drawn_as_those_of_one_process(found):
    one, two = found
    _compare(one["drawn"], [of["drawn"] for of in two], atol=0.0)


def test_what_cannot_be_shared_out_is_refused(found):
    for of in found[1]:
        assert all("eave" in said or "Choose" in said for said in of["refused"].values())


def test_exchange(found):
    first, second = (of["exchanged"] for of in found[1])
    assert first["arrived"].tolist() == [0]
    assert second["arrived"].tolist() == [1, 2, 3, 10, 11]
    assert first["gradient"].tolist() == [3, 6, 6, 6]
    assert second["gradient"].tolist() == [6, 6]
    assert not first["returned"].any()
    assert not second["returned"].any()
