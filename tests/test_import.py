"""What ``import skmoe`` loads."""

from __future__ import annotations

import subprocess
import sys

import pytest


def loaded(statement):
    """Names of the modules that a fresh interpreter holds after a statement."""
    script = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.fixture(scope="module")
def skmoe_loads():
    return loaded("import skmoe")


@pytest.mark.parametrize("package", ["numba", "matplotlib", "torch", "dask", "polars", "pytest"])
def test_import_is_light(skmoe_loads, package):
    assert package not in skmoe_loads


def test_pandas_is_loaded_by_scikit_learn_if_at_all(skmoe_loads):
    sklearn_loads = loaded("import sklearn.base, sklearn.utils, sklearn.exceptions")
    assert "pandas" not in skmoe_loads - sklearn_loads


def test_estimators_are_there(skmoe_loads):
    assert {"skmoe.regression", "skmoe.classification"} <= skmoe_loads
    assert not {
        name for name in skmoe_loads if name.startswith(("skmoe.datasets", "skmoe.inspection", "skmoe.scoring"))
    }
