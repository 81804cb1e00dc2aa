"""Divisions: who takes which rows at first, and the parameters that follow.

A division is one array (n_leaves, n_rows) a chunk, the shares of the leaves in each row. Most starts make one, and
leave the rest to one M-step of every block. What a division compares (distances, fits) is rounded first, so that rows
of weight 2 and rows given twice are divided alike although their sums were added in another order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ...mixture import Mixture, Params, Sums
from ...rows.source import Rows
from ..loop import Run, Settings

Division = Iterable[np.ndarray]

#: What is compared is first rounded to multiples of this: integer-weighted sums of such numbers are exact.
_GRAIN = 2.0**-20
#: Passes of a fit to given responsibilities, and of one that stands for an M-step where there is no exact one.
_GIVEN_PASSES, _ROUGH_PASSES = 30, 10


def trained_on(mixture: Mixture, rows: Rows, division: Division, experts: tuple | None = None) -> Params:
    """One M-step of every block on a division, from even gates and from experts that are all alike, or from these."""
    first = even(mixture, rows)
    if experts is not None:
        first = first._replace(experts=experts)
    return stepped(mixture, first, rows, division)


def stepped(mixture: Mixture, params: Params, rows: Rows, division: Division) -> Params:
    """One M-step of every block on a division; a few passes where columns are so many that M-steps are not exact."""
    if mixture.rough(params):
        return _given(mixture, params, rows, division, _ROUGH_PASSES)
    return mixture.m_step(params, mixture.sums(params, rows, responsibilities=division))


def even(mixture: Mixture, rows: Rows) -> Params:
    """Experts that are all alike behind gates that are all even."""
    return mixture.start(rows.n_gate_coef, rows.n_expert_coef)


@dataclass(frozen=True)
class Divided(Mixture):
    """A mixture whose responsibilities are given: its objective is the expected complete-data log-likelihood.

    .. math:: \\sum_i w_i \\sum_k h_{ik} (\\log g_k(x_i) + \\log f_k(y_i \\mid x_i))

    Training it is the two-stage recipe: experts on given groups of rows, and a gate that finds those groups from x.
    """

    division: tuple[np.ndarray, ...] = ()

    def sums(
        self,
        params: Params,
        rows: Rows,
        *,
        information: bool = True,
        responsibilities: Division | None = None,
    ) -> Sums:
        return super().sums(params, rows, information=information, responsibilities=self.division)


def trained_to(mixture: Mixture, rows: Rows, division: Division) -> Params:
    """Trained on given responsibilities: experts on their groups, gates that find the groups."""
    return _given(mixture, even(mixture, rows), rows, division, _GIVEN_PASSES)


def _given(mixture: Mixture, params: Params, rows: Rows, division: Division, n_passes: int) -> Params:
    given = Divided(mixture.tree, mixture.gates, mixture.experts, division=tuple(division))
    return Run(given, params, rows, Settings()).advance(n_passes).params


def rounded(values: np.ndarray) -> np.ndarray:
    """Values on a grid, so that what is equal but for rounding compares equal."""
    with np.errstate(invalid="ignore"):
        return np.round(values / _GRAIN) * _GRAIN


def labelled(labels: np.ndarray, n_leaves: int) -> np.ndarray:
    """The division (n_leaves, n_rows) of labels (n_rows,)."""
    return (labels == np.arange(n_leaves)[:, None]).astype(np.float64)
