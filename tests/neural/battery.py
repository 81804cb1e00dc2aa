"""Every router and every kind of experts, for the tests that all of them pass; and what a layer is, row by row."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason='torch is not installed: pip install "skmoe[neural]"')

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
)

#: Routers of eight experts, by name.
ROUTERS = {
    "soft": Soft(),
    "tree": Soft(tree=((2, 2), 4), temperature=0.7),
    "topk": TopK(k=2, bias=True),
    "top1": TopK(k=1, renormalize=False),
    "deepseek": TopK(k=3, score="sigmoid", bias_rate=1e-2, n_groups=4, groups_kept=2, scale=2.5),
    "capacity": TopK(k=2, capacity_factor=0.6),
    "priority": TopK(k=2, capacity_factor=0.6, capacity_policy="probability"),
    "noisy": NoisyTopK(k=2),
    "noisy fixed": NoisyTopK(k=3, noise_std=0.5),
    "switch": Switch(capacity_factor=0.8),
    "gshard": GShard(capacity_factor=0.8),
    "expert choice": ExpertChoice(capacity_factor=1.5),
    "gumbel": Gumbel(temperature=0.5),
    "attentive": Attentive(d_hidden=7),
    "hierarchical": Hierarchical(n_groups=4, outer=TopK(k=2), inner=TopK(k=1, renormalize=False)),
    "noisy groups": Hierarchical(n_groups=2, outer=NoisyTopK(k=1), inner=NoisyTopK(k=2)),
    "groups of choice": Hierarchical(n_groups=2, outer=Soft(), inner=ExpertChoice()),
    "mmoe": MultiTask(n_tasks=3),
    "mod-squad": MultiTask(n_tasks=2, router=TopK(k=2)),
}

#: Settings of the experts, by name.
EXPERTS = {
    "relu": {"hidden": (6,)},
    "deep gelu": {"hidden": (6, 4), "activation": "gelu"},
    "swiglu": {"hidden": (6,), "activation": "swiglu", "bias": False},
    "clamped": {"hidden": (6,), "activation": "clamped_swiglu"},
    "linear": {"hidden": ()},
    "shared": {"hidden": (6,), "n_shared": 2, "shared_hidden": (5,), "shared_gate": True},
    "added": {"hidden": (6,), "rank": 2},
    "scaled": {"hidden": (6,), "rank": 3, "rank_form": "scaled"},
}

IMPLEMENTATIONS = ("loop", "grouped", "padded", "dense")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def layer_of(router="topk", experts="relu", *, impl="auto", seed=0, spread=3.0, dtype=torch.float64, **settings):
    """A layer of eight experts on five columns; ``spread`` makes the router, a name or a record, tell rows apart."""
    given = {"n_experts": 8, "router": ROUTERS.get(router, router), **EXPERTS[experts], **settings}
    layer = MoELayer(5, 3, impl=impl, generator=generator(seed), **given).to(dtype)
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            if name.startswith("router"):
                parameter.normal_(0.0, spread / 5**0.5, generator=generator(seed + 1))
            elif name.endswith("up"):  # zero at the start
                parameter.normal_(0.0, 0.5, generator=generator(seed + 2))
    return layer


def rows(n=37, *, seed=9, dtype=torch.float64):
    return torch.randn(n, 5, generator=generator(seed), dtype=dtype)


def one_expert(layer, e, x):
    """What expert e makes of one row (d_in,), by its definition."""
    maps, between = layer.experts.maps, layer.experts.activation
    for number, linear in enumerate(maps):
        names = dict(linear.named_parameters())
        if "before" in names:
            terms = zip(names["before"][e], names["after"][e], strict=True)
            out = sum(((x * before) @ names["shared"]) * after for before, after in terms)
        else:
            matrix = names["weight"][e] if "weight" in names else names["shared"] + names["down"][e] @ names["up"][e]
            out = x @ matrix
        out = out + names["bias"][e] if "bias" in names else out
        x = out if number == len(maps) - 1 else between(out)
    return x


def row_by_row(layer, x, routing):
    """The layer by its equation: for every row, the weighted sum over its choices."""
    answers = []
    for t in range(len(x)):
        index, weight = routing.index[t].reshape(-1, routing.k), routing.weight[t].reshape(-1, routing.k)
        gates = [
            sum(w * one_expert(layer, int(e), x[t]) for e, w in zip(chosen, weights, strict=True))
            for chosen, weights in zip(index, weight, strict=True)
        ]
        answers.append(torch.stack(gates) if routing.index.dim() == 3 else gates[0])
    return torch.stack(answers)
