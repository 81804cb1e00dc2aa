"""Deterministic annealing: responsibilities begin soft and harden."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...mixture import Mixture, Params
from ...rows.source import Rows
from ..loop import Run, Settings
from .tilt import tilt

#: Powers of the joint densities, one after another, and passes at each.
_SCHEDULE, _PASSES = (0.2, 0.35, 0.5, 0.7, 0.85), 6


def annealing(mixture: Mixture, rows: Rows, rng: np.random.Generator) -> Params:
    """The tilted one-expert fit, trained while responsibilities go from soft to their own hardness.

    .. math:: h_k \\propto (g_k f_k)^\\beta, \\qquad \\beta \\to 1

    Experts part one after another as beta rises (Ueda & Nakano 1998), so few optima are met, and often good ones.

    References
    ----------
    Ueda & Nakano (1998), Deterministic annealing EM algorithm.
    https://doi.org/10.1016/S0893-6080(97)00133-0
    """
    params = tilt(mixture, rows, rng)
    for coldness in _SCHEDULE:
        tempered = replace(mixture, coldness=coldness)
        params = Run(tempered, params, rows, Settings(memory=0)).advance(_PASSES).params
    return params
