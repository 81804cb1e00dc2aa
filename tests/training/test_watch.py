"""Who looks on at training: what they are told, that they may stop a run, and what an interruption leaves behind."""

from __future__ import annotations

import threading
import time
from functools import partial

import numpy as np
import pytest

from skmoe import MoERegressor
from skmoe._init import beginning
from skmoe.datasets import make_moe_regression
from skmoe.training.loop import Settings
from skmoe.training.restarts import SHORT_PASSES, run_starts
from skmoe.training.watch import Watch, Watches

X, y = make_moe_regression(n_samples=300, n_features=3, random_state=0)


class Recorded(Watch):
    """Notes what it is told, and stops every run at a pass."""

    def __init__(self, stop_at=np.inf):
        self.told, self.stop_at, self.lock = [], stop_at, threading.Lock()

    def note(self, *event):
        with self.lock:
            self.told.append(event)

    def began(self, start):
        self.note("began", start)

    def passed(self, start, run):
        self.note("passed", start)
        return run.n_passes >= self.stop_at

    def ended(self, start, run):
        self.note("ended", start)

    def of(self, start):
        return [event for event, i in self.told if i == start]


@pytest.fixture(scope="module")
def task():
    tasks = []

    class Caught(MoERegressor):
        def _plan(self, task, labels, previous):
            starts = beginning(self.init, labels, previous, task, self.n_experts, range(self.n_init)).starts
            tasks.append((task, [partial(start, task.mixture, task.rows) for start in starts]))
            return super()._plan(task, labels, previous)

    Caught(3, n_init=4, random_state=0).fit(X, y)
    return tasks[0]


@pytest.mark.parametrize("keep_all", [True, False])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_every_start_begins_passes_and_ends_once(task, keep_all, n_jobs):
    watch = Recorded()
    (mixture, rows), starts = task
    runs = run_starts(mixture, rows, starts, Settings(), keep_all=keep_all, n_jobs=n_jobs, watch=watch)
    for i, run in enumerate(runs):
        events = watch.of(i)
        assert events[0] == "began"
        assert events[-1] == "ended"
        assert set(events[1:-1]) == {"passed"}
        assert len(events) - 2 <= run.n_passes
    if not keep_all:
        assert sum(run.n_passes > SHORT_PASSES + 5 for run in runs) <= 2


def test_a_run_stops_where_it_is_told_to(task):
    (mixture, rows), starts = task
    runs = run_starts(mixture, rows, starts, Settings(), keep_all=True, watch=Recorded(stop_at=7))
    assert {run.state for run in runs} == {"interrupted"}
    assert max(run.n_passes for run in runs) < 12


def test_all_look_on_although_the_first_says_stop(task):
    first, second = Recorded(stop_at=1), Recorded()
    (mixture, rows), starts = task
    run_starts(mixture, rows, starts[:1], Settings(), keep_all=True, watch=Watches([first, second]))
    assert first.told == second.told == [("began", 0), ("passed", 0), ("ended", 0)]


def test_an_interruption_ends_runs_in_other_threads(task):
    """Ctrl-C reaches the main thread only; the others must not go on for a thousand passes."""

    class Interrupting(Watch):
        def passed(self, start, run):
            if start == 0 and run.n_passes > 5:
                raise KeyboardInterrupt
            return False

    (mixture, rows), starts = task
    endless = Settings(tol=1e-300, max_passes=10**9, memory=0)
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        run_starts(mixture, rows, starts, endless, keep_all=True, n_jobs=2, watch=Interrupting())
    deadline = time.monotonic() + 20
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert threading.active_count() <= before
