"""Random hyperplanes divide the space of x."""

from __future__ import annotations

import numpy as np

from ...gates.softmax import log_softmax
from ...mixture import Mixture, Params
from ...rows.source import Rows
from .division import trained_on

#: Length of the slopes of a random hyperplane on standardised columns, and spread of its intercept.
_STEEPNESS, _OFFSET = 2.0, 0.3


def hyperplanes(mixture: Mixture, rows: Rows, rng: np.random.Generator) -> Params:
    """Random steep hyperplanes divide the space of x; every block takes one M-step on that division."""
    n_coef = rows.n_gate_coef
    normal = rng.standard_normal((mixture.tree.n_leaves, n_coef))
    normal[:, 0] *= _OFFSET
    normal[:, 1:] *= _STEEPNESS / np.sqrt(max(n_coef - 1, 1))
    return trained_on(mixture, rows, (log_softmax(chunk.gate.predict(normal)).prob for chunk in rows))
