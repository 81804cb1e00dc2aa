"""How seconds of a pass grow with rows, columns, experts, depth and threads.

An exponent is the slope of a straight line through the logarithms. The most rows are read from a file that is mapped
into memory (`numpy.memmap`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from skmoe.families import Gaussian

from .machine import cores
from .problems import Problem, gaussian, problem
from .report import Row, Tables
from .timing import alternated, exponent, ratio

_PART = 100_000


def passes(problems: dict[int | str, Problem], rounds: int) -> dict[str, np.ndarray]:
    """Seconds of passes with and without information, in turn."""
    functions: dict[str, Callable[[], object]] = {}
    for size, it in problems.items():
        params = it.started(0)
        functions[f"{size} scores"] = lambda it=it, p=params: it.mixture.sums(p, it.rows, information=False)
        functions[f"{size} information"] = lambda it=it, p=params: it.mixture.sums(p, it.rows)
    return alternated(functions, rounds)


def table(
    name: str, problems: dict[int | str, Problem], rounds: int, sizes: Sequence[float] | None = None
) -> list[Row]:
    """Seconds by size, and the exponents below."""
    seconds = passes(problems, rounds)
    kinds = {"scores only, s": "scores", "with information, s": "information"}
    medians = {title: [float(np.median(seconds[f"{s} {kind}"])) for s in problems] for title, kind in kinds.items()}
    rows: list[Row] = [
        {name: size, **{title: found[i] for title, found in medians.items()}} for i, size in enumerate(problems)
    ]
    sizes = list(problems) if sizes is None else sizes  # type: ignore[arg-type]
    return [*rows, {name: "exponent", **{title: exponent(sizes, found) for title, found in medians.items()}}]


def mapped(path: Path, n_rows: int, n_columns: int, n_experts: int) -> Problem:
    """Simulated rows whose X is a file mapped into memory; y is a line and its noise, as far as a pass can tell."""
    rng = np.random.default_rng(0)
    X = np.memmap(path, np.float64, "w+", shape=(n_rows, n_columns))
    y = np.empty(n_rows)
    slopes = rng.standard_normal(n_columns)
    for first in range(0, n_rows, _PART):
        part = X[first : first + _PART]
        part[:] = rng.standard_normal(part.shape)
        y[first : first + _PART] = part @ slopes + rng.standard_normal(len(part))
    X.flush()
    return problem(np.memmap(path, np.float64, "r", shape=(n_rows, n_columns)), y, n_experts, Gaussian())


def threads(it: Problem, rounds: int) -> list[Row]:
    """Seconds by number of threads."""
    params = it.started(0)
    counts = sorted({1, 2, *(n for n in (4, 8, 16) if n <= cores())})
    functions: dict[str, Callable[[], object]] = {}
    for n in counts:
        rows = replace(it.rows, n_jobs=n)
        functions[f"{n} scores"] = lambda r=rows: it.mixture.sums(params, r, information=False)
        functions[f"{n} information"] = lambda r=rows: it.mixture.sums(params, r)
    seconds = alternated(functions, rounds)
    return [
        {
            "threads": n,
            **{
                title: value
                for kind, name in (("scores", "scores only"), ("information", "with information"))
                for title, value in (
                    (f"{name}, s", float(np.median(seconds[f"{n} {kind}"]))),
                    (f"{name}, times faster", ratio(seconds[f"1 {kind}"], seconds[f"{n} {kind}"])),
                )
            },
        }
        for n in counts
    ]


def measured(quick: bool) -> Tables:
    rounds = 2 if quick else 5
    small = 2_000 if quick else 100_000
    most = 20_000 if quick else 10_000_000
    tables: dict[str, list[Row]] = {}
    with tempfile.TemporaryDirectory() as folder:
        by_rows: dict[int | str, Problem] = {n: gaussian(n, 20, 8, alpha=1e-2) for n in (small, small * 10) if n < most}
        if not quick:
            by_rows[3_000_000] = gaussian(3_000_000, 20, 8, alpha=1e-2)
        by_rows[most] = mapped(Path(folder) / "X.bin", most, 20, 8)
        tables["Rows (20 columns, K=8; the most from a file)"] = table("rows", by_rows, rounds)
        del by_rows
    n = small
    columns = (5, 20) if quick else (5, 10, 20, 40, 80)
    tables[f"Columns ({n:,} rows, K=8)"] = table("columns", {p: gaussian(n, p, 8, alpha=1e-2) for p in columns}, rounds)
    experts = (2, 8) if quick else (2, 4, 8, 16, 32)
    tables[f"Experts ({n:,} × 20)"] = table("experts", {k: gaussian(n, 20, k, alpha=1e-2) for k in experts}, rounds)
    it = gaussian(n, 20, 16, alpha=1e-2)
    trees = {1: 16, 2: (4, 4), 4: (2, 2, 2, 2)}
    tables[f"Depth (16 experts, {n:,} × 20)"] = table(
        "depth", {d: problem(it.X, it.y, tree, Gaussian()) for d, tree in trees.items()}, rounds
    )
    wide = gaussian(20_000 if quick else 1_000_000, 20, 8, alpha=1e-2)
    tables[f"Threads ({len(wide.X):,} × 20, K=8; {cores()} cores)"] = threads(wide, rounds)
    return tables
