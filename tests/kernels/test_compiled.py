"""Compiled code on disk: none where nothing can be written, and none that an older source left."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import skmoe

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


PROBABILITIES = """
import numpy as np
from skmoe.kernels import softmax
logits = np.array([[[0.0], [np.log(3.0)]]])
softmax.softmax(logits, prob := np.empty_like(logits))
print(*prob.ravel().round(6), sum(softmax.softmax.stats.cache_hits.values()))
"""


def test_what_is_kept_is_forgotten_when_a_kernel_inside_it_changes(tmp_path):
    copied = tmp_path / "skmoe"
    shutil.copytree(Path(skmoe.__file__).parent, copied, ignore=shutil.ignore_patterns("__pycache__"))
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "kept")}

    def told() -> list[float]:
        command = [sys.executable, "-c", PROBABILITIES]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=tmp_path)
        return [float(word) for word in done.stdout.split()]

    assert told() == [0.25, 0.75, 0]
    assert told() == [0.25, 0.75, 1]
    elementary = copied / "kernels" / "elementary.py"
    source = elementary.read_text(encoding="utf-8")
    changed = source.replace("return _exp(max(x, _SMALLEST))", "return 1.0")
    assert changed != source
    elementary.write_text(changed, encoding="utf-8")
    assert told() == [0.5, 0.5, 0]
