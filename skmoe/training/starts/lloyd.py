"""Weighted Lloyd: rows go to the nearest of K centres, seeded from quantiles of a random projection."""

from __future__ import annotations

import numpy as np

from ...mixture import Mixture, Params
from ...rows.source import Rows
from .division import labelled, rounded, trained_on

#: Rounds of assigning rows and moving centres.
_ROUNDS = 10


def lloyd(mixture: Mixture, rows: Rows, rng: np.random.Generator) -> Params:
    """K-means on the columns of the gate, seeded from quantiles of a random projection.

    References
    ----------
    Lloyd (1982), Least squares quantization in PCM. https://doi.org/10.1109/TIT.1982.1056489
    """
    return _clustered(mixture, rows, [chunk.gate.columns[1:] for chunk in rows], rng)


def lloyd_xy(mixture: Mixture, rows: Rows, rng: np.random.Generator) -> Params:
    """K-means on the columns of the gate and the response, which counts as much as all columns together."""
    weight = rows.weight
    y = np.concatenate([chunk.responses[0].y for chunk in rows], axis=1)
    share = weight / weight.sum()
    y = y - (y @ share)[:, None]
    spread = np.sqrt(np.square(y) @ share)
    n_columns = max(rows.n_gate_coef - 1, 1)
    y *= np.sqrt(n_columns / len(y)) / np.where(spread > 0, spread, 1.0)[:, None]
    pairs = zip(rows, rows.split(y, axis=1), strict=True)
    return _clustered(mixture, rows, [np.vstack([chunk.gate.columns[1:], part]) for chunk, part in pairs], rng)


def _clustered(mixture: Mixture, rows: Rows, points: list[np.ndarray], rng: np.random.Generator) -> Params:
    """Trained on clusters of points, one array (n_dimensions, n_rows) a chunk."""
    n_leaves = mixture.tree.n_leaves
    everything = np.concatenate(points, axis=1)
    weight = rows.weight
    labels = quantile_bins(rng.standard_normal(len(everything)) @ everything, weight, n_leaves)
    centers = np.zeros((n_leaves, len(everything)))
    for _ in range(_ROUNDS):
        mass = labelled(labels, n_leaves) * weight
        total = mass.sum(axis=1)
        met = total > 0  # an empty cluster keeps its centre
        centers[met] = (mass[met] @ everything.T) / total[met, None]
        # The squared length of a row is the same for all centres.
        distance = np.square(centers).sum(axis=1)[:, None] - 2 * centers @ everything
        labels, before = rounded(distance).argmin(axis=0), labels
        if (labels == before).all():
            break
    return trained_on(mixture, rows, [labelled(part, n_leaves) for part in rows.split(labels)])


def quantile_bins(values: np.ndarray, weight: np.ndarray, n_bins: int) -> np.ndarray:
    """Bins of equal weight, (n_rows,): edges are steps of the cumulative weight, and equal values share a bin."""
    values = rounded(values)
    order = np.argsort(values, kind="stable")
    cumulative = rounded(np.cumsum(weight[order]) / weight.sum())
    levels = np.arange(1, n_bins) / n_bins
    edges = values[order][np.minimum(np.searchsorted(cumulative, rounded(levels)), len(values) - 1)]
    return np.searchsorted(edges, values, side="left")
