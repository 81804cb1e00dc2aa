"""Processes that train one network: those that torchrun started."""

from __future__ import annotations

import atexit
import os

import torch
import torch.distributed as dist
from torch.distributed import ProcessGroup


def processes() -> ProcessGroup | None:
    """The processes that share the rows, None where this is the only one.

    Under ``torchrun`` a group of all processes is made by the first fit, unless there is one already. It stays until
    the program ends: a second group of the same processes would meet the addresses of the first, and wait for ever.
    """
    if not dist.is_available() or int(os.environ.get("WORLD_SIZE", "1")) < 2 or "RANK" not in os.environ:
        return None
    if not dist.is_initialized():
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
        atexit.register(_end)
    return dist.group.WORLD


def _end() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()
