"""Temperature: how sure a network is to be of what it says, by rows that it has not learned from; without torch.

Long before a network stops to learn what is likelier than what, it is too sure of it, and its log density on other
rows falls. So an epoch is judged by what is left when a single number has mended that: the temperature that makes the
held-out responses likeliest (Guo et al. 2017; Berta et al. 2025). Beforehand its logarithm is taken to be near zero,
or a few rows that are all told right would make the network infinitely sure.

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
from scipy.optimize import brentq
from scipy.special import log_softmax

from .gaussian_mixtures import GaussianMixtures

#: Temperatures are sought between one over it and it.
HOTTEST = 8.0
#: Standard deviation of the logarithm of a temperature before rows are seen, of mean zero: as sure as two numbers that
#: tell a scale, or some labels. Half of it leaves too narrow what was trained on some hundred rows.
PRIOR_SD = 0.5
#: A log probability that counts as none.
_LEAST = -1e4


def cooled(log_proba: np.ndarray, temperature: float) -> np.ndarray:
    """Log probabilities (n_rows, n_classes) at a temperature.

    .. math:: \\log p_T(c) = \\log p(c) / T - \\log \\sum_{c'} p(c')^{1/T}

    Examples
    --------
    >>> np.exp(cooled(np.log([[0.8, 0.2]]), 2.0)).round(3)
    array([[0.667, 0.333]])
    """
    return log_proba if temperature == 1.0 else log_softmax(log_proba / log_proba.dtype.type(temperature), axis=1)


def mean_log_prob(log_proba: np.ndarray, code: np.ndarray, weight: np.ndarray, temperature: float) -> float:
    """Weighted mean log probability of the labels of ``code``, numbers of classes (n_rows,), at a temperature."""
    return float(np.average(_of_labels(cooled(log_proba, temperature), code), weights=weight))


def temperature_of_classes(log_proba: np.ndarray, code: np.ndarray, weight: np.ndarray) -> float:
    """The temperature at which labels are likeliest: the log probability is concave in its inverse.

    Parameters
    ----------
    log_proba : ndarray of shape (n_rows, n_classes)
    code : ndarray of int, shape (n_rows,)
        Numbers of the classes.
    weight : ndarray of shape (n_rows,)
    """
    log_proba = np.maximum(log_proba.astype(np.float64), _LEAST)
    of_labels = _of_labels(log_proba, code)

    def slope(temperature: float) -> np.ndarray:
        return ((np.exp(cooled(log_proba, temperature)) * log_proba).sum(axis=1) - of_labels) / temperature

    return _likeliest(slope, weight)


def temperature_of_mixtures(mixtures: GaussianMixtures, y: np.ndarray, weight: np.ndarray) -> float:
    """What the scales of all parts are to be multiplied by, so that responses (n_rows, n_outputs) are likely."""
    return _likeliest(lambda temperature: mixtures.widened(temperature).slope(y), weight)


def _of_labels(log_proba: np.ndarray, code: np.ndarray) -> np.ndarray:
    return np.take_along_axis(log_proba, code[:, None], axis=1)[:, 0]


def _likeliest(slope_of_rows: Callable[[float], np.ndarray], weight: np.ndarray) -> float:
    """The temperature of the highest posterior density, by its slope in the logarithm of the temperature.

    .. math:: \\sum_i w_i \\log p_T(y_i \\mid x_i) - \\frac{(\\log T)^2}{2 \\sigma^2}
    """

    def slope(log_temperature: float) -> float:
        return float(weight @ slope_of_rows(np.exp(log_temperature)) - log_temperature / PRIOR_SD**2)

    ends = -np.log(HOTTEST), np.log(HOTTEST)
    if slope(ends[0]) <= 0:
        return 1 / HOTTEST
    return HOTTEST if slope(ends[1]) >= 0 else float(np.exp(brentq(slope, *ends, xtol=1e-12)))
