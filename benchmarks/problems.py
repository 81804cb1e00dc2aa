"""Problems to time runs on: rows as a mixture sees them, starts that others can be given too, and runs to the end."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np

from skmoe.datasets import make_moe_classification, make_moe_regression
from skmoe.experts import LinearExpert
from skmoe.families import Bernoulli, Family, Gaussian
from skmoe.gates import SoftmaxGate
from skmoe.mixture import Mixture, Params
from skmoe.rows.columns import Columns
from skmoe.rows.source import Rows, array_rows
from skmoe.training.loop import Run, Settings
from skmoe.training.starts.division import trained_on
from skmoe.tree import Tree

#: Nats below its own optimum at which a run counts as there.
NEAR = 0.01
#: Slopes of the hyperplanes that starts divide the rows by, on standardised columns.
_STEEPNESS = 2.0
_TIGHT = 1e-7
#: Tolerances that a run goes on with until it is near its optimum.
_FINER = (1e-5, 1e-6, 1e-7, 1e-8)


class Problem(NamedTuple):
    """A mixture without parameters, the rows as it sees them, and the arrays that these were made of."""

    mixture: Mixture
    rows: Rows
    X: np.ndarray
    y: np.ndarray

    @property
    def n_experts(self) -> int:
        return self.mixture.tree.n_leaves

    def responsibilities(self, seed: int) -> np.ndarray:
        """Responsibilities (n_rows, n_experts) to start with: random steep hyperplanes divide the rows."""
        rng = np.random.default_rng(seed)
        normal = rng.standard_normal((self.X.shape[1], self.n_experts)) * _STEEPNESS / np.sqrt(self.X.shape[1])
        logits = (self.X - self.X.mean(axis=0)) / self.X.std(axis=0) @ normal
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        return shares / shares.sum(axis=1, keepdims=True)

    def started(self, seed: int) -> Params:
        """Parameters to start with: one M-step on these responsibilities."""
        division = self.rows.split(np.ascontiguousarray(self.responsibilities(seed).T), axis=1)
        return trained_on(self.mixture, self.rows, division)


def problem(
    X: np.ndarray,
    y: np.ndarray,
    experts: int | tuple,
    family: Family,
    *,
    alpha: float = 1e-2,
    weight: np.ndarray | None = None,
    n_jobs: int | None = None,
) -> Problem:
    """Linear experts behind softmax gates of the same columns, with one ridge; the scale floor is the default."""
    weight = np.ones(len(X)) if weight is None else weight
    expert = LinearExpert(family, alpha=alpha).adapted(y[:, None], weight)
    mixture = Mixture.of(Tree.parse(experts), SoftmaxGate(alpha), expert)
    columns = Columns.of(X, weight, np.arange(X.shape[1]))
    return Problem(mixture, array_rows(mixture, columns, columns, X, y[:, None], weight, n_jobs=n_jobs), X, y)


def gaussian(n_rows: int, n_columns: int, n_experts: int, *, alpha: float = 0.0, gate_scale: float = 4.0) -> Problem:
    """Simulated rows of linear Gaussian experts that overlap: their noise is half as large as their signal."""
    X, y = make_moe_regression(n_rows, n_columns, n_experts=n_experts, noise=0.5, gate_scale=gate_scale, random_state=0)
    return problem(X, y, n_experts, Gaussian(), alpha=alpha)


def logistic(n_rows: int, n_columns: int, n_experts: int, *, alpha: float = 0.0) -> Problem:
    """Simulated rows of logistic experts."""
    X, y = make_moe_classification(
        n_rows, n_columns, n_experts=n_experts, class_scale=4.0, gate_scale=4.0, random_state=0
    )
    return problem(X, y.astype(float), n_experts, Bernoulli(), alpha=alpha)


class Path(NamedTuple):
    """What a run had reached after every step.

    Attributes
    ----------
    seconds, passes, objective : ndarray of shape (n_steps,)
        Since the start; nothing else was done between steps.
    converged : tuple (seconds, passes, objective), or None
        Where it stopped by itself with the default tolerance.
    optimum : float
        Where it ends when it goes on from its end with a tolerance of 1e-7.
    """

    seconds: np.ndarray
    passes: np.ndarray
    objective: np.ndarray
    converged: tuple[float, int, float] | None
    optimum: float

    def near(self) -> tuple[float, float]:
        """Seconds and passes to within `NEAR` of its own optimum; infinity where it did not come there."""
        there = np.flatnonzero(self.objective >= self.optimum - NEAR)
        return (self.seconds[there[0]], float(self.passes[there[0]])) if len(there) else (np.inf, np.inf)


def path(problem: Problem, params: Params, *, memory: int = 10, most: int = 3000) -> Path:
    """A run from some parameters, by its default tolerance and then far beyond, at most so many passes."""
    steps: list[tuple[float, int, float]] = []
    began = time.perf_counter()

    def passed(run: Run) -> bool:
        steps.append((time.perf_counter() - began, run.n_passes, run.objective))
        return False

    run = Run(problem.mixture, params, problem.rows, Settings(memory=memory, max_passes=most))
    passed(run)
    run.advance(most, passed)
    converged = (time.perf_counter() - began, run.n_passes, run.objective) if run.converged else None
    optimum = ended(problem, run.params)
    for tol in _FINER:
        if run.objective >= optimum - NEAR:
            break
        began = time.perf_counter() - steps[-1][0]  # the clock stood still while the optimum was looked for
        run.refined(Settings(memory=memory, tol=tol, max_passes=most)).advance(most, passed)
    seconds, passes, objective = (np.array(part) for part in zip(*steps, strict=True))
    return Path(seconds, passes, objective, converged, max(optimum, run.objective))


def ended(problem: Problem, params: Params, most: int = 2000) -> float:
    """Objective where a run from some parameters ends with a tight tolerance."""
    settings = Settings(tol=_TIGHT, max_passes=most)
    return Run(problem.mixture, params, problem.rows, settings).advance(most).objective
