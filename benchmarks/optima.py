"""How often a fit ends at the best optimum known: ``python -m benchmarks.optima [sets]``.

For every set two hundred single starts (a hundred random hyperplanes, a hundred tilts) say what is there to be found;
the best objective of any run is kept in ``optima.json``. Then thirty default fits, which start five times, go on from
the best two and make moves from there, say how often it is found, and at what cost in single fits, by passes over the
rows and by the clock. The other kinds of start are run fifty times for their curves of probability against cost.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.data import load
from skmoe import MoERegressor
from skmoe.training.starts import STARTS

#: Experts of each set.
SETS = {
    "tonedata": 2,
    "nodata": 2,
    "tempanomalies": 3,
    "mcycle": 4,
    "ethanol": 3,
    "yacht": 4,
    "airfoil": 4,
    "concrete": 6,
    "kin8nm": 8,
    "power": 8,
}
KNOWN = Path(__file__).with_name("optima.json")
#: Nats a row within which an optimum counts as reached.
NEAR = 1e-3
N_RANDOM, N_OTHERS, N_FITS = 100, 50, 30


class Fits(NamedTuple):
    """Objectives, passes and seconds of fits, one a seed."""

    objective: np.ndarray
    passes: np.ndarray
    seconds: np.ndarray


def fits(name: str, n: int, **params: Any) -> tuple[Fits, list[MoERegressor]]:
    """Fits of a set with seeds 0 to n - 1."""
    arrays, models, seconds = load(name), [], []
    for seed in range(n):
        model = MoERegressor(SETS[name], scale_floor=1e-2, random_state=seed, **params)
        begin = time.perf_counter()
        models.append(model.fit(arrays["X"], arrays["y"]))
        seconds.append(time.perf_counter() - begin)
    objective, passes = np.array([(model.objective_, model.n_passes_) for model in models]).T
    return Fits(objective, passes, np.array(seconds)), models


def measured(name: str) -> dict[str, Any]:
    """All that is told of a set."""
    n_rows = len(load(name)["y"])
    numbers = {kind: N_RANDOM if kind in ("hyperplanes", "tilt") else N_OTHERS for kind in STARTS}
    single = {kind: fits(name, n, init=kind, n_init=1, move_budget=0)[0] for kind, n in numbers.items()}
    random = Fits(*(np.concatenate(pair) for pair in zip(single["hyperplanes"], single["tilt"], strict=True)))
    best = random.objective.max()
    default, models = fits(name, N_FITS)
    cost = default.passes.mean() / random.passes.mean()
    found = {kind: fit.objective.max() for kind, fit in single.items()} | {"default": default.objective.max()}
    rng = np.random.default_rng(0)
    same_cost = np.median([rng.choice(random.objective, round(cost)).max() for _ in range(2000)])
    return {
        "n_rows": n_rows,
        "n_experts": SETS[name],
        "best_of_200": best,
        "best_known": max(found.values()),
        "found_by": max(found, key=found.__getitem__),
        "reached": float((default.objective >= best - NEAR * n_rows).mean()),
        "median_gap": float(best - np.median(default.objective)) / n_rows,
        "median_gap_of_random": float(best - same_cost) / n_rows,
        "cost": cost,
        "cost_by_clock": default.seconds.mean() / random.seconds.mean(),
        "hit": {k: float((f.objective >= best - NEAR * n_rows).mean()) for k, f in single.items()},
        "cost_of_one": {k: float(f.seconds.mean() / random.seconds.mean()) for k, f in single.items()},
        "curve": curve(models, cost, best - NEAR * n_rows),
    }


def curve(models: list[MoERegressor], cost: float, bar: float) -> list[float]:
    """Part of the default fits that had passed the bar once 1, 2, ... single fits had been spent."""
    spent, reached = [], []
    for model in models:
        passes = [sum(history[-1]["pass"] for history in model.start_histories_)]
        passes += [history[-1]["pass"] for history in model.move_histories_]
        best = np.maximum.accumulate([model.start_objectives_.max(), *model.move_objectives_])
        spent.append(np.cumsum(passes) * cost / sum(passes))
        reached.append(best >= bar)
    budget = np.arange(1, round(cost) + 2)
    hits = [[bool((r & (s <= b)).any()) for b in budget] for s, r in zip(spent, reached, strict=True)]
    return [float(part) for part in np.mean(hits, axis=0)]


def table(results: dict[str, dict[str, Any]]) -> str:
    """The results in Markdown."""
    lines = [
        "| set | rows | K | best of 200 | best known, by | reached | cost | by clock | median gap | of random starts |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, r in results.items():
        lines.append(
            f"| {name} | {r['n_rows']:,} | {r['n_experts']} | {r['best_of_200']:.3f} | {r['best_known']:.3f}, "
            f"{r['found_by']} | {r['reached']:.0%} | {r['cost']:.1f} | {r['cost_by_clock']:.1f} | "
            f"{r['median_gap']:.4f} | {r['median_gap_of_random']:.4f} |"
        )
    lines += ["", f"| set | {' | '.join(STARTS)} |", "|---|" + "---|" * len(STARTS)]
    for name, r in results.items():
        lines.append(
            f"| {name} | " + " | ".join(f"{r['hit'][k]:.2f} ({r['cost_of_one'][k]:.1f})" for k in STARTS) + " |"
        )
    return "\n".join(lines)


def main(names: list[str]) -> None:
    results = json.loads(KNOWN.read_text(encoding="utf-8")) if KNOWN.exists() else {}
    for name in names or SETS:
        results[name] = measured(name)
        KNOWN.write_text(json.dumps({k: results[k] for k in SETS if k in results}, indent=1) + "\n", encoding="utf-8")
        print(table({name: results[name]}), flush=True)
    print(table(results))


if __name__ == "__main__":
    main(sys.argv[1:])
