"""Routers by name, as records for the blocks and for the head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from ..routers.expert_choice import ExpertChoice
from ..routers.gshard import GShard
from ..routers.multi_task import MultiTask
from ..routers.noisy_topk import NoisyTopK
from ..routers.protocol import Router, check_router
from ..routers.soft import Soft
from ..routers.switch import Switch
from ..routers.topk import TopK

#: Of experts a row and the capacity factor the record of a name.
_NAMED: dict[str, Callable[[int, float | None], Router]] = {
    "topk": lambda k, factor: TopK(k=k, bias=True, capacity_factor=factor),
    "soft": lambda k, factor: Soft(),
    "noisy_topk": lambda k, factor: NoisyTopK(k=k),
    "switch": lambda k, factor: Switch(capacity_factor=factor),
    "gshard": lambda k, factor: GShard(capacity_factor=factor),
}

#: Names of routers whose experts can be full.
_LIMITED = ("topk", "switch", "gshard")


def router_records(router: Any, k: int, capacity_factor: float | None) -> tuple[Router, Router]:
    """The routers of the blocks and of the head, in which every row must get its experts: nothing is dropped there.

    Raises
    ------
    ValueError
        Where rows may get no expert of their own, or a capacity factor has no place in the router.
    """
    if capacity_factor is not None and not (isinstance(router, str) and router in _LIMITED):
        own = "drops no rows" if isinstance(router, str) else "is a record, with settings of its own"
        raise ValueError(
            f"capacity_factor={capacity_factor} goes with router='topk', 'switch' and 'gshard', but router={router!r} "
            f"{own}. Leave it out, or give router as one of these names or as a record that has it, such as "
            f"TopK(k={k}, capacity_factor={capacity_factor})."
        )
    record = _NAMED[router](k, capacity_factor) if isinstance(router, str) else router
    check_router("router", record)
    if isinstance(record, ExpertChoice | MultiTask):
        reason = "has a gate for every task" if isinstance(record, MultiTask) else "may leave a row without an expert"
        raise ValueError(
            f"router={record!r} {reason}, and an estimator predicts every row by experts of its own. Use a router of "
            "rows alone, such as TopK or Soft."
        )
    names = {field.name for field in fields(record)}
    head = replace(record, capacity_factor=None) if "capacity_factor" in names else record
    return record, head
