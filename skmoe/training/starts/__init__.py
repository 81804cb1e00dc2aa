"""Starts: first parameters, made in feature space.

A start never draws rows: its random numbers are directions in the space of the columns, and what it learns of the rows
it learns through weighted sums. So integer weights and repeated rows start alike.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...mixture import Mixture, Params
from ...rows.source import Rows
from .annealing import annealing
from .gaussian import gaussian_gate
from .hyperplanes import hyperplanes
from .k_regressions import k_regressions
from .leaves import tree_leaves
from .lloyd import lloyd, lloyd_xy
from .splitting import splitting
from .tilt import tilt

Start = Callable[[Mixture, Rows, np.random.Generator], Params]

#: Starts by name.
STARTS: dict[str, Start] = {
    "hyperplanes": hyperplanes,
    "tilt": tilt,
    "annealing": annealing,
    "k_regressions": k_regressions,
    "lloyd": lloyd,
    "lloyd_xy": lloyd_xy,
    "tree_leaves": tree_leaves,
    "gaussian_gate": gaussian_gate,
    "splitting": splitting,
}

#: Those that need dense columns.
DENSE = frozenset({"gaussian_gate"})

#: Those that ``init="auto"`` takes in turn.
PORTFOLIO = ("hyperplanes", "tilt", "lloyd_xy", "hyperplanes", "splitting")
