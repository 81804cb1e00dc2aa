"""Processes that train one network: those that torchrun started."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch.distributed import ProcessGroup


@contextmanager
def processes() -> Iterator[ProcessGroup | None]:
    """The processes that share the rows, None where this is the only one.

    Under ``torchrun`` a group of all processes is made for the time of the fit, unless there is one already.
    """
    if not dist.is_available() or int(os.environ.get("WORLD_SIZE", "1")) < 2 or "RANK" not in os.environ:
        yield None
        return
    begun = not dist.is_initialized()
    if begun:
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield dist.group.WORLD
    finally:
        if begun:
            dist.destroy_process_group()
