"""Layers wrapped by torch: one step of two processes is that of one, sharded or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="skmoe.neural needs torch")
dist = pytest.importorskip("torch.distributed", reason="this torch was built without processes")

from processes import WORLD, half, in_two_processes  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.nn.parallel import DistributedDataParallel  # noqa: E402

from skmoe.neural import MoELayer, TopK, balance_loss  # noqa: E402

N_EXPERTS = 4


def _network(rank: int | None, **settings: Any) -> nn.Sequential:
    generator = torch.Generator().manual_seed(0)
    group = None if rank is None else dist.group.WORLD
    shape = {"n_experts": N_EXPERTS, "hidden": (8,), "n_shared": 1, "impl": "loop"}
    balanced = {"router": TopK(k=2, bias_rate=0.25)}
    layers = [
        MoELayer(d_in, d_out, dp_group=group, generator=generator, **shape, **more, **settings)
        for d_in, d_out, more in ((5, 6, balanced), (6, 3, {}))
    ]
    return nn.Sequential(*layers)


def _step(network: nn.Sequential, wrapped: Any, rank: int | None) -> dict[str, Tensor]:
    """The state after two batches whose gradients are summed, and one step of gradient descent."""
    generator = torch.Generator().manual_seed(1)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.5)
    for layer in network:
        layer.follow(optimizer)
    for _ in range(2):
        x, y = half(torch.randn(24, 5, generator=generator), rank), half(torch.randn(24, 3, generator=generator), rank)
        losses = (balance_loss(layer.routing) for layer in network)
        ((wrapped(x) - y).square().mean() + sum(losses)).backward()
    optimizer.step()
    return {name: _whole(value) for name, value in network.state_dict().items()}


def _whole(value: Any) -> Tensor:
    return value.full_tensor() if hasattr(value, "full_tensor") else value.detach()


def _alone(rank: None) -> dict[str, Tensor]:
    network = _network(rank)
    return _step(network, network, rank)


def _replicated(rank: int) -> dict[str, Tensor]:
    network = _network(rank)
    return _step(network, DistributedDataParallel(network), rank)


def _sharded(rank: int) -> dict[str, Tensor]:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    network, mesh = _network(rank), init_device_mesh("cpu", (WORLD,))
    for part in (*network, network):
        fully_shard(part, mesh=mesh)
    stacks = [p for layer in network for p in layer.expert_parameters()]
    assert all(len(p.to_local()) == N_EXPERTS // WORLD for p in stacks), "experts are sharded along the first axis"
    return _step(network, network, rank)


def _shared_out(rank: int) -> dict[str, Tensor]:
    """As the docstring of ``expert_parameters`` says."""
    network = _network(rank, ep_group=dist.group.WORLD)
    local = {id(p) for layer in network for p in layer.expert_parameters()}
    names = [name for name, p in network.named_parameters() if id(p) in local]
    DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(network, names)
    return _step(network, DistributedDataParallel(network), rank)


WRAPPERS: dict[str, Callable[[int], dict[str, Tensor]]] = {
    "replicated": _replicated,
    "sharded": _sharded,
    "shared out": _shared_out,
}


def _work(rank: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, wrapper in WRAPPERS.items():
        try:
            found[name] = wrapper(rank)
        except (ImportError, NotImplementedError) as error:  # older torch shards on accelerators only
            found[name] = f"{name}: {error}"
    return found


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Of one process, and of each of two."""
    return _alone(None), in_two_processes(_work, tmp_path_factory.mktemp("processes"))


@pytest.mark.parametrize("name", WRAPPERS)
def test_a_step_of_two_processes_is_that_of_one(found, name):
    one, two = found[0], [of[name] for of in found[1]]
    if isinstance(two[0], str):
        pytest.skip(two[0])
    assert one.keys() == two[0].keys()
    for key, expected in one.items():
        parts = [of[key] for of in two]
        local = name == "shared out" and ".experts." in key and ".shared." not in key
        for value in [torch.cat(parts)] if local else parts:
            torch.testing.assert_close(value, expected, rtol=0, atol=1e-6, msg=lambda text, key=key: f"{key}: {text}")
