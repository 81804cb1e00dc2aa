"""Reach: at which terminal a customer pays, any within a radius of home with the same probability."""

from __future__ import annotations

import numpy as np
from numpy.random import RandomState
from scipy.spatial import KDTree

#: Side of the square that customers and terminals live in.
SIDE = 100.0


def draw_terminals(
    rng: RandomState, home: np.ndarray, place: np.ndarray, customer: np.ndarray, radius: float
) -> np.ndarray:
    """Terminal of each payment: uniform over those within ``radius`` of the customer's home, else the nearest.

    Candidates are drawn from the 3 x 3 cells of a grid around the home until one lies within the radius, a third of
    them at once: time and memory follow the number of payments, where a list of the terminals in reach of each customer
    would grow with the product of customers and terminals.

    Parameters
    ----------
    rng : RandomState
        Source of randomness.
    home : ndarray of shape (n_customers, 2)
        Coordinates in [0, `SIDE`).
    place : ndarray of shape (n_terminals, 2)
        Coordinates in [0, `SIDE`).
    customer : ndarray of shape (n_payments,)
        Who pays.
    radius : float
        Largest distance of a terminal, in units of the square.

    Returns
    -------
    ndarray of shape (n_payments,)
        Indices of terminals.
    """
    nearest = np.asarray(KDTree(place).query(home)[1])
    terminal = nearest[customer]
    bands = _Bands(home, place, radius)
    # By the very formula that accepts a candidate, or a last digit could leave a payment without any.
    pending = np.flatnonzero((_distance(home, place[nearest]) <= radius)[customer])
    while pending.size:
        candidate = bands.draw(rng, customer[pending])
        accepted = _distance(home[customer[pending]], place[candidate]) <= radius
        terminal[pending[accepted]] = candidate[accepted]
        pending = pending[~accepted]
    return terminal


class _Bands:
    """Terminals around each home: three bands, one above the other, each of three cells side by side.

    Terminals are sorted by row and column of their cell, so that a band is a slice. Bands outside the square are empty.
    """

    def __init__(self, home: np.ndarray, place: np.ndarray, radius: float) -> None:
        # A cell is no smaller than the radius, and no more of them than terminals.
        n_cells = max(1, int(SIDE / max(radius, SIDE / np.sqrt(len(place)))))
        row, column = (place * (n_cells / SIDE)).astype(np.intp).T
        self.order = np.lexsort((column, row))
        cell = (row * n_cells + column)[self.order]
        row, column = (home * (n_cells / SIDE)).astype(np.intp).T[:, :, None]
        rows = (row + np.array([-1, 0, 1])) * n_cells
        self.start = np.searchsorted(cell, rows + np.maximum(column - 1, 0), side="left")
        stop = np.searchsorted(cell, rows + np.minimum(column + 1, n_cells - 1), side="right")
        self.total = np.cumsum(stop - self.start, axis=1)

    def draw(self, rng: RandomState, customer: np.ndarray) -> np.ndarray:
        """One terminal of the three bands around each customer, all with the same probability."""
        total = self.total[customer]
        rank = (rng.random_sample(len(customer)) * total[:, -1]).astype(np.intp)
        band = np.sum(rank[:, None] >= total[:, :-1], axis=1)
        before = np.where(band > 0, total[np.arange(len(band)), band - 1], 0)
        return self.order[self.start[customer, band] + rank - before]


def _distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.hypot(*(a - b).T)
