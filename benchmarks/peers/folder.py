"""A problem in a folder, for programs in other languages: doubles, columns one after another.

``shape.txt`` says how many rows, columns and experts, and the family as R calls it; ``X.bin``, ``y.bin`` and, one a
start, ``z-START.bin`` hold the rows and the responsibilities to start with.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from skmoe.families import Bernoulli, Gaussian

from ..problems import Problem, problem

FAMILIES = {"gaussian": Gaussian, "binomial": Bernoulli}


def write(folder: Path, problem: Problem, family: str, starts: int) -> None:
    n_rows, n_columns = problem.X.shape
    (folder / "shape.txt").write_text(f"{n_rows} {n_columns} {problem.n_experts} {family}\n", encoding="utf-8")
    arrays = {"X": problem.X, "y": problem.y} | {f"z-{s}": problem.responsibilities(s) for s in range(starts)}
    for name, values in arrays.items():
        np.asarray(values, dtype=np.float64).ravel(order="F").tofile(folder / f"{name}.bin")


def read(folder: Path) -> Problem:
    """The problem, without ridges: others have none."""
    n_rows, n_columns, n_experts, family = (folder / "shape.txt").read_text(encoding="utf-8").split()
    shape = (int(n_rows), int(n_columns))
    X = np.ascontiguousarray(np.fromfile(folder / "X.bin").reshape(shape, order="F"))
    return problem(X, np.fromfile(folder / "y.bin"), int(n_experts), FAMILIES[family](), alpha=0.0)
