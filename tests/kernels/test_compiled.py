"""Kernels where nothing can be written to disk."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import numba.core.caching as caching
caching.CompileResultCacheImpl._locator_classes = []  # neither beside the source nor in the user's cache
import numpy as np
from skmoe import MoERegressor
X = np.linspace(-1, 1, 60)[:, None]
model = MoERegressor(2, n_init=1, move_budget=0, random_state=0).fit(X, np.abs(X[:, 0]))
from skmoe.kernels import softmax
assert not softmax.shares.stats.cache_path
print(model.score(X, np.abs(X[:, 0])))
"""


def test_without_a_place_for_them_they_are_compiled_anew():
    done = subprocess.run([sys.executable, "-W", "error", "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    assert float(done.stdout) > 0.99
