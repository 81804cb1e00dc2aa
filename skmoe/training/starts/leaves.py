"""Leaves of a regression tree."""

from __future__ import annotations

import numpy as np

from ...mixture import Mixture, Params
from ...rows.source import Rows
from .division import labelled, rounded, trained_on

#: Least part of the weight that a leaf holds.
_LEAST_SHARE = 1e-3
#: Most columns of a rotation: of more columns the tree sees so many random directions.
_MOST_DIRECTIONS = 100


def tree_leaves(mixture: Mixture, rows: Rows, rng: np.random.Generator) -> Params:
    """Every expert starts on one leaf of a regression tree, grown best split first in randomly rotated columns (a
    hundred random directions where columns are more).

    Good where y jumps or bends along the columns; it knows nothing of slopes within leaves.

    References
    ----------
    Breiman, Friedman, Olshen & Stone (1984), Classification and regression trees.
    https://doi.org/10.1201/9781315139470
    """
    from sklearn.tree import DecisionTreeRegressor  # a third of what importing skmoe took

    n_leaves, n_columns = mixture.tree.n_leaves, rows.n_gate_coef - 1
    if n_leaves == 1 or not n_columns:
        return trained_on(mixture, rows, (np.ones((n_leaves, 1)) / n_leaves for _ in rows))
    directions = rng.standard_normal((n_columns, min(n_columns, _MOST_DIRECTIONS)))
    rotation = np.linalg.qr(directions)[0]
    rotation = rotation if n_columns <= _MOST_DIRECTIONS else rotation.T
    points = [rounded(chunk.gate.project(rotation)).T for chunk in rows]
    y = np.concatenate([rounded(chunk.responses[0].y).T for chunk in rows])
    weight = rows.weight
    tree = DecisionTreeRegressor(max_leaf_nodes=n_leaves, min_weight_fraction_leaf=_LEAST_SHARE, random_state=0)
    tree.fit(np.concatenate(points), y, sample_weight=weight)
    number = np.cumsum(tree.tree_.children_left < 0) - 1  # of each node among the leaves
    return trained_on(mixture, rows, [labelled(number[tree.apply(part)], n_leaves) for part in points])
