"""What tests of scripts share."""

from __future__ import annotations

import pytest


@pytest.fixture
def threads():
    """Gives torch back the threads that a script takes away."""
    torch = pytest.importorskip("torch", reason="skmoe.neural needs torch")
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
