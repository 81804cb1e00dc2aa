"""Linear experts: a family whose first parameter is linear in x, the others one number an expert."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np

from ..block import Gathered
from ..families.links import Link
from ..families.protocol import Family, Theta, totals
from ..newton import solve_information, times
from ..rows.chunk import Response
from ..rows.design import Design, Standardizer, crossed
from .linear_predictive import LinearPredictive
from .protocol import Expert, ExpertForward
from .shapes import Shapes, known_of

#: Largest move of a scale or shape coordinate in one M-step: beyond it the quadratic picture says nothing.
_LARGEST_MOVE = 2.0


#: Rows' worth of mass that every expert has at least, as far as the length of its steps goes: an expert that lost its
#: rows has no curvature either, and rounding would send it anywhere.
_LEAST_MASS = 0.1


class LinearParams(NamedTuple):
    """Coefficients (n_experts, n_outputs, n_coef) and link coordinates of the other parameters
    (n_experts, n_outputs, n_parameters - 1)."""

    coef: np.ndarray
    shape: np.ndarray


class LinearSums(NamedTuple):
    """Sums in the family's own parameters; links and ridge come in when they are spent.

    ``mass`` (n_experts,), ``coef`` and ``shape`` scores like `LinearParams`, ``information`` of the coefficients
    (n_experts, n_outputs, n_coef, n_coef), or its diagonal (n_experts, n_outputs, n_coef) where coefficients are many,
    ``curvature`` of the shapes; the last two are None after a score-only pass. Outputs may share one information.
    """

    mass: np.ndarray
    coef: np.ndarray
    shape: np.ndarray
    information: np.ndarray | None
    curvature: np.ndarray | None


@dataclass(frozen=True)
class LinearExpert(Expert):
    """Experts whose response follows a family with a linear predictor.

    .. math:: f_k(y \\mid x) = f(y;\\; b_{k0} + b_k^\\top x,\\; \\theta_k)

    Parameters
    ----------
    family : Family
        Distribution of the response.
    alpha : float, default=1e-2
        Ridge on the slopes, ``alpha / 2 * ||b / s||^2``, with s the scale of the expert for families on the real line
        and 1 for others: so one expert is ``Ridge(alpha)`` whatever its scale (Staedler, Buehlmann & van de Geer 2010).
    scale_floor : float, default=1e-3
        Smallest scale of an expert, in weighted standard deviations of y.
    y_mean, y_sd : ndarray of shape (n_outputs,)
        Units of the response, set by `adapted`.

    References
    ----------
    Staedler, Buehlmann & van de Geer (2010), l1-penalization for mixture regression models.
    https://doi.org/10.1007/s11749-010-0197-z
    """

    family: Family
    alpha: float = 1e-2
    scale_floor: float = 1e-3
    y_mean: np.ndarray = field(default_factory=lambda: np.zeros(1))
    y_sd: np.ndarray = field(default_factory=lambda: np.ones(1))

    # -- units -----------------------------------------------------------------------------------------------

    @property
    def curved(self) -> bool:  # type: ignore[override]
        return self.family.curved

    @cached_property
    def links(self) -> tuple[Link, ...]:
        """Links of the parameters after the first."""
        return tuple(self.family.links(self.scale_floor).values())[1:]

    @property
    def center(self) -> np.ndarray:
        return self.y_mean if self.family.location_scale else np.zeros_like(self.y_mean)

    @property
    def unit(self) -> np.ndarray:
        return self.y_sd if self.family.location_scale else np.ones_like(self.y_sd)

    def adapted(self, y: np.ndarray, weight: np.ndarray) -> Self:
        self.check_response(y)
        moments = Standardizer.of(y, weight)
        # A response that does not vary is measured in its own unit.
        return replace(self, y_mean=moments.center, y_sd=np.where(np.isfinite(moments.scale), moments.scale, 1.0))

    def check_response(self, y: np.ndarray) -> None:
        self.family.check_response(y)

    def observe(self, y: np.ndarray) -> Response:
        z = y - self.center
        z /= self.unit
        z = np.ascontiguousarray(z.T)
        measure = self.family.base_measure(z)
        total = measure.sum(axis=0) if measure.ndim else measure * len(z)
        return Response(z, total - np.log(self.unit).sum())

    # -- evaluate and gather ---------------------------------------------------------------------------------

    def start(self, n_experts: int, n_coef: int) -> LinearParams:
        center, unit = self.center, self.unit
        first, *others = self.family.start((self.y_mean - center) / unit, self.y_sd / unit)
        coef = np.zeros((n_experts, len(center), n_coef))
        coef[..., 0] = first
        shape = [link.inverse(theta) for link, theta in zip(self.links, others, strict=True)]
        stacked = np.stack(shape, axis=-1) if shape else np.zeros((len(center), 0))
        return LinearParams(coef, np.tile(stacked, (n_experts, 1, 1)))

    def _linked(self, params: LinearParams) -> Shapes:
        """What the parameters after the first say by themselves."""
        return known_of(self.family, self.links, params.shape.tobytes(), params.shape.shape)

    def _log_scale(self, params: LinearParams) -> np.ndarray:
        """Log of the scale of each expert, (n_experts, n_outputs), for families that have one."""
        return self._linked(params).value[..., 0]

    def theta(self, params: LinearParams, design: Design) -> Theta:
        """Parameters of the family at the rows of a design: (n_experts, n_outputs, n_rows) or (..., 1)."""
        value = self._linked(params).value
        return (design.predict(params.coef), *(value[..., j, None] for j in range(value.shape[-1])))

    def forward(self, params: LinearParams, design: Design, response: Response) -> ExpertForward:
        theta = self.theta(params, design)
        return ExpertForward(self.family.log_prob(response.y, theta).sum(axis=1), theta)

    def gather(
        self,
        params: LinearParams,
        design: Design,
        response: Response,
        mass: np.ndarray,
        cache: Theta,
        *,
        information: bool = True,
    ) -> LinearSums:
        (score, *scores), curvature = self.family.terms(response.y, cache, curvature=information)
        weight, n_outputs = mass[:, None], len(response.y)
        total, coef, shape = mass.sum(axis=1), design.score(weight * score), totals(scores, weight, n_outputs)
        if curvature is None:
            return LinearSums(total, coef, shape, None, None)
        curved, *others = curvature
        return LinearSums(
            total, coef, shape, self._information(design, mass, curved), totals(others, weight, n_outputs)
        )

    @staticmethod
    def _information(design: Design, mass: np.ndarray, curvature: np.ndarray) -> np.ndarray:
        """Information of the coefficients; where the curvature is the same at every row, all outputs share one sum."""
        if curvature.shape[-1] == 1:
            shared = design.information(mass)[:, None]
            return shared * (curvature if shared.ndim == 3 else curvature[..., None])
        return design.information(mass[:, None, :] * curvature)

    # -- fused passes ----------------------------------------------------------------------------------------

    @property
    def kernel(self) -> int | None:
        return self.family.kernel

    def constants(self, params: LinearParams) -> np.ndarray:
        value = self._linked(params).value
        return _last(self.family.constants(tuple(value[..., j] for j in range(value.shape[-1]))), value.shape)

    @property
    def units(self) -> tuple[np.ndarray, np.ndarray]:
        return self.center, self.unit

    def predictors(self, params: LinearParams) -> np.ndarray | None:
        return None if self.kernel is None else params.coef

    def n_curves(self, n_outputs: int) -> int:
        return 1 if self.family.curvature_is_constant else n_outputs

    def condensed(self, params: LinearParams, gathered: Gathered) -> LinearSums:
        mass, coef, grams, shape = gathered
        assert shape is not None
        if grams is None:
            return LinearSums(mass, coef, shape, None, None)
        curved, *others = self._linked(params).curvature
        information = grams * curved[..., None] if self.family.curvature_is_constant else grams
        return LinearSums(mass, coef, shape, information, totals(others, mass[:, None, None], params.coef.shape[1]))

    # -- spend -----------------------------------------------------------------------------------------------

    @property
    def _scaled(self) -> bool:
        return self.family.location_scale

    def _precision(self, params: LinearParams) -> np.ndarray:
        """1 / s^2 of each expert, the unit of its ridge; 1 where the family has no scale of the predictor."""
        return self._linked(params).precision

    def _ridge(self, params: LinearParams) -> np.ndarray:
        """alpha * ||b / s||^2 of each expert and output."""
        return self.alpha * self._precision(params) * np.square(params.coef[..., 1:]).sum(axis=-1)

    def penalty(self, params: LinearParams) -> float:
        return 0.5 * float(self._ridge(params).sum())

    def _natural_shape(self, params: LinearParams, sums: LinearSums) -> np.ndarray:
        """Gradient of the penalised objective in the family's own parameters after the first."""
        if not self._scaled:
            return sums.shape
        shape = sums.shape.copy()
        shape[..., 0] += self._ridge(params)
        return shape

    def gradient(self, params: LinearParams, sums: LinearSums) -> LinearParams:
        coef = sums.coef.copy()
        coef[..., 1:] -= self.alpha * self._precision(params)[..., None] * params.coef[..., 1:]
        return LinearParams(coef, self._natural_shape(params, sums) * self._linked(params).first)

    def precondition(self, params: LinearParams, sums: LinearSums, vector: LinearParams) -> LinearParams:
        assert sums.information is not None
        assert sums.curvature is not None
        n_coef = params.coef.shape[-1]
        ridge = np.full(n_coef, self.alpha)
        ridge[0] = 0.0
        lack = np.maximum(_LEAST_MASS - sums.mass, 0.0)
        ridge = self._precision(params)[..., None] * (ridge + lack[:, None, None])
        coef = solve_information(sums.information, vector.coef, ridge)
        _, first, second, *_ = self._linked(params)
        information = np.square(first) * sums.curvature
        information += np.maximum(-second * self._natural_shape(params, sums), 0.0)
        smallest = np.maximum(lack, 1e-10 * (1.0 + sums.mass))[:, None, None]
        return LinearParams(coef, vector.shape / np.maximum(information, smallest))

    def m_step(self, params: LinearParams, sums: LinearSums) -> LinearParams:
        """One Newton step, which is exact for the coefficients given the scale, and then the scale in closed form."""
        move = self.precondition(params, sums, self.gradient(params, sums))
        coef = params.coef + move.coef
        shape = params.shape + _within(move.shape)
        if self._scaled and not self.rough(params):
            shape[..., 0] = self._scale_step(params, sums, coef, move.coef)
        return LinearParams(coef, shape)

    def _scale_step(self, params: LinearParams, sums: LinearSums, coef: np.ndarray, move: np.ndarray) -> np.ndarray:
        """Scale coordinate after the coefficient step, by the sums alone.

        The new residual sum is the old one plus the quadratic form of the step, so
        ``s_new^2 / s_old^2 = (RSS_new + alpha ||b_new||^2) / (mass s_old^2)``.
        """
        mass = sums.mass[:, None]
        excess = sums.shape[..., 0] + self._quadratic(sums, move) + self._ridge(LinearParams(coef, params.shape))
        ratio = 1 + excess / np.maximum(mass, _LEAST_MASS)
        log_scale = self._log_scale(params) + 0.5 * np.log(np.maximum(ratio, 1e-300))
        old = params.shape[..., 0]
        return old + _within(self.links[0].inverse(log_scale) - old)

    # -- sums of rows that are gone --------------------------------------------------------------------------

    def recentred(self, sums: LinearSums, old: LinearParams, new: LinearParams) -> LinearSums:
        """Exact for Gaussian experts; for others of location and scale where the weights of residuals stay, too."""
        assert sums.information is not None
        assert sums.curvature is not None
        move, tilt = self._moved(old, new)
        coef, shape = sums.coef - self._bent(sums, move), sums.shape - sums.curvature * tilt
        if not self._scaled:
            return sums._replace(coef=coef, shape=shape)
        ratio, squares = self._squares(sums, old, new, move)
        shape[..., 0] = ratio * squares - sums.mass[:, None]
        information = sums.information * ratio.reshape(ratio.shape + (1,) * (sums.information.ndim - 2))
        return sums._replace(coef=coef * ratio[..., None], shape=shape, information=information)

    def gain(self, sums: LinearSums, old: LinearParams, new: LinearParams) -> float:
        assert sums.curvature is not None
        move, tilt = self._moved(old, new)
        mass, first = sums.mass[:, None], int(self._scaled)
        gain = (tilt * (sums.shape - 0.5 * sums.curvature * tilt))[..., first:].sum()
        if not self._scaled:
            return float(gain + (move * (sums.coef - 0.5 * self._bent(sums, move))).sum())
        ratio, squares = self._squares(sums, old, new, move)
        before = sums.shape[..., 0] + mass
        return float(gain - (0.5 * (ratio * squares - before) + mass * tilt[..., 0]).sum())

    def balanced(self, params: LinearParams, sums: LinearSums) -> LinearSums:
        coef = sums.coef - self.gradient(params, sums).coef
        return sums._replace(coef=coef, shape=sums.shape - self._natural_shape(params, sums))

    def _moved(self, old: LinearParams, new: LinearParams) -> tuple[np.ndarray, np.ndarray]:
        """Moves of the coefficients and of the other parameters of the family."""
        return new.coef - old.coef, self._linked(new).value - self._linked(old).value

    def _squares(
        self, sums: LinearSums, old: LinearParams, new: LinearParams, move: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Old over new squared scale, and the sum of squared residuals after a move in units of the old one."""
        ratio = np.exp(2 * (self._log_scale(old) - self._log_scale(new)))
        return ratio, sums.mass[:, None] + sums.shape[..., 0] + self._quadratic(sums, move)

    @staticmethod
    def _bent(sums: LinearSums, move: np.ndarray) -> np.ndarray:
        """``information @ move`` (n_experts, n_outputs, n_coef)."""
        assert sums.information is not None
        return times(sums.information, move)

    @classmethod
    def _quadratic(cls, sums: LinearSums, move: np.ndarray) -> np.ndarray:
        """What a move of the coefficients adds to the squared residuals, in units of the squared scale."""
        added: np.ndarray = (move * (cls._bent(sums, move) - 2 * sums.coef)).sum(axis=-1)
        return added

    def rough(self, params: LinearParams) -> bool:
        return not crossed(params.coef.shape[-1])

    def n_free(self, params: LinearParams) -> int:
        return params.coef.size + params.shape.size

    # -- read ------------------------------------------------------------------------------------------------

    def take(self, params: LinearParams, index: np.ndarray) -> LinearParams:
        return LinearParams(params.coef[index], params.shape[index])

    def predictive(self, params: LinearParams, design: Design) -> LinearPredictive:
        return LinearPredictive(self.family, self.theta(params, design), self.center[:, None], self.unit[:, None])

    def original(self, params: LinearParams, standardizer: Standardizer) -> tuple[np.ndarray, np.ndarray]:
        slopes, intercept = standardizer.original(params.coef)
        return slopes * self.unit[:, None], intercept * self.unit + self.center

    def scale(self, params: LinearParams) -> np.ndarray | None:
        return np.exp(self._log_scale(params)) * self.unit if self._scaled else None

    def floor(self) -> np.ndarray | None:
        return self.scale_floor * self.y_sd if self._scaled else None

    def at_floor(self, params: LinearParams) -> np.ndarray:
        if not self._scaled:
            return np.zeros(0, dtype=np.intp)
        # Within five per cent: there the free part of the scale is a tenth of the square of the floor.
        scale = np.exp(self._log_scale(params))
        return np.flatnonzero((scale <= 1.05 * self.scale_floor).any(axis=1))

    def given(
        self,
        params: LinearParams,
        slopes: np.ndarray,
        intercept: np.ndarray,
        scale: np.ndarray | None,
        units: Standardizer,
    ) -> LinearParams:
        coef = units.standardized(slopes / self.unit[:, None], (intercept - self.center) / self.unit)
        shape = params.shape
        if self._scaled and scale is not None:
            shape = shape.copy()
            shape[..., 0] = self.links[0].inverse(np.log(scale / self.unit))
        return LinearParams(coef, shape)

    def restandardized(
        self, params: LinearParams, old: LinearExpert, old_units: Standardizer, new_units: Standardizer
    ) -> LinearParams:
        return self.given(params, *old.original(params, old_units), old.scale(params), new_units)


def _within(move: np.ndarray) -> np.ndarray:
    """Moves of scale and shape coordinates, no longer than the largest."""
    return np.minimum(np.maximum(move, -_LARGEST_MOVE), _LARGEST_MOVE)


def _last(arrays: Sequence[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Arrays of a shape without its last axis, along that axis."""
    out = np.empty((*shape[:-1], len(arrays)))
    for j, array in enumerate(arrays):
        out[..., j] = array
    return out
