"""Blocks that claim to be gates or experts: whatever is entered here goes through the battery of `test_blocks`."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from skmoe.experts import BinaryExpert, ClassExpert, Expert, LinearExpert
from skmoe.families import Gaussian, Poisson, StudentT
from skmoe.gates import ConstantGate, EqualGate, Gate, GaussianGate, SoftmaxGate


class Entry(NamedTuple):
    """Expert blocks of one kind, one for all leaves or a list of one a leaf, and responses (n_rows, n_outputs)."""

    expert: Expert | list[Expert]
    draw: Callable[[np.random.Generator, np.ndarray], np.ndarray]
    shapes: tuple = (3, (2, 2), ((2, 2), 3))
    real: bool = False  # whether the response is on the real line, so that its unit does not matter
    closed: bool = False  # whether the M-step is the maximum of the expected objective


def real(rng, X):
    return (X[:, 0] - 0.7 * X[:, 1] + rng.standard_normal(len(X)))[:, None]


def two_outputs(rng, X):
    return 100 + 7 * np.column_stack([real(rng, X), np.abs(X[:, 0]) + 0.3 * rng.standard_normal(len(X))])


def counts(rng, X):
    return rng.poisson(np.exp(0.4 + 0.5 * X[:, :1])).astype(float)


def classes(n):
    return lambda rng, X: rng.integers(n, size=(len(X), 1)).astype(float)


#: Gates that serve flat mixtures only: normal densities of the columns.
FLAT: dict[str, Gate] = {form: GaussianGate(form, alpha=0.3) for form in ("full", "tied", "diag", "spherical")}

GATES: dict[str, Gate] = {"softmax": SoftmaxGate(0.3), "constant": ConstantGate(), "equal": EqualGate(), **FLAT}

EXPERTS: dict[str, Entry] = {
    "gaussian": Entry(LinearExpert(Gaussian(), alpha=0.5), real, real=True, closed=True),
    "gaussian, two outputs": Entry(LinearExpert(Gaussian(), alpha=0.5), two_outputs, real=True, closed=True),
    "student_t": Entry(LinearExpert(StudentT(), alpha=0.5), real, real=True),
    "student_t, two outputs": Entry(LinearExpert(StudentT(), alpha=0.5), two_outputs, real=True, shapes=(3,)),
    "poisson": Entry(LinearExpert(Poisson(), alpha=0.5), counts),
    "bernoulli": Entry(BinaryExpert(alpha=0.5), classes(2)),
    "three classes": Entry(ClassExpert(alpha=0.5), classes(3)),
    "mixed": Entry([LinearExpert(f(), alpha=0.5) for f in (Gaussian, StudentT)], real, real=True, shapes=(2,)),
}
