"""Which implementation is fast where, as measured (``benchmarks/neural.py``)."""

from __future__ import annotations

from typing import Any

from ..routing import Routing


def choose(routing: Routing, experts: Any) -> str:
    """Name of an implementation that can compute these experts."""
    possible = experts.implementations
    if routing.k == routing.n_experts and "dense" in possible:
        return "dense"
    return "grouped" if "grouped" in possible else "loop"
