"""The loop: evaluate the rows, gather sums, spend the sums on new parameters, again.

One loop serves plain EM and accelerated EM. It knows a model only as five functions of records (`sums`, `objective`,
`gradient`, `precondition`, `m_step`):

    EM phase      direction = m_step(params, sums) - params
    accelerated   direction = limited-memory BFGS of the gradient, started from information^-1 (or a multiple of 1)
    both          one line search on the penalised objective that never accepts a fall or what is not finite;
                  stop when gradient' direction / 2 < tol: what the step about to be made promises, in total nats

It begins with EM, which contracts from anywhere, and uses the memory from the pass whose promise is below a hundredth
of what has been gained since the start. Blocks that are not ``curved`` (logistic experts: full Newton steps from a rare
class's flat start jump into poor optima that also cost more to reach) take score-only passes with the memory from the
first. Where the weights do not exceed the number of free parameters the loop stays with EM: along flat directions
quasi-Newton paths amplify rounding where EM contracts, and so do full Newton steps of a gate, which are damped there.
It stays with EM also where a block asks for it (Gaussian gates: only their M-steps keep covariances above the floor).
A direction of the memory that promises more than everything gained since the start is not believed: the memory is
forgotten, and the step made without it.

Where the information is a diagonal, because columns are many, M-steps are not exact and EM would contract too slowly to
be of use: the memory is used from the first pass, started from the diagonal times what makes it right along the last
step, and also where parameters are more than rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..mixture import Mixture, Params, Sums
from ..records import ravel, unravel
from ..rows.source import Rows
from .memory import Memory

#: A run that uses its memory stops only with this many pairs in it: with an empty memory the promise understates the
#: distance (a run ended 4.5 nats short).
_PAIRS_TO_STOP = 5
_SHRINK = 0.3
_SMALLEST_STEP = 1e-8
_SUFFICIENT = 1e-4
#: Falls of the objective below this fraction of it are rounding.
_ROUNDING = 1e-13


@dataclass(frozen=True)
class Settings:
    """How a run proceeds.

    Parameters
    ----------
    memory : int, default=10
        Pairs of the quasi-Newton memory; 0 is plain EM.
    tol : float, default=1e-4
        Stop when the next step promises less, in total nats.
    max_passes : int, default=1000
        Most passes over the rows.
    switch : float, default=1e-2
        The memory is used once a step promises less than this fraction of what was gained since the start.
    refresh : int, default=4
        Accelerated passes from one forming of the information to the next.
    """

    memory: int = 10
    tol: float = 1e-4
    max_passes: int = 1000
    switch: float = 1e-2
    refresh: int = 4


class Point(NamedTuple):
    """Parameters, as a record and as a vector, with what was gathered there."""

    params: Params
    vector: np.ndarray
    sums: Sums
    objective: float
    gradient: np.ndarray

    @property
    def finite(self) -> bool:
        return bool(np.isfinite(self.objective) and np.isfinite(self.gradient).all())


class Run:
    """One run of the loop from one start; it can be advanced, looked at, and advanced again.

    Attributes
    ----------
    point : Point
        The best parameters so far (the objective never falls).
    n_passes : int
        Passes over the rows so far.
    decrement : float
        What the next step promises, in total nats.
    converged, interrupted, finished : bool
        Whether the promise fell below ``tol``; whether who looked on ended it; whether there is no way on.
    scarce : bool
        Whether the weights do not exceed the number of free parameters.
    history : list of dict
        Pass, objective and decrement before each step, and whether that pass formed the information.
    """

    def __init__(self, mixture: Mixture, params: Params, rows: Rows, settings: Settings):
        self.rows, self.settings = rows, settings
        self.n_passes = 0
        self.decrement = np.inf
        self.converged = self.interrupted = self.finished = False
        self.history: list[dict[str, float]] = []
        self._memory = Memory(settings.memory)
        vector = ravel(params)
        weight = rows.total
        self.scarce = weight <= vector.size
        self.mixture = mixture
        self._stepped = mixture.damped() if self.scarce else mixture
        rough = mixture.rough(params)
        self._accelerate = settings.memory > 0 and (rough or not self.scarce) and not mixture.em_only
        self._curved = mixture.curved or not self._accelerate
        self._exact = self._curved and not (rough and self._accelerate)
        self._accelerated = False
        self.point = self._evaluate(vector, params, information=self._curved)
        self._informed = self.point  # where the information was last formed
        self._age = 0
        self._first = self.point.objective

    @property
    def params(self) -> Params:
        return self.point.params

    @property
    def objective(self) -> float:
        return self.point.objective

    @property
    def state(self) -> str:
        """How the run stands, in one word."""
        return "converged" if self.converged else "interrupted" if self.interrupted else "stopped"

    def advance(self, max_passes: int, passed: Callable[[Run], bool] | None = None) -> Run:
        """Go on until converged or until ``max_passes`` passes were made in all.

        ``passed`` is called after every step, and ends the run where it returns True.
        """
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            while not self.finished:
                direction = self._direction()
                self._note()
                if self._close_enough():
                    self.converged = self.finished = True
                elif self.n_passes >= max_passes:
                    break
                else:
                    self._step(direction)
                    if passed and passed(self):
                        self.interrupted = self.finished = True
        return self

    def refined(self, settings: Settings) -> Run:
        """This run, not yet finished where these settings ask for more than its own did."""
        self.finished = self.finished and not (self.converged and self.decrement >= settings.tol)
        self.settings, self.converged = settings, self.converged and self.finished
        return self

    def _note(self) -> None:
        """Enter the point in the history, once."""
        if not self.history or self.history[-1]["pass"] < self.n_passes:
            self.history.append(
                {
                    "pass": self.n_passes,
                    "objective": self.point.objective,
                    "decrement": self.decrement,
                    "information": self._curved and self._informed is self.point,
                }
            )

    # -- one step -----------------------------------------------------------------------------------------------------

    def _evaluate(self, vector: np.ndarray, params: Params | None = None, *, information: bool) -> Point:
        params = unravel(self.point.params, vector) if params is None else params
        sums = self._stepped.sums(params, self.rows, information=information)
        self.n_passes += 1
        gradient = ravel(self._stepped.gradient(params, sums))
        return Point(params, vector, sums, self._stepped.objective(params, sums), gradient)

    def _precondition(self, vector: np.ndarray) -> np.ndarray:
        at = self._informed
        return ravel(self._stepped.precondition(at.params, at.sums, unravel(at.params, vector)))

    def _scaled(self, vector: np.ndarray) -> np.ndarray:
        scaling = self._memory.scaling()
        return vector * (scaling if scaling is not None else 1.0 / max(float(np.linalg.norm(vector)), 1e-300))

    def _rescaled(self, vector: np.ndarray) -> np.ndarray:
        scaling = self._memory.scaling(self._precondition)
        return self._precondition(vector) * (1.0 if scaling is None else scaling)

    @property
    def _initial(self) -> Callable[[np.ndarray], np.ndarray]:
        """The inverse curvature from which the memory starts."""
        return self._precondition if self._exact else self._rescaled if self._curved else self._scaled

    def _direction(self) -> np.ndarray:
        """The step about to be made; sets what it promises and whether it uses the memory."""
        point = self.point
        plain = None
        if self._exact and not len(self._memory):
            plain = ravel(self._stepped.m_step(self._informed.params, self._informed.sums)) - self._informed.vector
            if self._informed is not point:
                plain = self._precondition(point.gradient)
            self.decrement = 0.5 * float(point.gradient @ plain)
        # A run that starts at its optimum gains nothing, but is close all the same.
        close = max(self.settings.switch * (point.objective - self._first), self.settings.tol)
        self._accelerated = self._accelerate and (plain is None or not self._exact or self.decrement < close)
        if not self._accelerated and plain is not None:
            return plain
        direction = self._memory.direction(point.gradient, self._initial)
        promised = 0.5 * float(point.gradient @ direction)
        # A step that promises more than all that was gained since the start says that the memory is astray: along one
        # a Poisson expert of few rows, in a tree of constant gates, was sent to rates of e^880.
        most = max(point.objective - self._first, self.settings.tol) if self._exact else np.inf
        if 0 < promised <= most or not len(self._memory):
            self.decrement = promised
            return direction
        self._memory.clear()
        return self._direction()

    def _close_enough(self) -> bool:
        tol = self.settings.tol
        if self.decrement >= tol:
            return False
        enough = min(_PAIRS_TO_STOP, self.settings.memory)
        return not self._accelerate or len(self._memory) >= enough or self.decrement < 1e-4 * tol

    def _step(self, direction: np.ndarray) -> None:
        """Line search from a full step; forms the information where the next step will want it."""
        old, step = self.point, 1.0
        promised = max(float(old.gradient @ direction), 0.0)
        while True:
            due = not self._accelerated or (step < 1 and self._exact) or self._age + 1 >= self.settings.refresh
            new = self._evaluate(old.vector + step * direction, information=self._curved and due)
            least = old.objective + _SUFFICIENT * step * promised - _ROUNDING * abs(old.objective)
            if new.finite and new.objective >= least:
                break
            step *= _SHRINK
            if step < _SMALLEST_STEP:
                # A bad memory is forgotten and the step tried without it; only then there is no way on.
                self.finished = not len(self._memory)
                self._memory.clear()
                return
        if step < 1 and self._exact:
            self._memory.clear()
        elif self._accelerated:
            self._memory.push(new.vector - old.vector, old.gradient - new.gradient)
        self.point = new
        self._age += 1
        if self._curved and due:
            self._informed, self._age = new, 0
