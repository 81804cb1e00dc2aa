r"""Splits: what the gate of a node asks of a row, in the user's columns and units.

Two branches are divided by a hyperplane. It is written with the few columns that move the log-odds most,

.. math:: \log \frac{g_0(x)}{g_1(x)} = \sum_j w_j x_j - t,

as ``where 1.2 * income - 0.03 * age > 4.5``: the two sides differ by the log-odds. A single column is solved for:
``where age < 45``. Columns that are left out are held at their mean in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .digits import plain, significant, to_hundredth
from .rows.columns import Columns

#: Columns that move the log-odds by less than this part of what the first one does are left out.
_SMALL = 0.1

#: Standard deviations from the mean row beyond which a border is no border: no row is near it.
_FAR = 10.0


@dataclass(frozen=True, eq=False)
class Split:
    """How the gate of a node divides the rows that come to it.

    Attributes
    ----------
    coef : ndarray of shape (n_branches, 1 + n_columns)
        Intercepts and slopes of the branches on standardised columns, summing to zero over the branches.
    columns : Columns
        The columns that the gate sees, with their means and standard deviations in training.
    certainty : float
        Mean probability of the likeliest branch, over the training rows that come to the node: 1 where every row has
        its branch, and one over the number of branches where the gate cannot tell them apart.
    """

    coef: np.ndarray
    columns: Columns
    certainty: float

    @cached_property
    def ignores_x(self) -> bool:
        """Whether the branches have the same probabilities everywhere, or as good as that: rows would have to be far
        out in all columns for another branch to become the likeliest."""
        coef = self.coef - self.coef[self.coef[:, 0].argmax()]
        return bool((_FAR * np.abs(coef[:, 1:]).sum(axis=1) <= -coef[:, 0]).all())

    def words(self, branch: int, names: Sequence[str], most: int = 3) -> str:
        """Which rows a branch takes, with how many columns were left out (see `Split.question`)."""
        text, n_left_out = self.question(branch, names, most)
        return text + (f", {n_left_out} column{'s' if n_left_out > 1 else ''} left out" if n_left_out else "")

    def question(self, branch: int, names: Sequence[str], most: int = 3) -> tuple[str, int]:
        """Which rows a branch takes, and how many columns are not named although they matter a little.

        The first of two branches has the condition, the second is elsewhere. Of more branches each has the linear
        predictor that pulls rows to it: where it is high against those of the others, the branch is likely.

        Parameters
        ----------
        branch : int
            Its number within the node.
        names : sequence of str
            Names of all features.
        most : int, default=3
            Most columns named.
        """
        if self.ignores_x:
            return ("whatever x" if len(self.coef) > 1 else ""), 0
        if len(self.coef) > 2:
            return self._pull(self.coef[branch], names, most)
        return self._condition(self.coef[0] - self.coef[1], names, most) if branch == 0 else ("elsewhere", 0)

    def _condition(self, log_odds: np.ndarray, names: Sequence[str], most: int) -> tuple[str, int]:
        columns, n_left_out = self._telling(log_odds, np.abs(log_odds[1:]).max(), most)
        rising = log_odds[1 + columns[0]] > 0
        inner = log_odds if rising else -log_odds
        center, sd = self.columns.units.center[columns], self.columns.units.scale[columns]
        slopes = inner[1 + columns] / sd
        if len(columns) == 1:
            border, unit = center[0] - inner[0] / slopes[0], sd[0]
            text = names[self.columns.index[columns[0]]]
        else:
            slopes = np.array([significant(slope) for slope in slopes])
            # With the slopes as they are written, right at the mean row: digits that they lost do not move the border.
            border, unit = slopes @ center - inner[0], float(np.linalg.norm(slopes * sd))
            text = self._sum(slopes, columns, names)
        return f"where {text} {'>' if rising else '<'} {to_hundredth(border, unit)}", n_left_out

    def _pull(self, coef: np.ndarray, names: Sequence[str], most: int) -> tuple[str, int]:
        columns, n_left_out = self._telling(coef, np.abs(self.coef[:, 1:]).max(), most)
        if not len(columns):
            return "elsewhere", 0  # between branches that are pulled apart
        slopes = np.array([significant(slope) for slope in coef[1 + columns] / self.columns.units.scale[columns]])
        return f"pulled by {self._sum(slopes, columns, names)}", n_left_out

    def _telling(self, coef: np.ndarray, largest: float, most: int) -> tuple[np.ndarray, int]:
        """The columns that matter most, largest first, and how many others there are."""
        strength = np.abs(coef[1:])
        order = np.argsort(-strength, kind="stable")[:most]
        columns = order[strength[order] >= _SMALL * largest]
        return columns, int(np.count_nonzero(strength)) - len(columns)

    def _sum(self, slopes: np.ndarray, columns: np.ndarray, names: Sequence[str]) -> str:
        """``1.2 * income - 0.03 * age``."""
        sizes = ["" if abs(slope) == 1 else f"{plain(abs(slope))} * " for slope in slopes]
        terms = [size + names[j] for size, j in zip(sizes, self.columns.index[columns], strict=True)]
        signs = ["-" if slopes[0] < 0 else "", *(" - " if b < 0 else " + " for b in slopes[1:])]
        return "".join(sign + term for sign, term in zip(signs, terms, strict=True))
