"""The one-expert fit, a little disturbed."""

from __future__ import annotations

from itertools import repeat

import numpy as np

from ...mixture import Mixture, Params
from ...records import ravel, unravel
from ...rows.source import Rows
from .division import even, stepped

#: Spread of the perturbation of the one-expert fit, in unconstrained coordinates.
_TILT = 0.05


def tilt(mixture: Mixture, rows: Rows, rng: np.random.Generator) -> Params:
    """The one-expert fit, with a small random tilt of every gate and expert."""
    params = first = even(mixture, rows)
    share = np.full((mixture.tree.n_leaves, 1), 1.0 / mixture.tree.n_leaves)
    for _ in range(3):
        params = stepped(mixture, params, rows, repeat(share, len(rows)))
    vector = ravel(params._replace(gates=first.gates))
    return unravel(params, vector + _TILT * rng.standard_normal(vector.size))
