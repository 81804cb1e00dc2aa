"""What one meets first: the import, the first fit of a process, a default fit of few rows, the size of the wheel.

Every import and first fit is a process of its own; seconds are those that the process itself counts.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import numpy as np

from skmoe import MoEClassifier, MoERegressor

from .process import carried_out
from .report import Row, Tables
from .timing import alternated

_TIMED = "import time; t = time.perf_counter(); {code}; print(time.perf_counter() - t)"
_FIRST_FIT = (
    "import numpy as np; from skmoe import MoERegressor; rng = np.random.default_rng(0); "
    "X, y = rng.normal(size=(30, 10)), rng.normal(size=30); MoERegressor(n_init=1, random_state=0).fit(X, y)"
)
#: What a process may be asked to do, and in how many rounds.
_TASKS = {
    "import sklearn": "import sklearn",
    "import sklearn.linear_model": "import sklearn.linear_model",
    "import skmoe": "import skmoe",
    "import and first fit, kernels compiled before": _FIRST_FIT,
}


def told(code: str, cache: str | None = None) -> float:
    """Seconds that a process counts."""
    environment = dict(os.environ) | ({} if cache is None else {"NUMBA_CACHE_DIR": cache})
    command = [sys.executable, "-W", "ignore", "-c", _TIMED.format(code=code)]
    ended = carried_out(command, environment=environment)
    if ended.failed or ended.stopped:
        raise RuntimeError(ended.errors or "The process was stopped because it took too long.")
    return float(ended.output)


def processes(rounds: int) -> list[Row]:
    told(_FIRST_FIT)
    seconds = np.array([[told(code) for code in _TASKS.values()] for _ in range(rounds)])
    rows: list[Row] = [
        {"what": name, "seconds": float(np.median(s)), "slowest": float(s.max())}
        for name, s in zip(_TASKS, seconds.T, strict=True)
    ]
    over = seconds[:, 2] / seconds[:, 0]
    return [
        *rows,
        {"what": "import skmoe over import sklearn", "seconds": float(np.median(over)), "slowest": float(over.max())},
    ]


def compiling() -> Row:
    """A first fit with an empty cache."""
    with tempfile.TemporaryDirectory() as cache:
        seconds = told(_FIRST_FIT, cache)
    return {"what": "import and first fit, nothing compiled", "seconds": seconds, "slowest": seconds}


def small_fits(rounds: int) -> list[Row]:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 10)), rng.normal(size=30)
    rows: list[Row] = []
    for kind, response in ((MoERegressor, y), (MoEClassifier, y > 0)):
        fits = {str(seed): lambda s=seed, k=kind, r=response: k(random_state=s).fit(X, r) for seed in range(rounds)}
        seconds = [float(np.median(s)) for s in alternated(fits, 3).values()]
        what = f"default {kind.__name__}, 30 × 10, {rounds} seeds"
        rows.append({"what": what, "seconds": float(np.median(seconds)), "slowest": max(seconds)})
    return rows


def wheel() -> list[Row]:
    """Size of the wheel, where one can be built."""
    root = Path(__file__).parents[1]
    with tempfile.TemporaryDirectory() as folder:
        ended = carried_out([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, str(root)])
        built = list(Path(folder).glob("*.whl"))
        if ended.failed or not built:
            return [{"note": "No wheel could be built here: pip found no hatchling."}]
        return [{"what": "wheel", "KiB": built[0].stat().st_size / 1024}]


def measured(quick: bool) -> Tables:
    import warnings

    rounds = 2 if quick else 7
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits = small_fits(rounds)
    table = [*processes(rounds), *([] if quick else [compiling()]), *fits]
    return {"Beginning": table} | ({} if quick else {"Size": wheel()})
