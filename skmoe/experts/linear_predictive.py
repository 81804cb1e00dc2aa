"""The distribution of a response of linear experts, at some rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..families.protocol import Family, Theta


class LinearPredictive(NamedTuple):
    """A family at the rows of a design, in the user's units; arrays (n_experts, n_outputs, n_rows)."""

    family: Family
    theta: Theta
    center: np.ndarray
    unit: np.ndarray

    @property
    def n_outputs(self) -> int:
        return len(self.center)

    def output(self, j: int) -> LinearPredictive:
        """The same of one output."""
        one = slice(j, j + 1)
        return LinearPredictive(self.family, tuple(t[:, one] for t in self.theta), self.center[one], self.unit[one])

    def rows(self, index: np.ndarray) -> LinearPredictive:
        """The same at some of the rows."""
        theta = tuple(t[..., index] if t.shape[-1] > 1 else t for t in self.theta)
        return self._replace(theta=theta)

    def mean(self) -> np.ndarray:
        return self.center + self.unit * self.family.mean(self.theta)

    def variance(self) -> np.ndarray:
        return np.square(self.unit) * self.family.variance(self.theta)

    def log_prob(self, y: np.ndarray) -> np.ndarray:
        z = (y - self.center) / self.unit
        return self.family.log_prob(z, self.theta) + self.family.base_measure(z) - np.log(self.unit)

    def cdf(self, y: np.ndarray) -> np.ndarray:
        return self.family.cdf((y - self.center) / self.unit, self.theta)

    def ppf(self, q: np.ndarray | float) -> np.ndarray:
        return self.center + self.unit * self.family.ppf(q, self.theta)

    def sample(self, rng: np.random.Generator) -> np.ndarray:
        shape = np.broadcast_shapes(*(t.shape for t in self.theta))
        theta = tuple(np.broadcast_to(t, shape) for t in self.theta)
        return self.center + self.unit * self.family.sample(theta, rng)
