"""Values that papers give their losses, where they are known without computing."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="skmoe.neural needs torch")

from torch import Tensor  # noqa: E402

from skmoe.neural import (  # noqa: E402
    MoELayer,
    MultiTask,
    Routing,
    TopK,
    balance_loss,
    entropy_loss,
    importance_loss,
    load_loss,
    mutual_information_loss,
    z_loss,
)

every_size = pytest.mark.parametrize("n_experts", [1, 2, 5, 8])


def routing_of(proba: Tensor, index: Tensor) -> Routing:
    return Routing(index, proba.gather(-1, index), proba, proba.log())


def even(n_experts: int, k: int) -> Routing:
    """Equal probabilities, and rows that choose k experts in turn, so that all are chosen alike."""
    index = (torch.arange(3 * n_experts)[:, None] + torch.arange(k)) % n_experts
    logits = torch.zeros(3 * n_experts, n_experts, dtype=torch.float64)
    return routing_of(logits.softmax(-1), index)._replace(logits=logits)


@every_size
@pytest.mark.parametrize("k", [1, 2])
def test_perfect_balance(n_experts, k):
    routing = even(n_experts, min(k, n_experts))
    assert balance_loss(routing).item() == pytest.approx(1, abs=1e-12)
    assert balance_loss(routing, first_choice=True).item() == pytest.approx(1, abs=1e-12)
    assert importance_loss(routing).item() == pytest.approx(0, abs=1e-12)
    assert load_loss(routing._replace(chance=routing.chosen())).item() == pytest.approx(0, abs=1e-12)
    assert z_loss(routing).item() == pytest.approx(math.log(n_experts) ** 2, abs=1e-12)
    assert entropy_loss(routing).item() == pytest.approx(math.log(n_experts), abs=1e-12)
    assert mutual_information_loss(routing).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("n_experts", [2, 5, 8])
def test_one_expert_for_all(n_experts):
    """Collapse: the balance is the number of experts, the squared variation one less (n - 1 experts at 0)."""
    proba = torch.eye(n_experts, dtype=torch.float64)[torch.zeros(7, dtype=torch.int64)]
    routing = routing_of(proba, torch.zeros(7, 1, dtype=torch.int64))
    assert balance_loss(routing).item() == pytest.approx(n_experts)
    assert importance_loss(routing).item() == pytest.approx(n_experts - 1)
    assert importance_loss(routing, ddof=1).item() == pytest.approx(n_experts)
    assert load_loss(routing._replace(chance=proba)).item() == pytest.approx(n_experts - 1)
    assert entropy_loss(routing).item() == pytest.approx(0, abs=1e-12)
    assert mutual_information_loss(routing).item() == pytest.approx(0, abs=1e-12)


def test_balance_at_uniform_is_no_lower_bound():
    """Choices that avoid what is probable: by hand, 2 * (0.1 * 0.55 + 0.9 * 0.45) of ten rows, nine of them at 0.4."""
    first = torch.tensor([0.55] * 10, dtype=torch.float64)
    proba = torch.stack([first, 1 - first], dim=-1)
    index = torch.tensor([[0]] + [[1]] * 9)
    assert balance_loss(routing_of(proba, index)).item() == pytest.approx(2 * (0.1 * 0.55 + 0.9 * 0.45))


@pytest.mark.parametrize("shift", [-3.0, 2.0])
def test_z_loss_holds_logits_that_softmax_does_not_see(shift):
    """A constant c added to all logits: (log E + c)^2 instead of (log E)^2, and the same probabilities."""
    routing = even(4, 2)
    moved = routing._replace(logits=routing.logits + shift)
    assert z_loss(moved).item() == pytest.approx((math.log(4) + shift) ** 2)
    assert torch.equal(moved.logits.softmax(-1), routing.probs)


@pytest.mark.parametrize(("n_tasks", "n_experts"), [(2, 2), (2, 6), (3, 6), (4, 4)])
def test_mutual_information_of_tasks(n_tasks, n_experts):
    """Tasks that share their gate tell nothing; tasks that share no expert tell all, log n_tasks."""
    task = torch.arange(12) % n_tasks
    share = n_experts // n_tasks
    own = (torch.arange(n_experts) // share == torch.arange(n_tasks)[:, None]).double() / share
    index = torch.zeros(12, 1, dtype=torch.int64)
    same = routing_of(own.mean(0).expand(12, n_experts), index)
    apart = routing_of(own[task], index)
    assert mutual_information_loss(same, task).item() == pytest.approx(0, abs=1e-12)
    assert mutual_information_loss(apart, task).item() == pytest.approx(-math.log(n_tasks))
    assert mutual_information_loss(apart._replace(task=task)).item() == pytest.approx(-math.log(n_tasks))


def test_mutual_information_of_rows():
    """Every row a group of its own: rows with an expert each tell log n_experts."""
    proba = torch.eye(5, dtype=torch.float64).repeat(3, 1)
    routing = routing_of(proba, proba.argmax(-1, keepdim=True))
    assert mutual_information_loss(routing).item() == pytest.approx(-math.log(5))
    assert mutual_information_loss(routing, torch.arange(15)).item() == pytest.approx(-math.log(5))


def test_mutual_information_of_a_gate_a_task():
    """`MultiTask`: gates that are equal tell nothing of the task, gates of disjoint experts log n_tasks."""
    layer = MoELayer(3, n_experts=4, router=MultiTask(2, TopK(k=2)))
    x = torch.ones(6, 3)
    gates = [gate.gate.weight for gate in layer.router.gates]
    with torch.no_grad():
        for gate in gates:
            gate.copy_(torch.arange(4.0)[:, None].expand(4, 3))
        layer(x)
        assert mutual_information_loss(layer.routing).item() == pytest.approx(0, abs=1e-6)
        for gate, favoured in zip(gates, ([1, 1, 0, 0], [0, 0, 1, 1]), strict=True):
            gate.copy_(30 * torch.tensor(favoured)[:, None].expand(4, 3))
        layer(x)
        assert mutual_information_loss(layer.routing).item() == pytest.approx(-math.log(2), abs=1e-6)
