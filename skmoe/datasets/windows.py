"""Windows: how often something happened, and with what mean, over the last days before each row."""

from __future__ import annotations

import numpy as np

#: Seconds of a day.
DAY = 86_400

#: Lengths of the windows in days: today, the week and the month.
LENGTHS = (1, 7, 30)


def window_features(group: np.ndarray, time: np.ndarray, value: np.ndarray, delay: int = 0) -> np.ndarray:
    """Number of rows and mean value over windows of the row's own group.

    .. math:: W_i = \\{j \\le i: \\; g_j = g_i, \\; t_i - d - w < t_j \\le t_i - d\\}

    Parameters
    ----------
    group : ndarray of shape (n_rows,)
        Whose row it is: integers from 0.
    time : ndarray of shape (n_rows,)
        Whole seconds from 0, ascending.
    value : ndarray of shape (n_rows,)
        What is averaged.
    delay : int, default=0
        Days by which the windows are shifted back. At 0 they end with the row itself; with a delay they end before it,
        which is what a value that is only known later needs.

    Returns
    -------
    ndarray of shape (n_rows, 2 * len(LENGTHS))
        Number and mean for each of `LENGTHS` in turn; the mean of an empty window is 0.
    """
    n_rows = len(time)
    order = np.argsort(group, kind="stable")
    # One ascending clock for all groups, their times so far apart that no window reaches into the group before.
    span = (max(LENGTHS) + delay) * DAY + time.max(initial=0) + 1
    clock = group[order] * span + time[order]
    total = np.concatenate([[0.0], np.cumsum(value[order], dtype=np.float64)])
    # Of rows in the same second only those before are known.
    stop = np.minimum(np.searchsorted(clock, clock - delay * DAY, side="right"), np.arange(1, n_rows + 1))
    features = np.zeros((n_rows, 2 * len(LENGTHS)))
    for j, length in enumerate(LENGTHS):
        start = np.searchsorted(clock, clock - (delay + length) * DAY, side="right")
        features[order, 2 * j] = stop - start
        features[order, 2 * j + 1] = (total[stop] - total[start]) / np.maximum(stop - start, 1)
    return features
