"""Stacking: weights of the fits of an average, by what each says of rows that it was not trained on.

References
----------
Wolpert (1992), Stacked generalization. https://doi.org/10.1016/S0893-6080(05)80023-1
Yao, Vehtari, Simpson & Gelman (2018), Using stacking to average Bayesian predictive distributions.
https://doi.org/10.1214/17-BA1091
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from joblib import Parallel, delayed

from ..mixture import normalized
from ..rows.source import Rows
from ..rows.thinning import FOLDS, held_out
from .loop import Run, Settings
from .restarts import held_to_one_thread

#: Rows' worth of equal weights, for every fit. Fits that go on from where they ended have not quite forgotten the rows
#: that judge them. In twenty splits each, nats a row lost against equal weights with 1, 5, 20, 100 rows (squares of
#: columns, K=8, ten fits): yacht .038 .002 -.005 -.002; concrete .008 .003 .000 .000.
PRIOR = 20.0
#: EM ends when its next step promises less than this, in nats a row.
_GAIN, _MOST_STEPS = 1e-9, 10_000


class Stacked(NamedTuple):
    """Weights of runs, summing to one, and the passes over all rows that they took."""

    weights: np.ndarray
    n_passes: float


def stacked(runs: Sequence[Run], rows: Rows, settings: Settings, n_jobs: int | None = None) -> Stacked:
    """Weights of fits whose average says most of held-out rows.

    .. math:: \\max_\\pi \\sum_i w_i \\log \\sum_m \\pi_m \\, p_m^{(-i)}(y_i \\mid x_i) + 20 \\sum_m \\log \\pi_m

    Every run goes on from where it ended, on four fifths of the rows at a time, and so stays the fit that is weighed;
    from scratch it would be another. Rows that weigh less than five leave no fifth to judge: weights are then equal.
    """
    if rows.total < FOLDS:
        return Stacked(np.full(len(runs), 1.0 / len(runs)), 0.0)

    def judged(run: Run, fold: int) -> tuple[np.ndarray, np.ndarray, float]:
        train, judges = held_out(rows, fold)
        again = Run(run.mixture, run.params, train, settings).advance(settings.max_passes)
        log_prob = run.mixture.evaluate(again.params, judges).log_prob
        return log_prob, np.concatenate([chunk.weight for chunk in judges]), again.n_passes * (1 - 1 / FOLDS)

    rows = rows.in_turn()
    with held_to_one_thread():
        found = Parallel(n_jobs=n_jobs, require="sharedmem")(
            delayed(judged)(run, fold) for run in runs for fold in range(FOLDS)
        )
    log_prob = np.concatenate([said for said, _, _ in found]).reshape(len(runs), -1)
    weight = np.concatenate([mass for _, mass, _ in found[:FOLDS]])
    return Stacked(proportions(log_prob, weight), sum(passes for _, _, passes in found))


def proportions(log_prob: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Proportions of a mixture of given densities, (n_fits, n_rows), by EM: the problem is concave."""
    share = np.full(len(log_prob), 1.0 / len(log_prob))
    for _ in range(_MOST_STEPS):
        responsibilities = normalized(log_prob + np.log(share)[:, None])[1]
        mass = responsibilities @ weight + PRIOR
        # By concavity no proportions are better than these by more than the largest ratio promises.
        promise = np.max(mass / share) / mass.sum() - 1
        share = mass / mass.sum()
        if promise < _GAIN:
            break
    return share
