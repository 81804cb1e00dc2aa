"""Weighted k-regressions: every row goes to the expert that fits it best."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...mixture import Mixture, Params
from ...rows.source import Rows
from .division import labelled, rounded, trained_on
from .hyperplanes import hyperplanes

#: Rounds of dividing and fitting.
_ROUNDS = 8


def k_regressions(mixture: Mixture, rows: Rows, rng: np.random.Generator) -> Params:
    """Rows go to the expert that fits them best whatever their x, and experts fit their rows, in turn.

    Where branches of y overlap in x this finds them; where regions of x differ little in y the gate has a hard time
    with what it finds.

    References
    ----------
    Spaeth (1979), Clusterwise linear regression. https://doi.org/10.1007/BF02265317
    """
    params = hyperplanes(mixture, rows, rng)
    for _ in range(_ROUNDS):
        params = trained_on(mixture, rows, _best_fitting(mixture, params, rows), params.experts)
    return params


def _best_fitting(mixture: Mixture, params: Params, rows: Rows) -> Iterator[np.ndarray]:
    for chunk in rows:
        forward = mixture.forward(params, chunk)
        yield labelled(rounded(forward.joint - forward.log_prior).argmax(axis=0), mixture.tree.n_leaves)
