"""Two processes that talk through gloo, for what is shared out to several."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="skmoe.neural needs torch")
dist = pytest.importorskip("torch.distributed", reason="this torch was built without processes")

import torch.multiprocessing as mp  # noqa: E402

#: Processes, and seconds after which a run has hung.
WORLD, PATIENCE = 2, 120


def in_two_processes(work: Callable[[int], Any], folder: Path) -> list[Any]:
    """What ``work(rank)``, a function of a module, returns in each of two processes of the default group.

    It has to return what ``torch.save`` can write. A folder is used once.
    """
    if not (dist.is_available() and dist.is_gloo_available()):
        pytest.skip("this torch was built without gloo")
    running = mp.spawn(_start, (work, str(folder)), nprocs=WORLD, join=False)
    deadline = time.monotonic() + PATIENCE
    try:
        while not running.join(timeout=1):  # raises what a process raised
            if time.monotonic() > deadline:
                pytest.fail(f"two processes have not ended in {PATIENCE} seconds")
    finally:
        for process in running.processes:
            if process.is_alive():
                process.kill()
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(WORLD)]


def _start(rank: int, work: Callable[[int], Any], folder: str) -> None:
    torch.set_num_threads(1)
    meet, patience = f"file://{folder}/meet", timedelta(seconds=PATIENCE / 2)
    dist.init_process_group("gloo", init_method=meet, rank=rank, world_size=WORLD, timeout=patience)
    try:
        torch.save(work(rank), f"{folder}/{rank}.pt")
    finally:
        dist.destroy_process_group()


def half(values: torch.Tensor, rank: int | None) -> torch.Tensor:
    """The rows of one of two processes; all where there is one process, which has no rank."""
    return values if rank is None else values.chunk(WORLD)[rank]


def averaged(values: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Means over processes, as DistributedDataParallel makes them of gradients."""
    for value in values.values():
        dist.all_reduce(value)
    return {name: value / WORLD for name, value in values.items()}
