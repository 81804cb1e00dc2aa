"""Sparse columns: what rows that hold few numbers say, entry by entry.

Entries are those of scipy's compressed rows. Vectors lie column by column, (n_columns, n_vectors), so that an entry
meets the coefficients of all experts in one place of memory.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .compiled import kernel


class Entries(NamedTuple):
    """Stored entries of some rows: row i holds ``data[first[i]:last[i]]`` in the columns ``indices[first[i]:last[i]]``,
    in rising order, each once."""

    data: np.ndarray
    indices: np.ndarray
    first: np.ndarray
    last: np.ndarray


@kernel
def predict(entries: Entries, coef: np.ndarray, intercept: np.ndarray, out: np.ndarray) -> None:
    """Linear predictors of rows.

    Parameters
    ----------
    coef : ndarray of shape (n_columns, n_vectors)
    intercept : ndarray of shape (n_vectors,)
    out : ndarray of shape (n_vectors, n_rows)
    """
    n_vectors = coef.shape[1]
    total = np.empty(n_vectors)
    for i in range(len(entries.first)):
        total[:] = intercept
        for e in range(entries.first[i], entries.last[i]):
            x, slopes = entries.data[e], coef[entries.indices[e]]
            for v in range(n_vectors):
                total[v] += x * slopes[v]
        for v in range(n_vectors):
            out[v, i] = total[v]


@kernel
def score(entries: Entries, values: np.ndarray, out: np.ndarray) -> None:
    """Add value times entry to the sums of the columns.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_vectors)
    out : ndarray of shape (n_columns, n_vectors)
    """
    n_vectors = values.shape[1]
    for i in range(len(entries.first)):
        value = values[i]
        for e in range(entries.first[i], entries.last[i]):
            x, total = entries.data[e], out[entries.indices[e]]
            for v in range(n_vectors):
                total[v] += x * value[v]


@kernel
def squares(entries: Entries, inverse: np.ndarray, center: np.ndarray, weights: np.ndarray, out: np.ndarray) -> None:
    """Add what stored entries have more than zeros to the weighted sums of squares of standardised columns.

    Parameters
    ----------
    inverse, center : ndarray of shape (n_columns,)
        One over the scale, and the centre in units of the scale.
    weights : ndarray of shape (n_rows, n_vectors)
    out : ndarray of shape (n_columns, n_vectors)
    """
    n_vectors = weights.shape[1]
    for i in range(len(entries.first)):
        weight = weights[i]
        for e in range(entries.first[i], entries.last[i]):
            j = entries.indices[e]
            z, total = entries.data[e] * inverse[j], out[j]
            more = z * (z - 2 * center[j])
            for v in range(n_vectors):
                total[v] += more * weight[v]


@kernel
def products(entries: Entries, inverse: np.ndarray, weights: np.ndarray, out: np.ndarray) -> None:
    """Add weighted cross-products of scaled columns, not centred, to the lower triangles.

    Parameters
    ----------
    inverse : ndarray of shape (n_columns,)
        One over the scale.
    weights : ndarray of shape (n_vectors, n_rows)
    out : ndarray of shape (n_vectors, n_columns, n_columns)
    """
    scaled = np.empty(len(inverse))
    for v in range(len(weights)):
        matrix = out[v]
        for i in range(len(entries.first)):
            first, n = entries.first[i], entries.last[i] - entries.first[i]
            columns = entries.indices[first : first + n]
            for a in range(n):
                scaled[a] = entries.data[first + a] * inverse[columns[a]]
            for a in range(n):
                weighted, line = weights[v, i] * scaled[a], matrix[columns[a]]
                for b in range(a + 1):
                    line[columns[b]] += weighted * scaled[b]


@kernel
def extremes(
    entries: Entries, weights: np.ndarray, low: np.ndarray, high: np.ndarray, count: np.ndarray, held: np.ndarray
) -> None:
    """Smallest and largest entry of every column, how many there are, and the weight of their rows."""
    for i in range(len(entries.first)):
        for e in range(entries.first[i], entries.last[i]):
            j, x = entries.indices[e], entries.data[e]
            low[j], high[j] = min(low[j], x), max(high[j], x)
            count[j] += 1
            held[j] += weights[i]


@kernel
def deviations(
    entries: Entries, weights: np.ndarray, middle: np.ndarray, inverse: np.ndarray, mean: np.ndarray, sums: np.ndarray
) -> None:
    """Add weighted deviations of entries from a mean to ``sums[0]``, and their squares to ``sums[1]``.

    Parameters
    ----------
    middle, inverse : ndarray of shape (n_columns,)
        Centre and one over the unit in which entries are read.
    mean : ndarray of shape (n_columns,)
        In that unit.
    sums : ndarray of shape (2, n_columns)
    """
    for i in range(len(entries.first)):
        for e in range(entries.first[i], entries.last[i]):
            j = entries.indices[e]
            off = (entries.data[e] - middle[j]) * inverse[j] - mean[j]
            sums[0, j] += weights[i] * off
            sums[1, j] += weights[i] * off * off


@kernel
def spread(entries: Entries, place: np.ndarray, out: np.ndarray) -> None:
    """Entries of some columns among zeros.

    Parameters
    ----------
    place : ndarray of shape (n_columns,)
        Line of ``out`` where a column goes; -1 where it is not wanted.
    out : ndarray of shape (n_wanted, n_rows)
    """
    for i in range(len(entries.first)):
        for e in range(entries.first[i], entries.last[i]):
            line = place[entries.indices[e]]
            if line >= 0:
                out[line, i] = entries.data[e]
