"""What is collected where an optional part is missing, what no test leaves behind, and the threads of a worker."""

import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers share the cores. Where each has threads for all of them, those of torch wait for each other: on two cores
    # the neural tests took over ten minutes so, and take two and a half.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

if find_spec("torch") is None:  # the tests of this part say so themselves; doctests cannot
    collect_ignore_glob = ["skmoe/neural/*", "docs/neural/*"]


@pytest.fixture(autouse=True)
def _figures_are_closed() -> Iterator[None]:
    """Pages and docstrings draw, and matplotlib warns where more than twenty figures are open in a process."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
