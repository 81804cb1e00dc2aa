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
    return _clustered(mixture, rows, np.zeros((0, rows.n_rows)), rng)


def lloyd_xy(mixture: Mixture, rows: Rows, rng: np.random.Generator) -> Params:
    """K-means on the columns of the gate and the response, which counts as much as all columns together."""
    weight = rows.weight
    y = np.concatenate([chunk.responses[0].y for chunk in rows], axis=1)
    share = weight / weight.sum()
    y = y - (y @ share)[:, None]
    spread = np.sqrt(np.square(y) @ share)
    n_columns = max(rows.n_gate_coef - 1, 1)
    y *= np.sqrt(n_columns / len(y)) / np.where(spread > 0, spread, 1.0)[:, None]
    return _clustered(mixture, rows, y, rng)


def _clustered(mixture: Mixture, rows: Rows, beside: np.ndarray, rng: np.random.Generator) -> Params:
    """Trained on clusters of rows, by the columns of the gate and what stands beside them, (n_beside, n_rows)."""
    n_leaves, n_columns = mixture.tree.n_leaves, rows.n_gate_coef - 1
    weight, parts = rows.weight, rows.split(beside, axis=1)

    def along(directions: np.ndarray) -> np.ndarray:
        """How far rows lie in directions (..., n_columns + n_beside), (..., n_rows)."""
        columns, others = directions[..., :n_columns], directions[..., n_columns:]
        found = (chunk.gate.project(columns) + others @ part for chunk, part in zip(rows, parts, strict=True))
        return np.concatenate(list(found), axis=-1)

    labels = quantile_bins(along(rng.standard_normal(n_columns + len(beside))), weight, n_leaves)
    centers = np.zeros((n_leaves, n_columns + len(beside)))
    for _ in range(_ROUNDS):
        mass = labelled(labels, n_leaves) * weight
        total = mass.sum(axis=1)
        met = total > 0  # an empty cluster keeps its centre
        masses = rows.split(mass, axis=1)
        sums = np.sum([chunk.gate.score(part)[:, 1:] for chunk, part in zip(rows, masses, strict=True)], axis=0)
        centers[met] = np.hstack([sums, mass @ beside.T])[met] / total[met, None]
        # The squared length of a row is the same for all centres.
        distance = np.square(centers).sum(axis=1)[:, None] - 2 * along(centers)
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
