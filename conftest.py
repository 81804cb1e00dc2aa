"""What is collected where an optional part is missing, and what no test leaves behind."""

import sys
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

if find_spec("torch") is None:  # the tests of this part say so themselves; doctests cannot
    collect_ignore_glob = ["skmoe/neural/*", "docs/neural/*"]


@pytest.fixture(autouse=True)
def _figures_are_closed() -> Iterator[None]:
    """Pages and docstrings draw, and matplotlib warns where more than twenty figures are open in a process."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
