"""What the head of a classifier says of rows: probabilities of the classes, members and experts together."""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax, logsumexp

from .forward.network import Read


def class_log_proba(read: Read) -> np.ndarray:
    """Log probabilities (n_rows, n_classes) of the mixture of all members and experts of a row.

    .. math:: p(c \\mid x) = \\tfrac1M \\sum_m \\sum_{k \\in S_m(x)} g_{mk}(x) \\, p_{mk}(c \\mid x)
    """
    each = read.log_weight[..., None] + log_softmax(read.answers, axis=-1)
    log_proba: np.ndarray = logsumexp(each, axis=(1, 2)) - np.log(each.dtype.type(each.shape[1]))
    return log_proba
