"""Sparse mixtures of experts on torch: routers, losses and layers, each the published one.

Needs torch, which nothing else of skmoe loads: ``pip install "skmoe[neural]"``. Names are loaded when first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

#: Where each public name lives.
_HOME = {
    "SparseMoEClassifier": "classifier",
    "SparseMoERegressor": "regressor",
    "MoELayer": "layer",
    "Routing": "routing",
    "AdaptedLinear": "adapters",
    "Activation": "experts.activations",
    "MixtureHead": "heads",
    "MixtureNetwork": "mixture",
    "from_mixture": "mixture",
    "Router": "routers.protocol",
    "Soft": "routers.soft",
    "TopK": "routers.topk",
    "NoisyTopK": "routers.noisy_topk",
    "Switch": "routers.switch",
    "GShard": "routers.gshard",
    "ExpertChoice": "routers.expert_choice",
    "Gumbel": "routers.gumbel",
    "Attentive": "routers.attentive",
    "Hierarchical": "routers.hierarchical",
    "MultiTask": "routers.multi_task",
    "importance_loss": "losses",
    "load_loss": "losses",
    "balance_loss": "losses",
    "z_loss": "losses",
    "entropy_loss": "losses",
    "mutual_information_loss": "losses",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        message = f'skmoe.neural.{name} needs torch, which is not installed: pip install "skmoe[neural]"'
        raise ImportError(message, name="torch") from error


def __dir__() -> list[str]:
    return sorted(__all__)
