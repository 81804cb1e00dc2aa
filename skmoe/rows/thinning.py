"""Thinning: a part of the rows that stands for all of them."""

from __future__ import annotations

import numpy as np

from .design import Design
from .source import Rows

#: Parts of the rows of which one judges what the others trained.
FOLDS = 5


def thinned(rows: Rows, n_rows: int) -> Rows:
    """Rows at equal steps of cumulative weight along an order of their contents, or all where they are not more.

    The order is that of the response, so that every part of it, and every class, is met as often as it should be; then
    that of the columns. So the rows met depend on what the rows hold, not on where they stand. Each stands for a step
    of weight: the weights add up to what they did, and an objective is that of all rows, roughly.
    """
    if rows.n_rows <= n_rows:
        return rows
    order = _order(rows)
    cumulative = np.cumsum(rows.weight[order])
    steps = (np.arange(n_rows) + 0.5) * (cumulative[-1] / n_rows)
    met, times = np.unique(order[np.searchsorted(cumulative, steps)], return_counts=True)
    return rows.taken(met, times * (cumulative[-1] / n_rows))


def held_out(rows: Rows, fold: int = FOLDS - 1) -> tuple[Rows, Rows]:
    """Rows that train, and a fifth of them that judge: every fifth unit of weight along the order of `thinned`.

    The five folds, counted from 0, make every row judge once.

    A row of weight 2 may be one that trains and one that judges, as two rows that are alike may be.
    """
    weight, order = rows.weight, _order(rows)
    ends = np.concatenate([[0.0], np.cumsum(weight[order])])
    judging = np.empty_like(weight)
    ends += FOLDS - 1 - fold
    judging[order] = np.diff(np.floor(ends / FOLDS) + np.maximum(ends % FOLDS - (FOLDS - 1), 0))
    train, judge = np.flatnonzero(weight - judging > 0), np.flatnonzero(judging > 0)
    return rows.taken(train, (weight - judging)[train]), rows.taken(judge, judging[judge])


def _order(rows: Rows) -> np.ndarray:
    """Rows in the order of their responses, then of their columns, (n_rows,)."""
    return np.lexsort([np.concatenate([_along(gate, expert) for gate, expert in rows.designs()]), *rows.y.T])


def _along(gate: Design, expert: Design) -> np.ndarray:
    """One number a row that tells rows with different columns apart, (n_rows,)."""
    designs = [gate] if gate is expert else [gate, expert]
    widths = np.cumsum([0] + [design.n_coef for design in designs])
    irrational = np.sqrt(np.arange(2, 2 + widths[-1]))
    parts = zip(designs, widths[:-1], widths[1:], strict=True)
    return np.round(sum(design.predict(irrational[s:e]) for design, s, e in parts), 6)
