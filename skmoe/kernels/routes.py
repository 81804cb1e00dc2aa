"""Ways through a tree: from branches down to leaves, and from leaves up to branches."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .compiled import kernel


class Routes(NamedTuple):
    """A tree as numbers.

    Attributes
    ----------
    node : ndarray of shape (n_nodes + 1,)
        First branch of every node, and one past the last of all.
    first, last : ndarray of shape (n_branches,)
        First leaf below every branch, and one past the last.
    """

    node: np.ndarray
    first: np.ndarray
    last: np.ndarray


@kernel
def walk_down(routes: Routes, logits: np.ndarray, log_total: np.ndarray, leaves: np.ndarray) -> None:
    """Log prior of every leaf, (n_leaves, n_rows), too large by the total of the root: logits of the branches above it,
    (n_branches, n_rows), less the totals of their nodes, (n_nodes, n_rows)."""
    n_rows = leaves.shape[1]
    for v in range(len(routes.node) - 1):
        for c in range(routes.node[v], routes.node[v + 1]):
            branch, total = logits[c], log_total[v]
            for k in range(routes.first[c], routes.last[c]):
                value = leaves[k]
                if v == 0:
                    value[:] = branch
                else:
                    for i in range(n_rows):
                        value[i] += branch[i] - total[i]


@kernel
def walk_up(routes: Routes, mass: np.ndarray, branches: np.ndarray) -> None:
    """Mass of every branch, (n_branches, n_rows): that of the leaves below it."""
    n_rows = mass.shape[1]
    for c in range(len(branches)):
        out = branches[c]
        out[:] = mass[routes.first[c]]
        for k in range(routes.first[c] + 1, routes.last[c]):
            held = mass[k]
            for i in range(n_rows):
                out[i] += held[i]
