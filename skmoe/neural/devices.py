"""Devices that are here, and what is said of those that are not."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def asked(move: Callable[[Tensor], Tensor], probe: Tensor, wanted: str) -> Tensor:
    """What a move to a device makes of a tensor without numbers.

    Raises
    ------
    ValueError
        Where the device is not on this machine.
    """
    try:
        return move(probe)
    except (AssertionError, RuntimeError, NotImplementedError) as error:
        reason = str(error).strip().split("\n")[0].rstrip(".")
        here = ", ".join(map(repr, _here()))
        raise ValueError(f"{wanted} is not on this machine ({reason}): expected one of {here}.") from error


def _here() -> list[str]:
    """Names of the devices that torch finds."""
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if accelerator is None:
        return ["cpu"]
    return ["cpu", *(f"{accelerator.type}:{number}" for number in range(torch.accelerator.device_count()))]
