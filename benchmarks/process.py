"""Other programs: their output, how long they took, and the most memory they had."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

_POLL = 0.02


class Ended(NamedTuple):
    """How a program ended.

    Attributes
    ----------
    output, errors : str
    seconds : float
    peak : float
        Most memory it had, in MiB; NaN where the system does not tell.
    stopped : bool
        Whether it was stopped because it took too long.
    failed : bool
    """

    output: str
    errors: str
    seconds: float
    peak: float
    stopped: bool
    failed: bool


def carried_out(command: Sequence[str], limit: float = 600, environment: Mapping[str, str] | None = None) -> Ended:
    """Run a program, at most so many seconds."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        began, peak, stopped = time.perf_counter(), float("nan"), False
        process = subprocess.Popen(command, stdout=output, stderr=errors, env=environment)
        while process.poll() is None:
            peak = memory(process.pid, "VmHWM", peak)
            if time.perf_counter() - began > limit:
                process.kill()
                process.wait()
                stopped = True
            time.sleep(_POLL)
        seconds = time.perf_counter() - began
        output.seek(0)
        errors.seek(0)
        return Ended(output.read(), errors.read(), seconds, peak, stopped, process.returncode != 0 and not stopped)


def answered(module: str, *arguments: object, limit: float = 600) -> dict[str, Any]:
    """What a module of the benchmarks says, as JSON, in a process of its own."""
    ended = carried_out([sys.executable, "-m", module, *map(str, arguments)], limit)
    if ended.stopped or ended.failed:
        raise RuntimeError(f"{module} was stopped after {limit} s." if ended.stopped else ended.errors)
    return json.loads(ended.output)


def memory(process: int | str, what: str, otherwise: float = float("nan")) -> float:
    """Memory of a process in MiB: ``VmRSS``, now, ``RssAnon``, now without what is mapped, or ``VmHWM``, the most so
    far; NaN where the system does not tell."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return otherwise
    found = re.search(rf"^{what}:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) / 1024 if found else otherwise
