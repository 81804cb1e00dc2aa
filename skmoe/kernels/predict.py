"""What a mixture says of rows without leaving compiled code, a tile of rows after another.

Numbers go straight to where users find them, (n_rows, ...): no other array is as long as the rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .chosen import Mixed, look, prior, room_for
from .codes import BERNOULLI, GAUSSIAN, POISSON, STUDENT_T
from .compiled import elementary, kernel
from .elementary import exp, exp_of_negative
from .quantile import gaussian_quantile
from .softmax import relative

#: Rates beyond e^700 are e^700, as in `skmoe.families.Poisson`.
_LARGEST = 700.0


class Tiles(NamedTuple):
    """Designs of gates and of experts, (n_tiles, n_coef, tile)."""

    gate: np.ndarray
    expert: np.ndarray


class Outputs(NamedTuple):
    """What else there is to know of outputs: the family of the experts, its other parameters (n_experts, n_outputs,
    n_constants), and the units, ``y = center + unit * z``, each (n_outputs,)."""

    family: int
    shape: np.ndarray
    center: np.ndarray
    unit: np.ndarray


@kernel
def priors(gate: np.ndarray, mixed: Mixed, out: np.ndarray) -> None:
    """Prior probabilities of all experts; ``gate`` is (n_tiles, n_coef, tile), ``out`` (n_rows, n_experts)."""
    room = room_for(mixed, gate.shape[2])
    for t in range(len(gate)):
        np.dot(mixed.gate, gate[t], room.logits)
        prior(mixed.routes, room)
        _put(room.share, out[t * gate.shape[2] :])


@kernel
def moments(tiles: Tiles, mixed: Mixed, outputs: Outputs, mean: np.ndarray, variance: np.ndarray) -> None:
    """Means and variances of the mixture.

    Parameters
    ----------
    mean : ndarray of shape (n_rows, n_outputs)
    variance : ndarray of shape (n_rows, n_outputs) or (0, n_outputs)
        Without rows none are wanted.
    """
    n, n_outputs = tiles.expert.shape[2], mixed.coef.shape[1]
    room = room_for(mixed, n)
    first, second, own = np.empty((n_outputs, n)), np.empty((n_outputs, n)), np.empty(n)
    constant = _constant_variances(outputs)
    for t in range(len(tiles.expert)):
        look(tiles.gate[t], tiles.expert[t], mixed, room)
        first[:] = 0.0
        for j in range(mixed.top_k):
            for q in range(n_outputs):
                _to_means(outputs.family, room.eta[j, q])
                _add(room.share[j], room.eta[j, q], first[q])
        _put_in_units(first, outputs.center, outputs.unit, mean[t * n :])
        if len(variance):
            second[:] = 0.0
            for j in range(mixed.top_k):
                for q in range(n_outputs):
                    _variances(outputs.family, constant[:, q], room.holder[j], room.eta[j, q], own)
                    _add_spread(room.share[j], room.eta[j, q], own, first[q], second[q])
            _put_in_units(second, np.zeros(n_outputs), outputs.unit * outputs.unit, variance[t * n :])


@kernel
def classes(tiles: Tiles, mixed: Mixed, out: np.ndarray) -> None:
    """Probabilities of the classes, ``out`` (n_rows, n_classes)."""
    n, n_classes = tiles.expert.shape[2], out.shape[1]
    room = room_for(mixed, n)
    prob, total = np.empty((n_classes, n)), np.empty((n_classes, n))
    for t in range(len(tiles.expert)):
        look(tiles.gate[t], tiles.expert[t], mixed, room)
        total[:] = 0.0
        for j in range(mixed.top_k):
            if n_classes == 2:
                _add_either(room.share[j], room.eta[j, 0], total)
            else:
                relative(room.eta[j], prob, room.top, room.total)
                for i in range(n):
                    room.total[i] = room.share[j, i] / room.total[i]
                for c in range(n_classes):
                    _add(room.total, prob[c], total[c])
        _to_one(total)
        _put(total, out[t * n :])


@kernel
def quantiles(
    tiles: Tiles, mixed: Mixed, outputs: Outputs, level: np.ndarray, standard: np.ndarray, out: np.ndarray
) -> None:
    """Quantiles of mixtures of Gaussian experts.

    Parameters
    ----------
    level, standard : ndarray of shape (n_levels,)
        Levels, and the quantiles of the standard normal there.
    out : ndarray of shape (n_rows, n_levels, n_outputs)
    """
    n, n_outputs, top_k = tiles.expert.shape[2], mixed.coef.shape[1], mixed.top_k
    room = room_for(mixed, n)
    mean, scale, found = np.empty((top_k, n)), np.empty((top_k, n)), np.empty((1, n))
    at, bound = np.empty(n), np.empty(n)
    scales = np.exp(outputs.shape[:, :, 0])
    for t in range(len(tiles.expert)):
        look(tiles.gate[t], tiles.expert[t], mixed, room)
        for q in range(n_outputs):
            one = slice(q, q + 1)
            for j in range(top_k):
                mean[j] = room.eta[j, q]
                for i in range(n):
                    scale[j, i] = scales[room.holder[j, i], q]
            for m in range(len(level)):
                at[:] = level[m]
                bound[:] = standard[m]
                gaussian_quantile(room.share, mean, scale, at, bound, found[0])
                _put_in_units(found, outputs.center[one], outputs.unit[one], out[t * n :, m, one])


# -- means, variances, classes -----------------------------------------------------------------------------------------


@kernel
def _to_means(family: int, eta: np.ndarray) -> None:
    """Turn linear predictors into means."""
    if family == POISSON:
        for i in range(len(eta)):
            eta[i] = exp(min(eta[i], _LARGEST))
    elif family == BERNOULLI:
        for i in range(len(eta)):
            small = exp_of_negative(-abs(eta[i]))
            larger = 1 / (1 + small)
            eta[i] = larger if eta[i] > 0 else small * larger


@kernel
def _constant_variances(outputs: Outputs) -> np.ndarray:
    """Variances that are the same at every row, (n_experts, n_outputs); zero where they are not."""
    n_experts, n_outputs, _ = outputs.shape.shape
    out = np.zeros((n_experts, n_outputs))
    for k in range(n_experts):
        for q in range(n_outputs):
            if outputs.family == GAUSSIAN:
                out[k, q] = np.exp(2 * outputs.shape[k, q, 0])
            elif outputs.family == STUDENT_T:
                out[k, q] = np.exp(2 * outputs.shape[k, q, 0]) / (1 - 2 * min(outputs.shape[k, q, 1], 0.5))
    return out


@kernel
def _variances(family: int, constant: np.ndarray, expert: np.ndarray, mean: np.ndarray, out: np.ndarray) -> None:
    """Variances of one output of experts of which the means are known."""
    if family == POISSON:
        out[:] = mean
    elif family == BERNOULLI:
        for i in range(len(mean)):
            out[i] = mean[i] * (1 - mean[i])
    else:
        for i in range(len(mean)):
            out[i] = constant[expert[i]]


@elementary
def _part(share: float, value: float) -> float:
    """The part of one expert; what it says counts for nothing where it has no share, infinite or not."""
    return share * value if share > 0 else 0.0


@kernel
def _add(share: np.ndarray, values: np.ndarray, total: np.ndarray) -> None:
    for i in range(len(share)):
        total[i] += _part(share[i], values[i])


@kernel
def _add_spread(share: np.ndarray, mean: np.ndarray, own: np.ndarray, center: np.ndarray, total: np.ndarray) -> None:
    """Add an expert's own variance and the square of how far its mean is from the centre."""
    for i in range(len(share)):
        total[i] += _part(share[i], own[i] + (mean[i] - center[i]) * (mean[i] - center[i]))


@kernel
def _add_either(share: np.ndarray, logit: np.ndarray, total: np.ndarray) -> None:
    """Add the share of one expert in the probabilities of both classes, each to all its digits."""
    none, one = total[0], total[1]
    for i in range(len(share)):
        small = exp_of_negative(-abs(logit[i]))
        larger = 1 / (1 + small)
        none[i] += _part(share[i], small * larger if logit[i] > 0 else larger)
        one[i] += _part(share[i], larger if logit[i] > 0 else small * larger)


@kernel
def _to_one(prob: np.ndarray) -> None:
    """Make probabilities (n_classes, n_rows) sum to one."""
    total = prob[0].copy()
    for c in range(1, len(prob)):
        for i in range(len(total)):
            total[i] += prob[c, i]
    for c in range(len(prob)):
        for i in range(len(total)):
            prob[c, i] /= total[i]


@kernel
def _put(values: np.ndarray, out: np.ndarray) -> None:
    """Values (n_values, tile) of as many rows as out (n_rows, n_values) has room for."""
    n_rows = min(values.shape[1], len(out))
    for k in range(len(values)):
        value = values[k]
        for i in range(n_rows):
            out[i, k] = value[i]


@kernel
def _put_in_units(values: np.ndarray, center: np.ndarray, unit: np.ndarray, out: np.ndarray) -> None:
    """The same in the units of the user."""
    n_rows = min(values.shape[1], len(out))
    for k in range(len(values)):
        value = values[k]
        for i in range(n_rows):
            out[i, k] = center[k] + unit[k] * value[i]
