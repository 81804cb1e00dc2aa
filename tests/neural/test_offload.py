"""Experts in host memory: results to the bit, who is on the device, and what is refused."""

from __future__ import annotations

import copy
import pickle

import pytest

torch = pytest.importorskip("torch", reason="skmoe.neural needs torch")

from skmoe.neural import Attentive, Hierarchical, MoELayer, MultiTask, Soft, TopK  # noqa: E402
from skmoe.neural.offload import Resident  # noqa: E402

D_IN, N_EXPERTS = 7, 6
CPU = torch.device("cpu")


def _pair(n_resident, dtype=torch.float32, **settings):
    """A layer with offload, and the same without."""
    settings = {"n_experts": N_EXPERTS, "hidden": (9, 5)} | settings
    first = MoELayer(D_IN, 3, impl="loop", generator=torch.Generator().manual_seed(0), **settings)
    second = MoELayer(D_IN, 3, offload="experts", n_resident=n_resident, **settings)
    second.load_state_dict(first.state_dict())
    return second.to(dtype).eval(), first.to(dtype).eval()


def _rows(n_rows, dtype=torch.float32, seed=1):
    return 3 * torch.randn(n_rows, D_IN, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def _send(layer, *experts):
    """Rows of which the first goes to the first of these experts, and so on."""
    x = torch.zeros(len(experts), D_IN)
    x[torch.arange(len(experts)), list(experts)] = 100.0
    with torch.no_grad():
        layer(x)
    assert layer.routing.index[:, 0].tolist() == list(experts)


def _sorter(n_resident, **settings):
    """A layer that sends the row with the largest column e to expert e."""
    settings = {"n_experts": N_EXPERTS, "hidden": (4,), "router": TopK(k=1)} | settings
    layer = MoELayer(D_IN, 3, offload="experts", n_resident=n_resident, **settings)
    with torch.no_grad():
        layer.router.gate.weight.copy_(torch.eye(N_EXPERTS, D_IN))
    return layer.eval()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n_resident", [1, 2, N_EXPERTS, 100])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"activation": "swiglu", "bias": False},
        {"activation": "gelu", "n_shared": 2},
        {"hidden": ()},
        {"hidden": (130,), "router": Soft()},
        {"router": Hierarchical(n_groups=3)},
        {"router": MultiTask(n_tasks=2, router=TopK(k=2))},
    ],
    ids=str,
)
def test_results_are_to_the_bit_those_of_a_layer_without_offload(settings, n_resident, dtype):
    offloaded, resident = _pair(n_resident, dtype, **settings)
    for n_rows, seed in ((50, 1), (1, 2), (333, 3), (0, 4)):
        x = _rows(n_rows, dtype, seed)
        with torch.no_grad():
            expected, answers = resident(x), resident.answers(x)[1]
        with torch.inference_mode():
            assert torch.equal(offloaded(x), expected)
        with torch.no_grad():
            assert torch.equal(offloaded.answers(x)[1], answers)
        assert len(offloaded.resident.experts) <= n_resident


def test_no_more_are_resident_than_allowed():
    resident = Resident(2, CPU)
    weights = [torch.randn(5, 3, 3) for _ in range(2)]
    for weight in weights:
        for experts in ([0, 1, 2, 3, 4], [3], [1, 2, 4]):
            for expert, matrix, bias in resident.visit(weight, None, experts):
                assert torch.equal(matrix, weight[expert])
                assert matrix.data_ptr() != weight[expert].data_ptr()
                assert bias is None
                held = [expert for slots in resident._slots.values() for expert in slots.kept]
                assert len(held) <= 2 * len(resident._slots)
                assert len(resident.experts) <= 2


@pytest.mark.parametrize("n_resident", [2, 3, N_EXPERTS])
def test_copies_ahead_of_time_change_nothing_else(monkeypatch, n_resident):
    (ahead, resident), (other, _) = _pair(n_resident), _pair(n_resident)
    for seed in range(4):
        x = _rows(3, seed=seed)
        with torch.no_grad():
            other(x)
            with monkeypatch.context() as patch:
                patch.setattr(Resident, "ahead", True)
                assert torch.equal(ahead(x), resident(x))
        for name in ("experts", "hits", "misses"):
            assert getattr(ahead.resident, name) == getattr(other.resident, name)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("n_resident", [1, 2, N_EXPERTS])
def test_on_cuda(n_resident):
    offloaded, resident = (layer.to("cuda") for layer in _pair(n_resident, hidden=(256, 256)))
    assert all(p.is_pinned() for p in offloaded.expert_parameters())
    for seed in range(10):
        x = _rows(500, seed=seed).to("cuda")
        with torch.no_grad():
            torch.testing.assert_close(offloaded(x), resident(x), rtol=0, atol=1e-5)
    assert len(offloaded.resident.experts) <= n_resident


def test_the_one_used_longest_ago_makes_room():
    layer = _sorter(3)
    for experts, after in (
        ([0, 1, 2], [0, 1, 2]),
        ([0], [1, 2, 0]),
        ([3], [2, 0, 3]),  # 1 was used longest ago
        ([4, 2], [3, 2, 4]),  # 2 is there and comes first, so that 0 makes room
        ([5, 0], [4, 0, 5]),
        ([], [4, 0, 5]),
        ([0, 1, 2, 3, 4, 5], [1, 2, 3]),
    ):
        _send(layer, *experts)
        assert layer.resident.experts == after


def test_hits_and_misses():
    layer = _sorter(2)
    counted = []
    for experts in ([0, 1], [0, 0, 0, 1], [2], [1], [2, 1, 0], [5, 4, 3, 2, 1, 0]):
        _send(layer, *experts)
        counted.append((layer.resident.hits, layer.resident.misses))
    # The two that stay are visited first: of the last six, 0 and one other are there.
    assert counted == [(0, 2), (2, 2), (2, 3), (3, 3), (5, 4), (7, 8)]


def test_one_resident_expert():
    layer = _sorter(1)
    for experts in ([4], [4, 4], [4, 2], [4]):
        _send(layer, *experts)
        assert len(layer.resident.experts) == 1
    assert (layer.resident.hits, layer.resident.misses) == (2, 3)


def test_parameters_that_change_are_copied_again():
    offloaded, resident = _pair(3)
    x = _rows(40)
    for assign in (False, True):
        with torch.no_grad():
            offloaded(x)
            for parameter in resident.parameters():
                parameter.mul_(1.5)
            offloaded.load_state_dict(copy.deepcopy(resident.state_dict()), assign=assign)
            assert not offloaded.resident.experts
            assert torch.equal(offloaded(x), resident(x))
            for layer in (offloaded, resident):
                layer.experts.maps[1].weight.add_(0.5)
                layer.experts.maps[2].bias.add_(0.5)
            assert torch.equal(offloaded(x), resident(x))
            for layer in (offloaded, resident):
                layer.reset_parameters(torch.Generator().manual_seed(8))
            assert torch.equal(offloaded(x), resident(x))


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("name", ["weight", "bias"])
def test_parameters_that_are_replaced(number, name):
    offloaded, resident = _pair(3)
    x = _rows(40)
    visited = []
    for factor in (1.0, 2.0, 3.0):
        for layer in (offloaded, resident):
            linear = layer.experts.maps[number]
            setattr(linear, name, torch.nn.Parameter(factor * getattr(linear, name).detach()))
        with torch.no_grad():
            assert torch.equal(offloaded(x), resident(x))
        assert len(offloaded.resident._slots) == len(offloaded.experts.maps)
        assert list(offloaded.resident._slots) == [id(linear.weight) for linear in offloaded.experts.maps]
        visited.append(offloaded.resident.hits + offloaded.resident.misses)
    assert visited == [N_EXPERTS, 2 * N_EXPERTS, 3 * N_EXPERTS]


def test_writing_to_data_is_followed_by_clear():
    offloaded, resident = _pair(N_EXPERTS)
    x = _rows(40)
    with torch.no_grad():
        offloaded(x)
        for layer in (offloaded, resident):
            layer.experts.maps[0].weight.data.mul_(2.0)
        offloaded.resident.clear()
        assert torch.equal(offloaded(x), resident(x))


def test_experts_stay_in_host_memory():
    layer = _sorter(1, n_shared=1)
    experts = [parameter.data_ptr() for parameter in layer.experts.parameters()]
    layer.to("meta")
    assert layer.resident.device.type == "meta"
    assert [parameter.data_ptr() for parameter in layer.expert_parameters()] == experts
    elsewhere = [*layer.router.parameters(), *layer.shared.parameters()]
    assert {parameter.device.type for parameter in elsewhere} == {"meta"}
    assert layer.double().resident.device.type == "meta"
    assert {(p.device.type, p.dtype) for p in layer.expert_parameters()} == {("cpu", torch.float64)}


def test_a_device_that_is_not_here():
    layer = _sorter(1)
    elsewhere = "cuda:99" if torch.cuda.is_available() else "cuda"
    with pytest.raises(ValueError, match=r"is moved to is not on this machine \(.*\): expected one of 'cpu'"):
        layer.to(elsewhere)
    assert {parameter.device.type for parameter in layer.parameters()} == {"cpu"}
    _send(layer, 0, 1)


def test_copies_begin_with_nothing_resident():
    layer = _sorter(2)
    _send(layer, 0, 1)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert other.resident.experts == []
        assert other.resident is not layer.resident
        _send(other, 2)
        assert other.resident.experts == [2]
    assert layer.resident.experts == [0, 1]


@pytest.mark.parametrize("learning", [True, False])
def test_gradients_are_refused(learning):
    layer = _sorter(1).train(learning)
    with pytest.raises(RuntimeError, match=r"layer\.eval\(\) and the layer under torch\.no_grad\(\)"):
        layer(_rows(3))
    assert not layer.resident.misses


def test_routing_report_needs_no_gradients():
    layer, resident = _pair(2, router=Soft())
    assert str(layer.routing_report(_rows(30))) == str(resident.routing_report(_rows(30)))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"offload": "experts"}, "n_resident must be a whole number of at least 1 .* got None"),
        ({"offload": "experts", "n_resident": 0}, "n_resident must be a whole number of at least 1 .* got 0"),
        ({"offload": "experts", "n_resident": 1.5}, "n_resident must be a whole number of at least 1 .* got 1.5"),
        ({"offload": "optimizer", "n_resident": 1}, r"offload must be one of \('experts',\) or None, got 'optimizer'"),
        ({"n_resident": 2}, 'n_resident=2 has no meaning without offload="experts"'),
        ({"offload": "experts", "n_resident": 1, "rank": 2}, "does not go with rank=2"),
        ({"offload": "experts", "n_resident": 1, "experts": [torch.nn.Linear(D_IN, D_IN)]}, r"go with experts=\[...\]"),
        ({"offload": "experts", "n_resident": 1, "impl": "padded"}, r"one of \('loop',\); got 'padded'"),
        ({"offload": "experts", "n_resident": 1, "router": Attentive()}, "leave offload out"),
    ],
)
def test_settings_that_make_no_sense(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        MoELayer(D_IN, **{"router": TopK(k=1)} | settings)
