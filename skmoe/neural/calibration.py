"""Temperature: how sure a network is to be of what it says, by rows that it has not learned from; without torch.

Long before a network stops to learn what is likelier than what, it is too sure of it, and its log density on other
rows falls. So an epoch is judged by what is left when a single number has mended that: the temperature that makes the
held-out responses likeliest (Guo et al. 2017; Berta et al. 2025).

References
----------
C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger (2017). On calibration of modern neural networks. ICML.
https://arxiv.org/abs/1706.04599

E. Berta, D. Holzmüller, M. I. Jordan, F. Bach (2025). Rethinking early stopping: refine, then calibrate.
https://arxiv.org/abs/2501.19195
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from .gaussian_mixtures import GaussianMixtures

#: Temperatures are sought between one over it and it.
HOTTEST = 8.0

#: To so many digits of its logarithm.
_DIGITS = 1e-3


def cooled(log_proba: np.ndarray, temperature: float) -> np.ndarray:
    """Log probabilities (n_rows, n_classes) at a temperature.

    .. math:: \\log p_T(c) = \\log p(c) / T - \\log \\sum_{c'} p(c')^{1/T}

    Examples
    --------
    >>> np.exp(cooled(np.log([[0.8, 0.2]]), 2.0)).round(3)
    array([[0.667, 0.333]])
    """
    return log_proba if temperature == 1.0 else log_softmax(log_proba / log_proba.dtype.type(temperature), axis=1)


def temperature_of_classes(log_proba: np.ndarray, code: np.ndarray, weight: np.ndarray) -> float:
    """The temperature at which labels are likeliest.

    Parameters
    ----------
    log_proba : ndarray of shape (n_rows, n_classes)
    code : ndarray of int, shape (n_rows,)
        Numbers of the classes.
    weight : ndarray of shape (n_rows,)
    """

    return _least(lambda log_temperature: -mean_log_prob(log_proba, code, weight, float(np.exp(log_temperature))))


def mean_log_prob(log_proba: np.ndarray, code: np.ndarray, weight: np.ndarray, temperature: float) -> float:
    """Weighted mean log probability of labels at a temperature."""
    log_prob = np.take_along_axis(cooled(log_proba, temperature), code[:, None], axis=1)[:, 0]
    return float(np.average(log_prob, weights=weight))


def temperature_of_mixtures(mixtures: GaussianMixtures, y: np.ndarray, weight: np.ndarray) -> float:
    """What the scales of all parts are to be multiplied by, so that responses (n_rows, n_outputs) are likeliest."""

    def loss(log_temperature: float) -> float:
        return -float(np.average(mixtures.widened(np.exp(log_temperature)).log_prob(y), weights=weight))

    return _least(loss)


def _least(loss: Callable[[float], float]) -> float:
    """The temperature of the least loss; one, where none is better."""
    bound = np.log(HOTTEST)
    found = minimize_scalar(loss, bounds=(-bound, bound), method="bounded", options={"xatol": _DIGITS})
    return float(np.exp(found.x)) if found.fun < loss(0.0) else 1.0
