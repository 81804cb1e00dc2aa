"""What is minimised, beside the same written down row by row in NumPy; its gradient beside differences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='torch is not installed: pip install "skmoe[neural]"')

from battery import generator  # noqa: E402
from scipy.special import log_softmax, logsumexp, softmax  # noqa: E402
from small import X  # noqa: E402

from skmoe.neural.architecture import Architecture  # noqa: E402
from skmoe.neural.fitting.objective import objective  # noqa: E402
from skmoe.neural.fitting.records import router_records  # noqa: E402
from skmoe.neural.fitting.settings import Settings  # noqa: E402
from skmoe.neural.network import Inputs, Network  # noqa: E402

N_ROWS, N_MEMBERS, N_EXPERTS, N_OUTPUTS = 23, 3, 4, 2
ROWS = Inputs(torch.as_tensor(X[:N_ROWS]), torch.zeros((N_ROWS, 0), dtype=torch.int64))
_rng = np.random.default_rng(4)
RESPONSES = {
    "heteroscedastic_gaussian": torch.as_tensor(_rng.standard_normal((N_ROWS, N_OUTPUTS))),
    "multinomial": torch.as_tensor(_rng.integers(0, N_OUTPUTS, N_ROWS)),
}
WEIGHT = torch.as_tensor(_rng.integers(0, 4, N_ROWS) + 0.5)
FAMILIES = pytest.mark.parametrize("family", RESPONSES)
FLOOR = 0.0625  # the same number in single and in double precision

USUAL = Settings(
    k=2,
    n_experts=N_EXPERTS,
    n_epochs=10,
    n_batches=1,
    learning_rate=1e-3,
    weight_decay=0.0,
    gradient_clip=1.0,
    soft_start=0.4,
    entropy=0.0,
    balance=0.0,
    z_loss=0.0,
)
#: Settings of the losses, by what they are about.
LOSSES = {
    "nothing": {},
    "mean": {"mean_weight": 10.0},
    "balance": {"balance": 0.7},
    "logits": {"z_loss": 0.3},
    "entropy": {"entropy": 0.9},
    "everything": {"mean_weight": 3.0, "balance": 0.2, "z_loss": 0.1, "entropy": 0.5},
}


def network_of(family, router="topk", k=2):
    """A tiny network in double precision, every parameter of which is drawn."""
    a = Architecture(
        n_numbers=3,
        n_codes=(),
        embedding="linear",
        d_embedding=2,
        n_frequencies=1,
        width=5,
        n_blocks=2,
        n_experts=N_EXPERTS,
        n_members=N_MEMBERS,
        hidden=(3,),
        activation="gelu",
        family=family,
        n_outputs=N_OUTPUTS,
        scale_floor=FLOOR,
    )
    network = Network(a, (), *router_records(router, k, None), generator(1)).double()
    with torch.no_grad():
        for number, (name, parameter) in enumerate(network.named_parameters()):
            around = 1.0 if name.endswith(("norm.weight", "members", "size")) else 0.0
            parameter.copy_(around + 0.5 * torch.randn(parameter.shape, generator=generator(number)))
    network.train()
    network.choose(k)
    return network


def coefficient(settings, epoch):
    """Weight of the entropy: a straight line up to the end of the soft start, then nothing."""
    n_soft = 4  # two fifths of ten epochs
    return settings.entropy * epoch / n_soft if epoch <= n_soft and settings.k < N_EXPERTS else 0.0


def minimised(network, rows, y, weight, settings, epoch):
    """The objective as it is in an epoch."""
    entropy = settings.entropy_at(epoch)
    return objective(
        network, rows, y, weight, settings, torch.tensor(entropy, dtype=torch.float64) if entropy else None
    )


def by_hand(network, family, y, weight, settings, epoch):
    """The objective from the answers of the head and the logits of the gates, one row after the other."""
    with torch.no_grad():
        answer = network(ROWS)
    answers, index = answer.answers.numpy(), answer.routing.index.numpy()
    logits = answer.routing.logits.numpy()
    total = 0.0
    for row in range(N_ROWS):
        for member in range(N_MEMBERS):
            at = row * N_MEMBERS + member
            gate = softmax(logits[at, index[at]])
            if family == "multinomial":
                proba = sum(g * softmax(f) for g, f in zip(gate, answers[at], strict=True))
                gain = np.log(proba[y[row]])
                mean = np.full(N_OUTPUTS, np.nan)
            else:
                mu, v = answers[at, :, :N_OUTPUTS], answers[at, :, N_OUTPUTS:]
                s = np.sqrt(FLOOR**2 + np.exp(2 * v))
                z = (y[row].numpy() - mu) / s
                densities = np.exp(-0.5 * z**2) / (s * np.sqrt(2 * np.pi))
                gain = np.log((gate * densities.prod(axis=1)).sum())
                mean = gate @ mu
                gain -= 0.5 * settings.mean_weight * ((y[row].numpy() - mean) ** 2).sum()
            total -= weight[row] * gain / N_MEMBERS / N_ROWS
    rows = np.repeat(weight.numpy(), N_MEMBERS)
    for layer in network.layers:
        routing = layer.routing
        logits, index = routing.logits.detach().numpy(), routing.index.numpy()
        proba = softmax(logits, axis=1)
        k = index.shape[1]
        if k == N_EXPERTS:
            importance = (rows[:, None] * proba).sum(0)
            balance = importance.var() / importance.mean() ** 2
        else:
            share = np.zeros(N_EXPERTS)
            for row, chosen in zip(rows, index, strict=True):
                share[chosen] += row
            balance = N_EXPERTS * (share / share.sum() * np.average(proba, axis=0, weights=rows)).sum()
        z = np.average(logsumexp(logits, axis=1) ** 2, weights=rows)
        entropy = np.average(-(proba * log_softmax(logits, axis=1)).sum(1), weights=rows)
        total += settings.balance * balance + settings.z_loss * z + coefficient(settings, epoch) * entropy
    return float(total)


def settings_of(family, losses):
    settings = replace(USUAL, **LOSSES[losses])
    return settings if family != "multinomial" else replace(settings, mean_weight=0.0)


@FAMILIES
@pytest.mark.parametrize("losses", LOSSES)
@pytest.mark.parametrize(("epoch", "k"), [(1, N_EXPERTS), (4, N_EXPERTS), (5, 2)], ids=["soft", "last soft", "sparse"])
def test_it_is_its_equation(family, losses, epoch, k):
    settings = settings_of(family, losses)
    assert settings.k_of(epoch) == k
    network, y = network_of(family, k=k), RESPONSES[family]
    value = minimised(network, ROWS, y, WEIGHT, settings, epoch).item()
    assert value == pytest.approx(by_hand(network, family, y, WEIGHT, settings, epoch), abs=1e-12)


@FAMILIES
def test_every_loss_counts(family):
    """A witness: each setting changes the value in a soft epoch."""
    network, y = network_of(family, k=N_EXPERTS), RESPONSES[family]
    values = {
        minimised(network, ROWS, y, WEIGHT, settings_of(family, losses), 2).detach().round(decimals=6).item()
        for losses in LOSSES
    }
    assert len(values) == len(LOSSES) - (family == "multinomial")


@FAMILIES
@pytest.mark.parametrize("k", [2, N_EXPERTS])
def test_its_gradient_is_its_slope(family, k):
    """By central differences along the parameters, of which a few of each array are looked at.

    The share of the choices in the loss of balance is no function of the parameters but where a choice changes.
    """
    settings = settings_of(family, "everything")
    network, y = network_of(family, k=k), RESPONSES[family]
    epoch = 2 if k == N_EXPERTS else 7

    def value():
        return minimised(network, ROWS, y, WEIGHT, settings, epoch)

    value().backward()
    step, n_seen = 1e-6, 0
    for name, parameter in network.named_parameters():
        slopes = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        flat = parameter.data.view(-1)
        for at in range(0, flat.numel(), max(flat.numel() // 4, 1)):
            before = flat[at].item()
            flat[at] = before + step
            above = value().item()
            flat[at] = before - step
            below = value().item()
            flat[at] = before
            assert float(slopes.view(-1)[at]) == pytest.approx((above - below) / (2 * step), abs=2e-7), name
            n_seen += abs(above - below) > 1e-9
    assert n_seen > 60


@FAMILIES
def test_weights_are_counts(family):
    """A row of weight 2 is two rows, and one of weight 0 none."""
    settings = settings_of(family, "everything")
    network, y = network_of(family), RESPONSES[family]
    counts = torch.arange(N_ROWS) % 3
    twice = torch.repeat_interleave(torch.arange(N_ROWS), counts)
    weighted = minimised(network, ROWS, y, counts / counts.double().mean(), settings, 7)
    repeated = minimised(network, ROWS.some(twice), y[twice], torch.ones(len(twice)).double(), settings, 7)
    assert weighted.item() == pytest.approx(repeated.item(), abs=1e-12)


@FAMILIES
def test_members_are_trained_each_for_itself(family):
    """The mean of the losses of networks that have one member each."""
    network, y = network_of(family), RESPONSES[family]
    together = minimised(network, ROWS, y, WEIGHT, USUAL, 7).item()
    log_prob = network.log_prob(ROWS, y).detach()
    assert log_prob.shape == (N_ROWS, N_MEMBERS)
    assert together == pytest.approx(-float((WEIGHT[:, None] * log_prob).mean()), abs=1e-12)
    ensemble = float((WEIGHT * log_prob.logsumexp(1)).mean()) - np.log(N_MEMBERS)
    assert -together < ensemble - 0.01  # by Jensen's inequality


def test_one_expert_has_no_gate_to_keep_in_order():
    a = network_of("multinomial").architecture
    network = Network(replace(a, n_experts=1), (), *router_records("topk", 1, None), generator(1)).double()
    settings = replace(USUAL, k=1, n_experts=1, balance=5.0, z_loss=5.0, entropy=5.0)
    plain = replace(settings, balance=0.0, z_loss=0.0, entropy=0.0)
    y = RESPONSES["multinomial"]
    values = [minimised(network, ROWS, y, WEIGHT, one, 1).item() for one in (settings, plain)]
    assert values[0] == values[1]
