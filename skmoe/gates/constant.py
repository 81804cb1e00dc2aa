"""Gates that ignore x: mixing weights learned, or equal."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..block import Gathered
from ..newton import solve_information
from ..rows.design import Design
from .contrasts import contrasts, one_more
from .protocol import Gate, GateForward


class ConstantParams(NamedTuple):
    """Logits of the mixing weights in contrasts, (n_branches - 1,)."""

    logits: np.ndarray


class ConstantSums(NamedTuple):
    """Mass in each branch, (n_branches,)."""

    mass: np.ndarray


class ConstantGate(Gate):
    """Gate whose branch probabilities do not depend on x.

    .. math:: g_c(x) = \\pi_c

    With it a mixture of linear experts is the mixture of regressions of flexmix and mixtools. It cannot tell from x
    which expert answers; `SoftmaxGate` can.

    Examples
    --------
    Two lines that cross; seven of ten rows, wherever they are, belong to the first:

    >>> import numpy as np
    >>> from skmoe import MoERegressor
    >>> from skmoe.gates import ConstantGate
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-1, 1, size=(300, 1))
    >>> y = np.where(rng.random(300) < 0.7, X[:, 0], -X[:, 0]) + 0.05 * rng.standard_normal(300)
    >>> model = MoERegressor(n_experts=2, gate=ConstantGate(), random_state=0).fit(X, y)
    >>> model.expert_coef_.round(1).ravel().tolist()
    [1.0, -1.0]
    >>> model.gate_proba([[-0.5], [0.5]]).round(1).tolist()
    [[0.7, 0.3], [0.7, 0.3]]
    """

    linear = True

    def start(self, n_branches: int, n_coef: int) -> ConstantParams:
        return ConstantParams(np.zeros(n_branches - 1))

    @staticmethod
    def _log_prob(params: ConstantParams) -> np.ndarray:
        logits = contrasts(len(params.logits) + 1) @ params.logits
        logits -= logits.max()
        return logits - np.log(np.exp(logits).sum())

    def forward(self, params: ConstantParams, design: Design) -> GateForward:
        return GateForward(self._log_prob(params)[:, None], None)

    def gather(
        self, params: ConstantParams, design: Design, mass: np.ndarray, cache: Any, *, information: bool = True
    ) -> ConstantSums:
        return ConstantSums(mass.sum(axis=1))

    def penalty(self, params: ConstantParams) -> float:
        return 0.0

    def gradient(self, params: ConstantParams, sums: ConstantSums) -> ConstantParams:
        expected = np.exp(self._log_prob(params)) * sums.mass.sum()
        return ConstantParams(contrasts(len(sums.mass)).T @ (sums.mass - expected))

    def precondition(self, params: ConstantParams, sums: ConstantSums, vector: ConstantParams) -> ConstantParams:
        basis, prob = contrasts(len(sums.mass)), np.exp(self._log_prob(params))
        information = sums.mass.sum() * (basis.T @ (np.diag(prob) - np.outer(prob, prob)) @ basis)
        return ConstantParams(solve_information(information, vector.logits))

    def m_step(self, params: ConstantParams, sums: ConstantSums) -> ConstantParams:
        # An empty branch would go to minus infinity; below e^-50 of the mass nothing can be seen of it anyway.
        share = np.maximum(sums.mass / sums.mass.sum(), np.exp(-50.0))
        return ConstantParams(contrasts(len(share)).T @ np.log(share))

    def recentred(self, sums: ConstantSums, old: ConstantParams, new: ConstantParams) -> ConstantSums:
        return sums

    def gain(self, sums: ConstantSums, old: ConstantParams, new: ConstantParams) -> float:
        return float(sums.mass @ (self._log_prob(new) - self._log_prob(old)))

    def balanced(self, params: ConstantParams, sums: ConstantSums) -> ConstantSums:
        return ConstantSums(sums.mass.sum() * np.exp(self._log_prob(params)))

    def n_free(self, params: ConstantParams) -> int:
        return params.logits.size

    def coef(self, params: ConstantParams, n_coef: int) -> np.ndarray:
        logits = contrasts(len(params.logits) + 1) @ params.logits
        return np.column_stack([logits, np.zeros((len(logits), n_coef - 1))])

    def condensed(self, params: ConstantParams, gathered: Gathered) -> ConstantSums:
        return ConstantSums(gathered.mass)

    def given(self, coef: np.ndarray) -> ConstantParams:
        return ConstantParams(contrasts(len(coef)).T @ coef[:, 0])

    def extended(self, params: ConstantParams) -> ConstantParams:
        return ConstantParams(one_more(params.logits, 0.0, axis=0))

    def extension(self, params: ConstantParams) -> ConstantParams:
        return ConstantParams(one_more(np.zeros_like(params.logits, dtype=bool), True, axis=0))

    def permuted(self, params: ConstantParams, order: np.ndarray) -> ConstantParams:
        basis = contrasts(len(params.logits) + 1)
        return ConstantParams(basis.T @ (basis @ params.logits)[order])

    def __repr__(self) -> str:
        return "ConstantGate()"


class EqualParams(NamedTuple):
    """Nothing to learn: an empty vector of length n_branches x 0 keeps the number of branches."""

    none: np.ndarray


class EqualGate(Gate):
    """Gate that gives every branch the same probability everywhere.

    .. math:: g_c(x) = 1 / C

    Used where experts are averaged: the root of an averaged fit is such a gate.

    Examples
    --------
    Two lines that cross; shares of the rows are not learned:

    >>> import numpy as np
    >>> from skmoe import MoERegressor
    >>> from skmoe.gates import EqualGate
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-1, 1, size=(300, 1))
    >>> y = np.where(rng.random(300) < 0.7, X[:, 0], -X[:, 0]) + 0.05 * rng.standard_normal(300)
    >>> model = MoERegressor(n_experts=2, gate=EqualGate(), random_state=0).fit(X, y)
    >>> model.expert_coef_.round(1).ravel().tolist()
    [1.0, -1.0]
    >>> model.gate_proba([[-0.5], [0.5]]).round(1).tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """

    linear = True

    def start(self, n_branches: int, n_coef: int) -> EqualParams:
        return EqualParams(np.zeros((n_branches, 0)))

    def forward(self, params: EqualParams, design: Design) -> GateForward:
        n_branches = len(params.none)
        return GateForward(np.full((n_branches, 1), -np.log(n_branches)), None)

    def gather(
        self, params: EqualParams, design: Design, mass: np.ndarray, cache: Any, *, information: bool = True
    ) -> EqualParams:
        return params

    def penalty(self, params: EqualParams) -> float:
        return 0.0

    def gradient(self, params: EqualParams, sums: EqualParams) -> EqualParams:
        return params

    def precondition(self, params: EqualParams, sums: EqualParams, vector: EqualParams) -> EqualParams:
        return vector

    def recentred(self, sums: EqualParams, old: EqualParams, new: EqualParams) -> EqualParams:
        return sums

    def gain(self, sums: EqualParams, old: EqualParams, new: EqualParams) -> float:
        return 0.0

    def balanced(self, params: EqualParams, sums: EqualParams) -> EqualParams:
        return sums

    def n_free(self, params: EqualParams) -> int:
        return 0

    def coef(self, params: EqualParams, n_coef: int) -> np.ndarray:
        return np.zeros((len(params.none), n_coef))

    def condensed(self, params: EqualParams, gathered: Gathered) -> EqualParams:
        return params

    def given(self, coef: np.ndarray) -> EqualParams:
        return EqualParams(np.zeros((len(coef), 0)))

    def extended(self, params: EqualParams) -> EqualParams:
        return EqualParams(np.zeros((len(params.none) + 1, 0)))

    def extension(self, params: EqualParams) -> EqualParams:
        return EqualParams(np.zeros((len(params.none) + 1, 0), dtype=bool))

    def permuted(self, params: EqualParams, order: np.ndarray) -> EqualParams:
        return params

    def __repr__(self) -> str:
        return "EqualGate()"
