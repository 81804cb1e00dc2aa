"""What a layer refuses, and what it says."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='torch is not installed: pip install "skmoe[neural]"')

from battery import ROUTERS, generator, layer_of, rows  # noqa: E402

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
    Switch,
    TopK,
    load_loss,
)

SETTINGS = {
    r"TopK\(k=9\) chooses 9 experts of 8: expected at most n_experts=8": {"router": TopK(k=9)},
    r"NoisyTopK\(k=9\) chooses 9 experts of 8": {"router": NoisyTopK(k=9)},
    r"GShard chooses 2 experts of 1": {"router": GShard(), "n_experts": 1},
    r"n_experts=8 is no multiple of n_groups=3": {"router": TopK(n_groups=3)},
    r"groups_kept=1 of 4 groups, which hold 2 experts": {"router": TopK(k=3, n_groups=4, groups_kept=1)},
    r"tree=\(2, 3\) of Soft has 6 leaves and the layer has n_experts=8": {"router": Soft(tree=(2, 3))},
    r"n_experts=8 is no multiple of n_groups=5": {"router": Hierarchical(n_groups=5)},
    r"Attentive reads the last hidden layer of the experts": {"router": Attentive(), "hidden": ()},
    r"Attentive cannot be part of MultiTask: it reads the experts": {"router": MultiTask(router=Attentive())},
    r"Attentive cannot be part of Hierarchical: it reads the experts": {"router": Hierarchical(outer=Attentive())},
    r"MultiTask cannot be part of Hierarchical: it has a gate": {"router": Hierarchical(inner=MultiTask())},
    r"MultiTask cannot be part of MultiTask: it has a gate": {"router": MultiTask(router=MultiTask())},
    r"n_experts must be at least 1, got 0": {"n_experts": 0},
    r"hidden\[1\] must be at least 1, got 0": {"hidden": (4, 0)},
    r"rank must be at least 1, got 0": {"rank": 0},
    r"rank_form must be one of \('added', 'scaled'\), got 'lora'": {"rank": 1, "rank_form": "lora"},
    r"n_shared must be at least 0, got -1": {"n_shared": -1},
    r"activation must be one of .*'swiglu'.*, got 'silu'": {"activation": "silu"},
    r"impl must be 'auto' or, of these experts, one of .*'grouped'.*; got 'triton'": {"impl": "triton"},
    r"router must be a Router record such as TopK\(k=2\), got 'topk'\.": {"router": "topk"},
    r"router must be a Router record such as TopK\(k=2\), got None\.": {"router": None},
    r"router must be a Router record .* got the class TopK: call it\.": {"router": TopK},
    r"router must be a Router record .* got the class int\.": {"router": int},
    r"got a module, Linear: the layer makes the module itself": {"router": torch.nn.Linear(3, 8)},
    r"d_in must be a whole number of at least 1, got 3\.0": {"d_in": 3.0},
    r"d_in must be a whole number of at least 1, got None": {"d_in": None},
    r"d_out must be a whole number of at least 1, got '2'": {"d_out": "2"},
    r"n_experts must be a whole number of at least 1, got True": {"n_experts": True},
    r"rank must be a whole number of at least 1, got 1\.5": {"rank": 1.5},
    r"n_shared must be a whole number of at least 0, got 2\.0": {"n_shared": 2.0},
    r"hidden must be a sequence, .* got 64: write hidden=\(64,\)\.": {"hidden": 64},
    r"hidden must be a sequence, .* such as \(64,\), got None": {"hidden": None},
    r"hidden must be a sequence, .* such as \(64,\), got '64'": {"hidden": "64"},
    r"hidden\[1\] must be a whole number of at least 1, got 8\.0": {"hidden": (8, 8.0)},
    r"hidden\[0\] must be a whole number of at least 1, got None": {"hidden": (None,)},
    r"shared_hidden\[0\] must be at least 1, got 0": {"shared_hidden": (0,), "n_shared": 1},
    r"shared_hidden has no meaning without .* n_shared of at least 1, got n_shared=0": {"shared_hidden": (4,)},
    r"shared_gate has no meaning without shared experts": {"shared_gate": True},
    r"one an expert; got an empty one": {"experts": []},
    r"one an expert; got the class Linear\. Make the modules": {"experts": torch.nn.Linear},
    r"one an expert; got a generator": {"experts": (torch.nn.Linear(3, 3) for _ in range(2))},
    r"one an expert; got a Sequential": {"experts": torch.nn.Sequential(torch.nn.Linear(3, 3))},
    r"experts\[1\] is the class Linear: call it": {"experts": [torch.nn.Linear(3, 3), torch.nn.Linear]},
    r"experts\[0\] is 'linear'": {"experts": ["linear"]},
    r"impl must be 'auto' or, .*; got None": {"impl": None},
    r"rank_form must be one of .*, got None": {"rank_form": None},
    r"one of \('loop',\); got 'dense'": {"experts": [torch.nn.Linear(3, 3)] * 2, "impl": "dense"},
}


@pytest.mark.parametrize("message", SETTINGS)
def test_settings_of_a_layer(message):
    with pytest.raises(ValueError, match=message):
        MoELayer(**{"d_in": 3} | SETTINGS[message])


def test_whole_numbers_of_numpy_and_lists_of_widths():
    two = np.int64(2)
    layer = MoELayer(two, two, n_experts=two, hidden=[8, np.int32(8)], n_shared=two, router=TopK(k=two))
    assert layer(torch.zeros(4, 2)).shape == (4, 2)
    assert [linear.weight.shape[2] for linear in layer.experts.maps] == [8, 8, 2]


def test_an_implementation_that_is_set_later():
    layer = layer_of()
    layer.impl = "dense"
    assert layer.impl == "dense"
    with pytest.raises(ValueError, match=r"impl must be 'auto' or, .*'grouped'.*; got 'bananas'"):
        layer.impl = "bananas"
    assert layer.impl == "dense"


@pytest.mark.parametrize("device", ["cuda:77", "mps:3", "xpu:1"])
def test_devices_that_are_not_there(device):
    with pytest.raises(ValueError, match=rf"device='{device}' is not on this machine \(.*\): expected one of 'cpu'"):
        MoELayer(3, device=device)


RECORDS = {
    "capacity_factor must be above 0, got 0: a capacity of zero drops every row": lambda: TopK(capacity_factor=0),
    "capacity_factor must be above 0, got -1": lambda: Switch(capacity_factor=-1),
    "capacity_factor must be above 0, got 0.0": lambda: GShard(capacity_factor=0.0),
    "capacity_factor must be above 0, got 0,": lambda: ExpertChoice(capacity_factor=(0,)[0]),
    "capacity_policy must be one of": lambda: TopK(capacity_policy="random"),
    "min_capacity must be at least 1, got 0": lambda: Switch(min_capacity=0),
    "k must be at least 1, got 0": lambda: TopK(k=0),
    "score must be 'softmax' or 'sigmoid', got 'tanh'": lambda: TopK(score="tanh"),
    "bias_rate must be at least 0, got -0.1": lambda: TopK(bias_rate=-0.1),
    r"jitter must be in \[0, 1\), got 1": lambda: TopK(jitter=1.0),
    "groups_kept=3 is more than n_groups=2": lambda: TopK(n_groups=2, groups_kept=3),
    "temperature must be above 0, got 0": lambda: Soft(temperature=0),
    "temperature must be above 0, got -1": lambda: Gumbel(temperature=-1),
    "n_samples must be at least 1, got 0": lambda: Gumbel(n_samples=0),
    "noise_std must be above 0, got 0.0": lambda: NoisyTopK(noise_std=0.0),
    r"momentum must be in \[0, 1\), got 1": lambda: ExpertChoice(momentum=1),
    "k must be a whole number of at least 1, got 2.0": lambda: TopK(k=2.0),
    "k must be a whole number of at least 1, got None": lambda: TopK(k=None),
    "k must be a whole number of at least 1, got True": lambda: NoisyTopK(k=True),
    "n_groups must be a whole number of at least 1, got 1.5": lambda: TopK(n_groups=1.5),
    "n_groups must be a whole number of at least 1, got '2'": lambda: Hierarchical(n_groups="2"),
    "groups_kept must be a whole number of at least 1, got 1.0": lambda: TopK(n_groups=2, groups_kept=1.0),
    "min_capacity must be a whole number of at least 1, got 1.5": lambda: GShard(min_capacity=1.5),
    "n_samples must be a whole number of at least 1, got 10.0": lambda: Gumbel(n_samples=10.0),
    "n_tasks must be a whole number of at least 1, got 2.5": lambda: MultiTask(n_tasks=2.5),
    "d_hidden must be a whole number of at least 1, got 4.0": lambda: Attentive(d_hidden=4.0),
    "scale must be a number, got '1'": lambda: TopK(scale="1"),
    "capacity_factor must be a number, got nan": lambda: TopK(capacity_factor=float("nan")),
    "capacity_factor must be a number, got '2'": lambda: ExpertChoice(capacity_factor="2"),
    "momentum must be a number, got nan": lambda: ExpertChoice(momentum=float("nan")),
    "temperature must be a number, got 'hot'": lambda: Soft(temperature="hot"),
    "temperature must be a number, got None": lambda: Gumbel(temperature=None),
    "bias_rate must be a number, got nan": lambda: TopK(bias_rate=float("nan")),
    "jitter must be a number, got '0.1'": lambda: Switch(jitter="0.1"),
    "noise_std must be a number, got nan": lambda: NoisyTopK(noise_std=float("nan")),
    "router of MultiTask must be a Router record .* got the class TopK: call it": lambda: MultiTask(router=TopK),
    "outer of Hierarchical must be a Router record .* got 'x'": lambda: Hierarchical(outer="x"),
    "inner of Hierarchical must be a Router record .* got None": lambda: Hierarchical(inner=None),
    "n_tasks must be at least 1, got 0": lambda: MultiTask(n_tasks=0),
}


@pytest.mark.parametrize("message", RECORDS)
def test_settings_of_a_router(message):
    with pytest.raises(ValueError, match=message.rstrip(",")):
        RECORDS[message]()


@pytest.mark.parametrize("shape", [(4,), (7, 4), (2, 3, 6), ()])
def test_columns_that_are_not_there(shape):
    with pytest.raises(ValueError, match=r"d_in=5\) got a tensor of shape .*: expected 5 columns in the last axis"):
        layer_of()(torch.zeros(shape))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("router", ROUTERS)
def test_logits_that_are_no_numbers(router, bad):
    layer = layer_of(router).eval()
    x = rows(10)
    x[6, 2] = bad
    with pytest.raises(ValueError, match=r"The logit of expert \d is (nan|inf|-inf) in row 6 .*Look for NaN"):
        layer(x)


def test_the_expert_with_the_bad_logit_is_named():
    layer = layer_of("topk")
    with torch.no_grad():
        layer.router.gate.bias[3] = float("nan")
    with pytest.raises(ValueError, match=r"The logit of expert 3 is nan in row 0 \(one of 10 such logits\)"):
        layer(rows(10))


def test_a_large_sum_of_logits_is_no_error():
    layer = layer_of(Soft(), dtype=torch.float32)
    with torch.no_grad():
        layer.router.gate.bias.fill_(3e38)  # the sum over rows and experts is infinite, no logit is
    assert bool(torch.isfinite(layer(rows(10, dtype=torch.float32))).all())


def test_a_task_that_is_not_there():
    layer = layer_of("mmoe")
    with pytest.raises(ValueError, match="task holds 3: expected numbers from 0 to n_tasks - 1 = 2"):
        layer(rows(4), task=torch.tensor([0, 1, 2, 3]))
    with pytest.raises(ValueError, match=r"int64 tensor of shape \(4,\), one task a row; got torch.float32 of shape"):
        layer(rows(4), task=torch.zeros(4))
    with pytest.raises(ValueError, match=r"one task a row; got torch.int64 of shape \(3,\)"):
        layer(rows(4), task=torch.zeros(3, dtype=torch.int64))


def test_more_than_rows_for_experts_that_see_rows_alone():
    with pytest.raises(TypeError, match="called with 1 more arguments than rows, which only experts of your own"):
        layer_of()(rows(4), torch.eye(4))


def test_experts_of_ones_own_that_answer_in_another_shape():
    experts = [torch.nn.Linear(5, 2), torch.nn.Linear(5, 3)]
    layer = MoELayer(5, 2, experts=experts, router=Soft(), generator=generator())
    with pytest.raises(
        ValueError, match=r"Expert 1 answered 4 rows with a tensor of shape \(4, 3\): expected \(4, 2\)"
    ):
        layer(torch.zeros(4, 5))


@pytest.mark.parametrize("router", ["topk", "noisy"])
def test_a_load_without_noise(router):
    layer = layer_of(router).eval()
    layer(rows())
    with pytest.raises(ValueError, match="load_loss needs the chances of choice that NoisyTopK leaves in training"):
        load_loss(layer.routing)


def test_names_that_are_not_there():
    import skmoe.neural

    with pytest.raises(AttributeError, match=r"module 'skmoe.neural' has no attribute 'MoELayers'"):
        _ = skmoe.neural.MoELayers
    assert set(skmoe.neural.__all__) <= set(dir(skmoe.neural))
    assert all(getattr(skmoe.neural, name).__name__ == name for name in skmoe.neural.__all__)


def test_a_report_of_nothing():
    with pytest.raises(ValueError, match="None of 0 rows gets an expert"):
        layer_of().routing_report(rows(0))
    layer = layer_of(ExpertChoice())
    layer.router.threshold.fill_(1.0)
    with pytest.raises(ValueError, match="None of 10 rows gets an expert, so there is no routing to report"):
        layer.routing_report(rows(10))


WITHOUT_TORCH = """
import sys
class Missing:  # as where it is not installed
    def find_spec(name, path, target=None):
        if name == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
sys.meta_path.insert(0, Missing)
import skmoe.neural
estimators = {"SparseMoEClassifier", "SparseMoERegressor"}  # which predict without it
assert all(getattr(skmoe.neural, name) for name in estimators)
for name in set(skmoe.neural.__all__) - estimators:
    try:
        getattr(skmoe.neural, name)
    except ImportError as error:
        assert str(error) == f'skmoe.neural.{name} needs torch, which is not installed: pip install "skmoe[neural]"'
    else:
        raise AssertionError(name)
try:
    from skmoe.neural import MoELayer
except ImportError as error:
    print(error)
"""


def test_without_torch_the_extra_is_named():
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert 'pip install "skmoe[neural]"' in done.stdout
