"""Chunks: some thousands of rows, ready to be evaluated."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .design import Design

#: Rows of a chunk: small enough that the arrays of one pass over it stay in the cache of a core, large enough that the
#: cost of a call is small beside the work. Seconds a pass with and without information, from 512 to 16,384 rows:
#: 100,000 x 20, K=8: .16/.04, .16/.02, .18/.02 (here), .29/.02, .31/.02, .30/.02; 20,000 x 10, K=4 in thousandths:
#: 9/5, 7/3, 6/2 (here), 5/2, 5/1, 8/1.
CHUNK_ROWS = 8000


class Response(NamedTuple):
    """What is predicted, as one expert block wants to see it.

    Attributes
    ----------
    y : ndarray of shape (n_outputs, n_rows)
        The response in the block's own units (classes: one-hot).
    base_measure : ndarray of shape (n_rows,) or ()
        What is added to every log density: the Jacobian of the units, and factors free of the parameters.
    """

    y: np.ndarray
    base_measure: np.ndarray

    def rows(self, rows: slice) -> Response:
        """The same of some rows."""
        return Response(self.y[:, rows], self.base_measure[rows] if np.ndim(self.base_measure) else self.base_measure)


class Chunk(NamedTuple):
    """Rows as the gates see them, as the experts see them, one response for each expert block, and weights."""

    gate: Design
    expert: Design
    responses: tuple[Response, ...]
    weight: np.ndarray
