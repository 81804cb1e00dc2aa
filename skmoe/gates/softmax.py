"""The softmax block: probabilities of branches, or of classes, that follow linear predictors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np

from .. import kernels
from ..block import Block, Gathered
from ..kernels import codes
from ..newton import solve_information, times
from ..rows.design import Design, Standardizer, crossed
from .contrasts import contrasts, from_pairs, one_more
from .protocol import Gate, GateForward

#: Largest number of coefficients of one softmax for which the information of all pairs of branches is formed. Seconds
#: of runs with it over those with one block a branch: 0.7 to 1.1 at 18 to 63 coefficients, 1.4 to 4.0 at 77 to 615.
FULL_INFORMATION = 64

#: Damping where rows are fewer than parameters (see `skmoe.block.Block.damped`).
DAMPING = 0.02


class SoftmaxParams(NamedTuple):
    """Coefficients in contrasts, (n_groups, n_branches - 1, n_coef): a gate is one group, K experts are K groups."""

    coef: np.ndarray


class SoftmaxSums(NamedTuple):
    """Score (n_groups, n_branches - 1, n_coef), and information.

    Full information is (n_groups, n_branches - 1, n_coef, n_branches - 1, n_coef) in contrasts; above a size it is
    (n_groups, n_branches, n_coef, n_coef), one block a branch, in branches, and of many coefficients the diagonals of
    these (n_groups, n_branches, n_coef). None after a score-only pass.
    """

    score: np.ndarray
    information: np.ndarray | None


class SoftmaxForward(NamedTuple):
    """Log probabilities and probabilities, each (n_groups, n_branches, n_rows)."""

    log_prob: np.ndarray
    prob: np.ndarray


def log_softmax(logits: np.ndarray) -> SoftmaxForward:
    """Softmax over the second axis from the last, safe at any size of the logits; ``logits`` may be overwritten."""
    logits = np.ascontiguousarray(logits)  # so that reshaped arrays are views, into which the kernel writes
    prob = np.empty_like(logits)
    groups = (-1, *logits.shape[-2:])
    kernels.softmax.softmax(logits.reshape(groups), prob.reshape(groups))
    return SoftmaxForward(logits, prob)


@dataclass(frozen=True)
class Softmax(Block):
    """Groups of multinomial logits with a ridge on the slopes.

    .. math:: \\log p_c(x) = w_c^\\top x - \\log \\sum_d e^{w_d^\\top x}, \\qquad \\sum_c w_c = 0

    Parameters
    ----------
    alpha : float
        Ridge on the slopes, ``alpha / 2 * sum of squares`` over all branches.
    damping : float, default=0.0
        Fraction of Boehning's bound added to the information. It shortens steps and leaves the optimum where it is.
    """

    alpha: float
    damping: float = 0.0

    def damped(self) -> Self:
        return replace(self, damping=DAMPING)

    def evaluate(self, params: SoftmaxParams, design: Design) -> SoftmaxForward:
        basis = contrasts(params.coef.shape[1] + 1)
        return log_softmax(design.predict(basis @ params.coef))

    def collect(
        self, params: SoftmaxParams, design: Design, mass: np.ndarray, prob: np.ndarray, information: bool
    ) -> SoftmaxSums:
        """Sums over rows with mass (n_groups, n_branches, n_rows) seen, where prob was expected."""
        n_branches = mass.shape[1]
        excess = np.empty_like(prob)
        kernels.softmax.excess(mass, prob, excess)
        score = contrasts(n_branches).T @ design.score(excess)
        if not information:
            return SoftmaxSums(score, None)
        total = mass.sum(axis=1, keepdims=True)
        even = design.information(total)[:, 0] if self.damping else None
        if self._full(params):
            first, second = np.triu_indices(n_branches, 1)
            pairs = design.gram(total * prob[:, first] * prob[:, second])
            return SoftmaxSums(score, self._damped(params, from_pairs(pairs, n_branches), even))
        # Twice p(1 - p) majorises the information (Gershgorin) and is exact for two branches.
        return SoftmaxSums(score, self._damped(params, design.information(2 * total * prob * (1 - prob)), even))

    def _damped(self, params: SoftmaxParams, information: np.ndarray, even: np.ndarray | None) -> np.ndarray:
        """Information with a part of Boehning's bound, given the information of each group under weights of 1."""
        if even is None:
            return information
        bound = 0.5 * self.damping * even
        if not self._full(params):
            return information + bound[:, None]
        np.einsum("gcicj->gcij", information)[:] += bound[:, None]
        return information

    @staticmethod
    def _full(params: SoftmaxParams) -> bool:
        _, m, p = params.coef.shape
        return m * p <= FULL_INFORMATION

    def penalty(self, params: SoftmaxParams) -> float:
        return 0.5 * self.alpha * float(np.square(params.coef[..., 1:]).sum())

    def gradient(self, params: SoftmaxParams, sums: SoftmaxSums) -> SoftmaxParams:
        gradient = sums.score.copy()
        gradient[..., 1:] -= self.alpha * params.coef[..., 1:]
        return SoftmaxParams(gradient)

    def precondition(self, params: SoftmaxParams, sums: SoftmaxSums, vector: SoftmaxParams) -> SoftmaxParams:
        assert sums.information is not None
        solve = self._solve_full if self._full(params) else self._solve_branches
        out = np.empty_like(vector.coef)
        for h, v, found in zip(sums.information, vector.coef, out, strict=True):
            found[:] = solve(h, v)
        return SoftmaxParams(out)

    def _ridge(self, n_vectors: int, n_coef: int) -> np.ndarray:
        ridge = np.full((n_vectors, n_coef), self.alpha)
        ridge[:, 0] = 0.0
        return ridge.ravel()

    def _solve_full(self, information: np.ndarray, vector: np.ndarray) -> np.ndarray:
        m, p = vector.shape
        matrix = information.reshape(m * p, m * p)
        return solve_information(matrix, vector.ravel(), self._ridge(m, p)).reshape(m, p)

    def _solve_branches(self, information: np.ndarray, vector: np.ndarray) -> np.ndarray:
        n_branches, p = information.shape[:2]
        basis = contrasts(n_branches)
        return basis.T @ solve_information(information, basis @ vector, self._ridge(1, p))

    def rough(self, params: SoftmaxParams) -> bool:
        return not crossed(params.coef.shape[-1])

    def recentred(self, sums: SoftmaxSums, old: SoftmaxParams, new: SoftmaxParams) -> SoftmaxSums:
        return sums._replace(score=sums.score - self._bent(sums, new.coef - old.coef))

    def gain(self, sums: SoftmaxSums, old: SoftmaxParams, new: SoftmaxParams) -> float:
        move = new.coef - old.coef
        return float((move * (sums.score - 0.5 * self._bent(sums, move))).sum())

    def balanced(self, params: SoftmaxParams, sums: SoftmaxSums) -> SoftmaxSums:
        return sums._replace(score=sums.score - self.gradient(params, sums).coef)

    @staticmethod
    def _bent(sums: SoftmaxSums, move: np.ndarray) -> np.ndarray:
        """``information @ move`` (n_groups, n_branches - 1, n_coef)."""
        assert sums.information is not None
        if sums.information.ndim == 5:
            return np.einsum("gbidj,gdj->gbi", sums.information, move)
        basis = contrasts(move.shape[1] + 1)
        return basis.T @ times(sums.information, basis @ move)

    def n_free(self, params: SoftmaxParams) -> int:
        return params.coef.size


@dataclass(frozen=True)
class SoftmaxGate(Softmax, Gate):
    """Gate whose branch probabilities are the softmax of linear predictors.

    .. math:: g_c(x) = \\frac{e^{w_c^\\top x}}{\\sum_d e^{w_d^\\top x}}, \\qquad \\sum_c w_c = 0

    The gate of Jordan & Jacobs (1994): soft hyperplanes that divide the space of x. Where the shares of the experts
    should not depend on x, `ConstantGate` is simpler.

    Parameters
    ----------
    alpha : float, default=1e-2
        Ridge on the slopes (never the intercepts), ``alpha / 2 * ||W||^2``. A little is needed: regions that the
        columns separate perfectly would send the slopes to infinity.

    References
    ----------
    Jordan & Jacobs (1994), Hierarchical mixtures of experts and the EM algorithm.
    https://doi.org/10.1162/neco.1994.6.2.181

    Examples
    --------
    Two lines that meet at zero. A larger ridge makes the border softer:

    >>> import numpy as np
    >>> from skmoe import MoERegressor
    >>> from skmoe.gates import SoftmaxGate
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-1, 1, size=(300, 1))
    >>> y = np.abs(X[:, 0]) + 0.05 * rng.standard_normal(300)
    >>> for alpha in (0.01, 10):
    ...     model = MoERegressor(n_experts=2, gate=SoftmaxGate(alpha), random_state=0).fit(X, y)
    ...     print(model.gate_proba([[-0.5], [0.5]]).round(1).tolist())
    [[0.0, 1.0], [1.0, 0.0]]
    [[0.1, 0.9], [0.9, 0.1]]
    """

    linear = True

    alpha: float = 1e-2

    def start(self, n_branches: int, n_coef: int) -> SoftmaxParams:
        return SoftmaxParams(np.zeros((1, n_branches - 1, n_coef)))

    def forward(self, params: SoftmaxParams, design: Design) -> GateForward:
        log_prob, prob = self.evaluate(params, design)
        return GateForward(log_prob[0], prob)

    def gather(
        self, params: SoftmaxParams, design: Design, mass: np.ndarray, cache: Any, *, information: bool = True
    ) -> SoftmaxSums:
        return self.collect(params, design, mass[None], cache, information)

    def coef(self, params: SoftmaxParams, n_coef: int) -> np.ndarray:
        return contrasts(params.coef.shape[1] + 1) @ params.coef[0]

    def wanted(self, params: SoftmaxParams) -> int:
        return (codes.PAIRS if self._full(params) else codes.BLOCKS) + codes.EVEN * (self.damping > 0)

    def condensed(self, params: SoftmaxParams, gathered: Gathered) -> SoftmaxSums:
        n_branches = len(gathered.mass)
        score = (contrasts(n_branches).T @ gathered.score)[None]
        if gathered.grams is None:
            return SoftmaxSums(score, None)
        grams, even = (gathered.grams[:-1], gathered.grams[None, -1]) if self.damping else (gathered.grams, None)
        found = from_pairs(grams[None], n_branches) if self._full(params) else grams[None]
        return SoftmaxSums(score, self._damped(params, found, even))

    def given(self, coef: np.ndarray) -> SoftmaxParams:
        return SoftmaxParams((contrasts(len(coef)).T @ coef)[None])

    def decoupled(self, sums: SoftmaxSums, active: SoftmaxParams) -> SoftmaxSums:
        if sums.information is None or not self._full(active):
            return sums
        moves = active.coef[..., 0]
        alike = moves[:, :, None] == moves[:, None, :]
        return sums._replace(information=sums.information * alike[:, :, None, :, None])

    def extended(self, params: SoftmaxParams) -> SoftmaxParams:
        return SoftmaxParams(one_more(params.coef, 0.0, axis=1))

    def extension(self, params: SoftmaxParams) -> SoftmaxParams:
        return SoftmaxParams(one_more(np.zeros_like(params.coef, dtype=bool), True, axis=1))

    def permuted(self, params: SoftmaxParams, order: np.ndarray) -> SoftmaxParams:
        basis = contrasts(params.coef.shape[1] + 1)
        return SoftmaxParams((basis.T @ (basis @ params.coef[0])[order])[None])

    def restandardized(self, params: SoftmaxParams, old: Standardizer, new: Standardizer) -> SoftmaxParams:
        return SoftmaxParams(new.standardized(*old.original(params.coef)))
