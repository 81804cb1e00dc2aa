"""Embeddings: a vector for every column of a row."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from torch import Generator, Tensor, nn

from . import noise


class NumberEmbedding(nn.Module, ABC):
    """A vector for every number, and one that is learned for a gap; each column has parameters of its own.

    Every kind is a function of one number, linear in what `encoded` makes of it:

    .. math:: e_j(z) = W_j \\phi_j(z) + w_j z + b_j

    Parameters
    ----------
    n_columns, d_embedding : int
    n_features : int
        What `encoded` makes of one number.
    """

    met_gap: Tensor

    def __init__(self, n_columns: int, n_features: int, d_embedding: int) -> None:
        super().__init__()
        self.register_buffer("met_gap", torch.zeros(n_columns, dtype=torch.bool))
        self.weight = nn.Parameter(torch.empty(n_columns, n_features, d_embedding))
        self.slope = nn.Parameter(torch.empty(n_columns, d_embedding))
        self.bias = nn.Parameter(torch.empty(n_columns, d_embedding))
        self.gap = nn.Parameter(torch.empty(n_columns, d_embedding))

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Begin with lines of random slopes, without what bends them."""
        for parameter in (self.slope, self.bias, self.gap):
            noise.draw(parameter, generator, lambda drawn: nn.init.uniform_(drawn, -1.0, 1.0, generator=generator))
        nn.init.zeros_(self.weight)

    @abstractmethod
    def encoded(self, z: Tensor) -> Tensor:
        """Features of numbers (n_rows, n_columns), (n_columns, n_rows, n_features)."""

    def is_gap(self, z: Tensor) -> Tensor:
        """Whether a number is missing."""
        return z.isnan()

    @torch.no_grad()
    def set_gaps(self, vectors: Tensor, which: Tensor) -> None:
        """Give the gaps of some columns the vectors (n_columns, d_embedding)."""
        self.gap[which] = vectors[which]

    def forward(self, z: Tensor) -> Tensor:
        """Vectors of numbers (n_rows, n_columns), NaN where there is a gap, (n_rows, n_columns, d_embedding)."""
        gap = self.is_gap(z)[..., None]
        z = z.nan_to_num(0.0)
        embedded = z[..., None] * self.slope + self.bias
        if self.weight.shape[1]:
            embedded = embedded + torch.bmm(self.encoded(z), self.weight).transpose(0, 1)
        return torch.where(gap, self.gap, embedded)


class LinearEmbedding(NumberEmbedding):
    """A line for every column, and nothing that bends it."""

    def encoded(self, z: Tensor) -> Tensor:
        return z.T[..., None][..., :0]


class PiecewiseLinearEmbedding(NumberEmbedding):
    """A polyline for every column (Gorishniy et al. 2022, section 3.2), with knots of `skmoe.neural.normal_scores`.

    .. math:: \\phi_{jt}(z) = \\min(1, \\max(0, (z - q_{jt}) / (q_{j,t+1} - q_{jt})))

    Parameters
    ----------
    edges : sequence of ndarray
        Of every column the edges of its bins, rising, two at least.
    d_embedding : int

    References
    ----------
    Y. Gorishniy, I. Rubachev, A. Babenko (2022). On embeddings for numerical features in tabular deep learning.
    NeurIPS. https://arxiv.org/abs/2203.05556
    """

    left: Tensor
    inverse: Tensor

    def __init__(self, edges: Sequence[np.ndarray], d_embedding: int) -> None:
        n_bins = max((len(column) - 1 for column in edges), default=0)
        super().__init__(len(edges), n_bins, d_embedding)
        left, inverse = np.zeros((len(edges), n_bins)), np.zeros((len(edges), n_bins))
        for j, column in enumerate(edges):  # columns of fewer bins have features that are zero
            left[j, : len(column) - 1], inverse[j, : len(column) - 1] = column[:-1], 1 / np.diff(column)
        self.register_buffer("left", torch.from_numpy(left).to(torch.get_default_dtype()))
        self.register_buffer("inverse", torch.from_numpy(inverse).to(torch.get_default_dtype()))

    def encoded(self, z: Tensor) -> Tensor:
        return ((z.T[..., None] - self.left[:, None]) * self.inverse[:, None]).clamp(0.0, 1.0)


class PeriodicEmbedding(NumberEmbedding):
    """Sines and cosines of learned frequencies (Gorishniy et al. 2022, section 3.3), beside a line.

    .. math:: \\phi_j(z) = [\\cos(2 \\pi c_j z), \\sin(2 \\pi c_j z)]

    Parameters
    ----------
    n_columns, n_frequencies, d_embedding : int
    deviation : float
        Standard deviation of the frequencies at the start: how fast things may change along a column.
    """

    def __init__(self, n_columns: int, n_frequencies: int, d_embedding: int, deviation: float = 0.3) -> None:
        super().__init__(n_columns, 2 * n_frequencies, d_embedding)
        self.deviation = deviation
        self.frequency = nn.Parameter(torch.empty(n_columns, n_frequencies))

    def reset_parameters(self, generator: Generator | None = None) -> None:
        super().reset_parameters(generator)
        noise.draw(
            self.frequency,
            generator,
            lambda drawn: nn.init.normal_(drawn, 0.0, self.deviation, generator=generator),
        )
        bound = self.weight.shape[1] ** -0.5 if self.weight.shape[1] else 0.0
        noise.draw(self.weight, generator, lambda drawn: nn.init.uniform_(drawn, -bound, bound, generator=generator))

    def encoded(self, z: Tensor) -> Tensor:
        angle = 2 * math.pi * z.T[..., None] * self.frequency[:, None]
        return torch.cat([angle.cos(), angle.sin()], dim=-1)


class CategoryEmbedding(nn.Module):
    """A vector for every code of every column, (n_rows, n_columns, d_embedding); ``first`` is where columns begin."""

    first: Tensor
    met_gap: Tensor

    def __init__(self, n_codes: Sequence[int], d_embedding: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(sum(n_codes), d_embedding))
        self.register_buffer("first", torch.tensor([0, *np.cumsum(n_codes)[:-1].tolist()], dtype=torch.int64))
        self.register_buffer("met_gap", torch.zeros(len(n_codes), dtype=torch.bool))

    def reset_parameters(self, generator: Generator | None = None) -> None:
        noise.draw(self.weight, generator, lambda drawn: nn.init.normal_(drawn, generator=generator))

    def forward(self, codes: Tensor) -> Tensor:
        return self.weight[codes + self.first]

    def is_gap(self, codes: Tensor) -> Tensor:
        """Whether a level is missing, or one that training has not seen."""
        return codes == 0

    @torch.no_grad()
    def set_gaps(self, vectors: Tensor, which: Tensor) -> None:
        """Give the gaps of some columns the vectors (n_columns, d_embedding)."""
        self.weight[self.first[which]] = vectors[which]
