"""Whether a probability means what it says."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Bin(NamedTuple):
    """Payments between two ranks: how many, what was predicted on average, and how many of them were fraud."""

    payments: float
    predicted: float
    observed: float


def reliability(y: np.ndarray, score: np.ndarray, weight: np.ndarray, smallest: int = 50) -> list[Bin]:
    """Bins by rank. The first holds half of the payments, each that follows half of those above it, the last the rest.

    Fraud is rare: of bins of equal size all but the last would be empty of it.
    """
    order = np.argsort(score, kind="stable")
    edges = [0]
    while len(order) - edges[-1] >= 2 * smallest:
        edges.append((edges[-1] + len(order)) // 2)
    bins = []
    for rows in np.split(order, edges[1:]):
        total = weight[rows].sum()
        bins.append(Bin(total, weight[rows] @ score[rows] / total, weight[rows] @ y[rows] / total))
    return bins
