"""Heads: the distribution that an answer stands for, one family a class; mixtures of them are mixed as densities."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, Independent, MixtureSameFamily, Normal, Poisson, StudentT

from .capturing import is_capturing
from .routing import Routing


class MixtureHead(nn.Module):
    """Turns answers of experts into distributions, and mixes these by the weights of the routing.

    .. math:: p(y \\mid x) = \\sum_{e \\in S} g_e(x) f_e(y \\mid x), \\qquad g \\text{ divided by its sum}

    A layer mixes the answers themselves, which are then one mean or one logit. This head mixes probabilities, as the
    estimators of skmoe do: the result can have several peaks, and every expert keeps a spread of its own.

    Parameters
    ----------
    family : {"gaussian", "heteroscedastic_gaussian", "student_t", "poisson", "bernoulli", "multinomial"}
        Distribution of the response given an expert. Answers are means, locations, log rates, one logit, or a logit a
        class; of ``"heteroscedastic_gaussian"`` they are the means of all outputs, then v of all outputs (see
        `scale_floor`), so that the scale sees the row.
    n_experts : int
        Experts, each with shape parameters of its own.
    n_outputs : int, default=1
        Columns of an answer. Of several outputs densities are joint.
    scale_floor : float, default=1e-3
        Smallest scale, in units of y, at least 0, of families that have one: the scale is
        ``sqrt(scale_floor**2 + exp(2 v))``.

    Raises
    ------
    ValueError
        Where there is no such family or a number makes no sense; at a call, where answers do not fit or a row has no
        expert.

    Examples
    --------
    >>> import torch
    >>> from skmoe.neural import MixtureHead, MoELayer, TopK
    >>> layer, head = MoELayer(3, 1, n_experts=4, router=TopK(k=2)), MixtureHead("gaussian", 4)
    >>> x, y = torch.randn(5, 3), torch.randn(5, 1)
    >>> head(*layer.answers(x)).log_prob(y).shape
    torch.Size([5])
    """

    floor: Tensor

    def __init__(self, family: str, n_experts: int, n_outputs: int = 1, *, scale_floor: float = 1e-3) -> None:
        super().__init__()
        if family not in _COMPONENTS:
            raise ValueError(f"family must be one of {tuple(_COMPONENTS)}, got {family!r}.")
        if family == "bernoulli" and n_outputs != 1:
            raise ValueError(f'family="bernoulli" has one logit, got n_outputs={n_outputs}: use "multinomial".')
        if n_experts < 1 or n_outputs < 1 or not scale_floor >= 0:
            raise ValueError(
                f"n_experts={n_experts} and n_outputs={n_outputs} must be at least 1, and scale_floor={scale_floor} at "
                "least 0."
            )
        self.family = family
        self.scale_sees_row = family == "heteroscedastic_gaussian"
        self._component: Any = _COMPONENTS[family]
        shape = (n_experts, n_outputs)
        self.log_scale = nn.Parameter(torch.zeros(shape)) if family in ("gaussian", "student_t") else None
        self.tail = nn.Parameter(torch.full(shape, _TAIL_AT_EIGHT)) if self._component is _student_t else None
        self.register_buffer("floor", torch.full((n_outputs,), float(scale_floor)))

    @property
    def scale(self) -> Tensor | None:
        """Scales (n_experts, n_outputs) in units of y; None where the family has none."""
        return None if self.log_scale is None else self._scale(self.log_scale)

    def _scale(self, v: Tensor) -> Tensor:
        return torch.sqrt(self.floor.square() + (2 * v).exp())

    @property
    def n_answers(self) -> int:
        """Columns of an answer."""
        return (2 if self.scale_sees_row else 1) * len(self.floor)

    @property
    def dof(self) -> Tensor | None:
        """Degrees of freedom (n_experts, n_outputs) of Student-t experts, from 1/4 to a million; else None."""
        return None if self.tail is None else 1 / (_TAIL[0] + (_TAIL[1] - _TAIL[0]) * self.tail.sigmoid())

    @torch.no_grad()
    def set_scale(self, scale: Tensor) -> None:
        """Set scales (n_experts, n_outputs) above the floor."""
        assert self.log_scale is not None
        free = (scale.square() - self.floor.square()).clamp_min(torch.finfo(scale.dtype).tiny)
        self.log_scale.copy_(0.5 * free.log())

    @torch.no_grad()
    def set_dof(self, dof: Tensor) -> None:
        """Set degrees of freedom (n_experts, n_outputs), from 1/4 to a million."""
        assert self.tail is not None
        share = (1 / dof - _TAIL[0]) / (_TAIL[1] - _TAIL[0])
        self.tail.copy_(torch.logit(share, eps=torch.finfo(share.dtype).eps))

    def forward(self, routing: Routing, answer: Tensor) -> Distribution:
        """The mixture of every row.

        Parameters
        ----------
        routing : Routing
        answer : Tensor of shape (..., k, n_outputs)
            As of ``MoELayer.answers``.

        Returns
        -------
        torch.distributions.Distribution
            Whose ``log_prob`` takes (n_rows, n_outputs), or, of classes, numbers of classes (n_rows,).
        """
        if answer.shape != (*routing.index.shape, self.n_answers):
            raise ValueError(
                f"Answers of shape {tuple(answer.shape)} do not fit a routing of {tuple(routing.index.shape)} and a "
                f"head of {len(self.floor)} outputs: expected {(*routing.index.shape, self.n_answers)}, as "
                "MoELayer.answers gives them."
            )
        log_weight = self._log_weights(routing).to(answer.dtype)
        if self.scale_sees_row:
            answer, v = answer.chunk(2, dim=-1)
            return self._component(log_weight, answer, self._scale(v), None)
        shape = [None if values is None else values[routing.index] for values in (self.scale, self.dof)]
        return self._component(log_weight, answer, *shape)

    @staticmethod
    def _log_weights(routing: Routing) -> Tensor:
        idle = routing.idle()
        if idle is not None and not is_capturing() and bool(idle.all(-1).any()):
            row = int(torch.nonzero(idle.reshape(-1, idle.shape[-1]).all(-1))[0])
            raise ValueError(
                f"Row {row} has no expert, so it has no distribution. Use a router that gives every row one, such "
                "as TopK or Soft, without a capacity."
            )
        return routing.log_weights()

    def extra_repr(self) -> str:
        return f"family={self.family!r}, n_experts and n_outputs={tuple(self.floor.shape)}"


#: Bounds of one over the degrees of freedom, as of the Student-t family of the estimators, and where it starts.
_TAIL = (1e-6, 4.0)
_TAIL_AT_EIGHT = float(torch.logit(torch.tensor((1 / 8 - _TAIL[0]) / (_TAIL[1] - _TAIL[0]))))

#: Degrees of freedom above which the series is used; what it leaves out is below 1e-15 there.
_SERIES = 1e3


def _gaussian(log_weight: Tensor, answer: Tensor, scale: Tensor, dof: None) -> Distribution:
    return _mixed(log_weight, Independent(Normal(answer, scale, validate_args=False), 1, validate_args=False))


def _student_t(log_weight: Tensor, answer: Tensor, scale: Tensor, dof: Tensor) -> Distribution:
    return _mixed(log_weight, Independent(_StudentT(dof, answer, scale, validate_args=False), 1, validate_args=False))


class _StudentT(StudentT):
    """Student-t whose density stays exact towards the normal one, where logarithms of gamma functions cancel."""

    def log_prob(self, value: Tensor) -> Tensor:
        z = (value - self.loc) / self.scale
        x = 0.5 * self.df.clamp_min(_SERIES)  # log Gamma(x + 1/2) - log Gamma(x), Stirling's series
        series = 0.5 * x.log() - 1 / (8 * x) + 1 / (192 * x**3)
        x = 0.5 * self.df.clamp_max(_SERIES)
        ratio = torch.where(self.df >= _SERIES, series, torch.lgamma(x + 0.5) - torch.lgamma(x))
        constant = ratio - 0.5 * (self.df * math.pi).log() - self.scale.log()
        return constant - 0.5 * (self.df + 1) * torch.log1p(z.square() / self.df)


def _poisson(log_weight: Tensor, answer: Tensor, scale: None, dof: None) -> Distribution:
    return _mixed(log_weight, Independent(Poisson(answer.exp(), validate_args=False), 1, validate_args=False))


def _mixed(log_weight: Tensor, component: Distribution) -> Distribution:
    return RowMixture(Categorical(logits=log_weight, validate_args=False), component, validate_args=False)


class RowMixture(MixtureSameFamily):
    """A mixture a row, that takes responses of its own shape only: others would be compared with all rows."""

    def log_prob(self, value: Tensor) -> Tensor:
        expected = self.batch_shape + self.event_shape
        if value.shape != expected:
            raise ValueError(f"{_ASKED} of shape {tuple(value.shape)}: expected {tuple(expected)}, a column an output.")
        return super().log_prob(value)


class RowCategorical(Categorical):
    """Probabilities of classes a row, that take numbers of classes of their own shape only."""

    def log_prob(self, value: Tensor) -> Tensor:
        if value.shape != self.batch_shape:
            expected = tuple(self.batch_shape)
            raise ValueError(
                f"{_ASKED} of shape {tuple(value.shape)}: expected {expected}, the number of a class a row."
            )
        return super().log_prob(value)


#: How refusals begin.
_ASKED = "log_prob of rows was asked for responses"


def _bernoulli(log_weight: Tensor, answer: Tensor, scale: None, dof: None) -> Distribution:
    return _multinomial(log_weight, torch.cat([torch.zeros_like(answer), answer], dim=-1), scale, dof)


def _multinomial(log_weight: Tensor, answer: Tensor, scale: None, dof: None) -> Distribution:
    """A mixture of categorical distributions is one."""
    log_prob = (log_weight[..., None] + answer.log_softmax(-1)).logsumexp(-2)
    return RowCategorical(logits=log_prob, validate_args=False)


#: Families by name.
_COMPONENTS = {
    "gaussian": _gaussian,
    "heteroscedastic_gaussian": _gaussian,
    "student_t": _student_t,
    "poisson": _poisson,
    "bernoulli": _bernoulli,
    "multinomial": _multinomial,
}

FAMILIES = tuple(_COMPONENTS)
