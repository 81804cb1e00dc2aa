"""Experts over classes: one logit for two classes, for more the softmax block with classes for branches."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple, Self

import numpy as np

from ..families.bernoulli import Bernoulli
from ..families.protocol import Family
from ..gates.contrasts import contrasts
from ..gates.softmax import Softmax, SoftmaxForward, SoftmaxParams, SoftmaxSums
from ..rows.chunk import Response
from ..rows.design import Design, Standardizer
from .linear import LinearExpert, LinearParams
from .protocol import Expert, ExpertForward


@dataclass(frozen=True)
class ClassExpert(Softmax, Expert):
    """Multinomial logistic experts.

    .. math:: P_k(y = c \\mid x) = \\frac{e^{b_{kc}^\\top x}}{\\sum_d e^{b_{kd}^\\top x}}, \\qquad \\sum_c b_{kc} = 0

    One expert is ``LogisticRegression(C=1/alpha)``. For two classes use `LinearExpert` with `Bernoulli`: one logit.

    Parameters
    ----------
    alpha : float, default=1.0
        Ridge on the slopes of all classes.
    prior : ndarray of shape (n_classes,)
        Shares of the classes, set by `adapted`; experts start from them.
    """

    curved = False

    alpha: float = 1.0
    prior: np.ndarray = field(default_factory=lambda: np.full(3, 1 / 3))

    def adapted(self, y: np.ndarray, weight: np.ndarray) -> Self:
        prior = np.bincount(y[:, 0].astype(np.intp), weights=weight)
        return replace(self, prior=prior / prior.sum())

    def observe(self, y: np.ndarray) -> Response:
        codes = np.arange(len(self.prior))[:, None]
        return Response((y[:, 0] == codes).astype(np.float64), np.asarray(0.0))

    def start(self, n_experts: int, n_coef: int) -> SoftmaxParams:
        coef = np.zeros((n_experts, len(self.prior) - 1, n_coef))
        coef[..., 0] = contrasts(len(self.prior)).T @ np.log(np.maximum(self.prior, 1e-3))
        return SoftmaxParams(coef)

    def forward(self, params: SoftmaxParams, design: Design, response: Response) -> ExpertForward:
        forward = self.evaluate(params, design)
        return ExpertForward((forward.log_prob * response.y).sum(axis=1), forward)

    def gather(
        self,
        params: SoftmaxParams,
        design: Design,
        response: Response,
        mass: np.ndarray,
        cache: SoftmaxForward,
        *,
        information: bool = True,
    ) -> SoftmaxSums:
        return self.collect(params, design, mass[:, None, :] * response.y, cache.prob, information)

    def take(self, params: SoftmaxParams, index: np.ndarray) -> SoftmaxParams:
        return SoftmaxParams(params.coef[index])

    def predictive(self, params: SoftmaxParams, design: Design) -> ClassPredictive:
        return ClassPredictive(self.evaluate(params, design).log_prob)

    def predictors(self, params: SoftmaxParams) -> np.ndarray:
        return contrasts(len(self.prior)) @ params.coef

    def original(self, params: SoftmaxParams, standardizer: Standardizer) -> tuple[np.ndarray, np.ndarray]:
        return standardizer.original(contrasts(len(self.prior)) @ params.coef)

    def given(
        self,
        params: SoftmaxParams,
        slopes: np.ndarray,
        intercept: np.ndarray,
        scale: np.ndarray | None,
        units: Standardizer,
    ) -> SoftmaxParams:
        return SoftmaxParams(contrasts(len(self.prior)).T @ units.standardized(slopes, intercept))

    def restandardized(
        self, params: SoftmaxParams, old: ClassExpert, old_units: Standardizer, new_units: Standardizer
    ) -> SoftmaxParams:
        return SoftmaxParams(new_units.standardized(*old_units.original(params.coef)))


@dataclass(frozen=True)
class BinaryExpert(LinearExpert):
    """Logistic experts for two classes: one logit each.

    .. math:: P_k(y = 1 \\mid x) = \\frac{1}{1 + e^{-(b_{k0} + b_k^\\top x)}}

    One expert is ``LogisticRegression(C=1/alpha)``.
    """

    family: Family = field(default_factory=Bernoulli)
    alpha: float = 1.0

    def predictive(self, params: LinearParams, design: Design) -> ClassPredictive:  # type: ignore[override]
        theta = self.theta(params, design)
        outcomes = [self.family.log_prob(np.full((1, 1), float(c)), theta)[:, 0] for c in (0, 1)]
        return ClassPredictive(np.stack(outcomes, axis=1))


class ClassPredictive(NamedTuple):
    """Log probabilities of the classes at the rows of a design, (n_experts, n_classes, n_rows)."""

    log_prob: np.ndarray
