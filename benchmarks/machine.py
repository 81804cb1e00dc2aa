"""The machine and the libraries that something was measured with."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np  # loads the BLAS that is described
import scipy.linalg  # and its own
from threadpoolctl import threadpool_info

import skmoe

#: Variables that say how many threads a library takes.
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def described() -> dict[str, str]:
    """What it is, in words."""
    return {
        "processor": f"{processor()}, {cores()} cores",
        "memory": memory(),
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "scipy", "numba", "scikit-learn")},
        "skmoe": skmoe.__version__,
        "BLAS": blas(),
        "load": load(),
    }


def processor() -> str:
    """The name of the processor."""
    cpuinfo = Path("/proc/cpuinfo")
    names = [line for line in cpuinfo.read_text().splitlines() if "model name" in line] if cpuinfo.exists() else []
    return names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine()


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory() -> str:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return "unknown"
    return f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB"


def blas() -> str:
    """Libraries of matrix products, each with the kernels it chose for this processor and its threads."""
    assert np.__version__
    assert scipy.linalg.__name__
    found = (
        f"{i['internal_api']} {i['version']} ({i.get('architecture', '')}, {i['num_threads']} thread"
        f"{'s' * (i['num_threads'] > 1)})"
        for i in threadpool_info()
        if i["user_api"] == "blas"
    )
    return ", ".join(dict.fromkeys(found))


def load() -> str:
    """What else the machine did in the last minute."""
    return f"{os.getloadavg()[0]:.1f} processes in the last minute" if hasattr(os, "getloadavg") else "unknown"
