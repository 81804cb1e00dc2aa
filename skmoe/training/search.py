"""Search: starts, short runs, moves, and what is kept of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from ..mixture import Mixture, Params
from ..rows.source import Rows
from ..rows.thinning import thinned
from .loop import Run, Settings
from .reseating import walk
from .restarts import N_FINALISTS, held_to_one_thread, ranked, run_starts
from .watch import Watch

#: Rows on which starts are compared and moves are made; where there are more, these stand for them.
SEARCH_ROWS = 20_000

#: Moves end when the next step promises less, in total nats; the best of them goes on.
_ROUGH_TOL = 1e-2

#: Runs whose objectives differ by less than this fraction are at the same optimum.
_SAME = 1e-6

#: Makes first parameters for some rows.
Start = Callable[[Mixture, Rows], Params]


class Found(NamedTuple):
    """What a search found.

    Attributes
    ----------
    kept : list of Run
        The runs that count, best first; one, or for an average one a start.
    starts, moves : list of Run
        Every start and every move, in order.
    n_passes : float
        Passes over the rows of all runs together; one over a part of the rows counts for that part.
    """

    kept: list[Run]
    starts: list[Run]
    moves: list[Run]
    n_passes: float


def search(
    mixture: Mixture,
    rows: Rows,
    starts: Sequence[Start],
    *,
    settings: Settings,
    thin: bool,
    move_budget: float,
    rng: np.random.Generator,
    keep_all: bool,
    n_jobs: int | None = None,
    watch: Watch | None = None,
) -> Found:
    """Run the starts and move on from the best of them.

    Parameters
    ----------
    thin : bool
        Whether to search on a part of the rows where there are more than `SEARCH_ROWS`, and go on from there on all.
    move_budget : float
        Passes of all moves from the best start together, in multiples of those of a run that goes to its end (see
        `skmoe.training.reseating`). Where weights do not exceed the parameters nothing moves: better optima there are
        closer to single rows (4 experts on 60 rows of ten columns: 8 nats better, held-out rows 3 to 14 nats worse).
    keep_all : bool
        Whether every start goes to the end (averages; no moves), or the best few (a single fit).
    """
    watch = Watch() if watch is None else watch
    few = thinned(rows, SEARCH_ROWS) if thin else rows
    begun = [partial(start, mixture, few) for start in starts]
    if keep_all:
        runs = run_starts(mixture, rows, begun, settings, keep_all=True, n_jobs=n_jobs, watch=watch)
        return Found([runs[i] for i in ranked(runs)], runs, [], sum(run.n_passes for run in runs))
    runs = run_starts(mixture, few, begun, settings, keep_all=False, n_jobs=n_jobs, watch=watch)
    whole = [runs[i] for i in ranked(runs)[:N_FINALISTS]]
    moves: list[Run] = []
    if move_budget and not (whole[0].interrupted or whole[0].scarce):
        rough = max(settings.tol, _ROUGH_TOL)
        with held_to_one_thread():
            moves = walk(whole, move_budget, rng, replace(settings, tol=rough), _Shifted(watch, len(runs)))
            best = [*runs, *moves][ranked([*runs, *moves])[0]]
            best.refined(settings).advance(settings.max_passes)
    candidates = [*runs, *moves]
    n_passes = float(sum(run.n_passes for run in candidates))
    candidates = [candidates[i] for i in ranked(candidates)]
    if few is not rows:
        n_passes *= few.n_rows / rows.n_rows
        distinct = _distinct(candidates)[:N_FINALISTS]
        with held_to_one_thread():
            whole = [Run(mixture, run.params, rows, settings).advance(settings.max_passes) for run in distinct]
        n_passes += sum(run.n_passes for run in whole)
        candidates = [whole[i] for i in ranked(whole)]
    return Found(candidates[:1], runs, moves, n_passes)


def _distinct(runs: list[Run]) -> list[Run]:
    """Runs without those that ended where a better one did."""
    kept = runs[:1]
    for run in runs[1:]:
        if kept[-1].objective - run.objective > _SAME * abs(run.objective):
            kept.append(run)
    return kept


class _Shifted(Watch):
    """Moves are seen as starts that come after the starts."""

    def __init__(self, watch: Watch, n_starts: int):
        self._watch, self._n_starts = watch, n_starts

    def began(self, start: int) -> None:
        self._watch.began(self._n_starts + start)

    def passed(self, start: int, run: Run) -> bool:
        return self._watch.passed(self._n_starts + start, run)

    def ended(self, start: int, run: Run) -> None:
        self._watch.ended(self._n_starts + start, run)
