"""Restarts: many starts, short runs, and what is kept of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache, partial
from threading import Event

from joblib import Parallel, delayed
from threadpoolctl import ThreadpoolController

from ..mixture import Mixture, Params
from ..rows.source import Rows
from .loop import Run, Settings
from .watch import Watch

#: Passes after which the starts of a fit are compared, and how many of them go on.
SHORT_PASSES = 25
N_FINALISTS = 2
#: A later start replaces an earlier one only if it is better by more than this fraction.
_TIE = 1e-9

Start = Callable[[], Params]


@lru_cache(maxsize=1)
def _threads() -> ThreadpoolController:
    return ThreadpoolController()


def run_starts(
    mixture: Mixture,
    rows: Rows,
    starts: Sequence[Start],
    settings: Settings,
    *,
    keep_all: bool,
    n_jobs: int | None = None,
    watch: Watch | None = None,
) -> list[Run]:
    """Run every start: all to the end, or all a little way and the best of them to the end.

    Runs share the rows and nothing else, and the linear algebra inside a run is held to one thread, so the result has
    the same bits for any ``n_jobs``.

    Parameters
    ----------
    keep_all : bool
        Whether every run goes to the end (averages), or only the best few (a single fit).
    watch : Watch, optional
        Who looks on.

    Returns
    -------
    list of Run
        In the order of the starts.
    """
    watch = Watch() if watch is None else watch
    first = settings.max_passes if keep_all or len(starts) == 1 else min(SHORT_PASSES, settings.max_passes)

    if len(starts) > 1:
        rows = rows.in_turn()  # threads take starts, not parts of the rows
    short = first < settings.max_passes
    abandoned = Event()

    def passed(i: int, run: Run) -> bool:
        return watch.passed(i, run) or abandoned.is_set()

    def begin(i: int) -> Run:
        watch.began(i)
        run = Run(mixture, starts[i](), rows, settings).advance(first, partial(passed, i))
        if not short:
            watch.ended(i, run)
        return run

    def finish(i: int) -> None:
        runs[i].advance(settings.max_passes, partial(passed, i))
        watch.ended(i, runs[i])

    # Threads: the work is in numpy, which lets go of the interpreter, and the rows need not be copied.
    parallel = Parallel(n_jobs=n_jobs, require="sharedmem")
    with held_to_one_thread(), _set_on_failure(abandoned):
        runs: list[Run] = parallel(delayed(begin)(i) for i in range(len(starts)))
        if short:
            finalists = sorted(ranked(runs)[:N_FINALISTS])
            for i in sorted(set(range(len(runs))).difference(finalists)):
                watch.ended(i, runs[i])
            parallel(delayed(finish)(i) for i in finalists)
    return runs


def held_to_one_thread() -> AbstractContextManager:
    """Within this the linear algebra uses one thread, so that sums are added in the same order everywhere."""
    return _threads().limit(limits=1, user_api="blas")


@contextmanager
def _set_on_failure(event: Event) -> Iterator[None]:
    """Set the event where the body fails or is interrupted, so that threads it leaves behind come to an end."""
    try:
        yield
    except BaseException:
        event.set()
        raise


def ranked(runs: Sequence[Run]) -> list[int]:
    """Numbers of the runs, best objective first; ties within rounding in the order of the starts."""
    order: list[int] = []
    for i, run in enumerate(runs):
        at = len(order)
        while at and run.objective > runs[order[at - 1]].objective + _TIE * abs(runs[order[at - 1]].objective):
            at -= 1
        order.insert(at, i)
    return order
