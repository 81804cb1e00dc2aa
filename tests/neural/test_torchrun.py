"""Under torchrun the same fit shares the rows of every batch: what it ends with is what one process ends with."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch")

SCRIPT = textwrap.dedent(
    """
    import sys
    import numpy as np
    import torch
    from skmoe.neural import SparseMoEClassifier, SparseMoERegressor

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(203, 3))
    X[::7, 1] = np.nan
    y = np.sin(3 * X[:, 0]) + 0.1 * rng.normal(size=203)
    weight = rng.integers(0, 3, size=203).astype(float)
    few = {"n_members": 2, "width": 8, "hidden": (4,), "d_embedding": 2, "max_epochs": 4, "random_state": 0}
    found = {}
    for name, more in {
        "batches": {"batch_size": 17},
        "full": {"batch_size": None, "early_stopping": False, "z_loss": 0.01, "entropy": 0.1, "soft_start": 0.5},
    }.items():
        for precision in ("float64", "float32"):
            settings = {**few, **more, "precision": precision}
            model = SparseMoERegressor(4, **settings).fit(X, y, sample_weight=weight)
            found[f"numbers, {name}, {precision}"] = model.predict(X)
            model = SparseMoEClassifier(4, **settings).fit(X, y > 0)
            found[f"classes, {name}, {precision}"] = model.predict_proba(X)
    assert not torch.distributed.is_initialized()  # as it was before
    import os
    np.savez(sys.argv[1] + os.environ.get("RANK", "") + ".npz", **found)
    """
)


def test_two_processes_end_where_one_does(tmp_path):
    script = tmp_path / "fit.py"
    script.write_text(SCRIPT)
    run = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    for command, name in [([sys.executable], "alone"), (run, "shared")]:
        done = subprocess.run([*command, str(script), str(tmp_path / name)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    alone, first, second = (np.load(tmp_path / f"{name}.npz") for name in ("alone", "shared0", "shared1"))
    for name in alone.files:
        np.testing.assert_array_equal(first[name], second[name])
        tolerance = 1e-9 if "float64" in name else 1e-5
        np.testing.assert_allclose(first[name], alone[name], rtol=tolerance, atol=tolerance, err_msg=name)
