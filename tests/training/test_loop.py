"""The loop: what it believes of its memory."""

from __future__ import annotations

import numpy as np

from skmoe import MoERegressor
from skmoe.datasets import make_moe_regression
from skmoe.training.loop import Run, Settings
from skmoe.training.starts import hyperplanes


def begun(n_passes: int) -> Run:
    caught = []

    class Caught(MoERegressor):
        def _plan(self, task, labels, previous):
            caught.append(task)
            return super()._plan(task, labels, previous)

    X, y = make_moe_regression(n_samples=300, n_features=3, n_experts=4, noise=0.3, random_state=3)
    Caught(4, n_init=1, move_budget=0, random_state=0).fit(X, y)
    (task,) = caught
    start = hyperplanes(task.mixture, task.rows, np.random.default_rng(0))
    return Run(task.mixture, start, task.rows, Settings()).advance(n_passes)


def test_a_memory_that_promises_more_than_was_ever_gained_is_forgotten():
    run = begun(20)
    assert not run.finished
    gained = run.objective - run.history[0]["objective"]
    run._memory.clear()
    run._memory.push(1e6 * run.point.gradient, run.point.gradient)  # hardly any curvature along the gradient
    promised = 0.5e6 * float(run.point.gradient @ run.point.gradient)
    assert promised > gained
    run._direction()
    assert run.decrement < gained
    assert not len(run._memory)
