"""How the network is trained, as records that need no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..table import Table


@dataclass(frozen=True)
class Settings:
    """How a network is trained.

    Attributes
    ----------
    k : int
        Experts of a row once routing is sparse.
    n_experts : int
    n_epochs : int
    n_batches : int
        Steps of an epoch; batches are as even in size as can be.
    learning_rate, weight_decay, gradient_clip : float
        Of AdamW; the clip is the largest norm of a gradient, infinite where none is too large.
    soft_start : float
        Share of the epochs in which every row goes to all experts.
    entropy : float
        Weight of the entropy of a gate at the end of the soft start; it rises from 0.
    balance, z_loss : float
        Weights of the losses that keep experts in use and logits small.
    mean_weight : float
        Weight of the squared error of the mean, beside the log density.
    patience : int or None
        Epochs without a better validation score before training stops; None where nothing is validated.
    averaging : float
        Epochs over which parameters are averaged; 0 takes the last ones.
    annealed : bool
        Whether the learning rate falls to 0 along half a cosine; else it stays.
    """

    k: int
    n_experts: int
    n_epochs: int
    n_batches: int
    learning_rate: float
    weight_decay: float
    gradient_clip: float
    soft_start: float
    entropy: float
    balance: float
    z_loss: float
    mean_weight: float = 0.0
    patience: int | None = None
    averaging: float = 0.0
    annealed: bool = True

    @property
    def n_soft(self) -> int:
        """Epochs of the soft start; the last epoch is sparse."""
        if self.k >= self.n_experts:
            return 0
        return min(math.ceil(self.soft_start * self.n_epochs), self.n_epochs - 1)

    def k_of(self, epoch: int) -> int:
        """Experts of a row in an epoch, counted from 1."""
        return self.n_experts if epoch <= self.n_soft else self.k

    def learning_rate_at(self, progress: float) -> float:
        """Learning rate when a share of all epochs is over."""
        return self.learning_rate * (0.5 * (1 + math.cos(math.pi * progress)) if self.annealed else 1.0)

    def entropy_at(self, epoch: int) -> float:
        """Weight of the entropy in an epoch."""
        return self.entropy * epoch / self.n_soft if epoch <= self.n_soft else 0.0


class Encoded(NamedTuple):
    """Rows as the network is trained on them.

    Attributes
    ----------
    table : Table
    lines : ndarray of shape (n_rows, n_numbers) or None
        Standardised columns, where a mixture is carried.
    y : ndarray of int64, shape (n_rows,), or of float64, shape (n_rows, n_outputs)
        Numbers of classes, or responses in units of training.
    weight : ndarray of shape (n_rows,)
        Divided by their mean over the rows of the fit, or of the first batch of a stream.
    """

    table: Table
    lines: np.ndarray | None
    y: np.ndarray
    weight: np.ndarray


class Moments(NamedTuple):
    """Where an optimiser stands, by name of the parameter: steps made, and the two moving averages of AdamW."""

    n_steps: int
    first: dict[str, np.ndarray]
    second: dict[str, np.ndarray]
