"""Accelerations of a robot arm with four joints: a smooth problem with several outputs whose truth is known."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from numpy.random import RandomState
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, validate_params

from .rigid_arm import Link, RigidArm

_FORWARDS, _SIDEWAYS, _UPWARDS = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
_NOWHERE = (0.0, 0.0, 0.0)

#: Yaw and pitch of the shoulder, whose links are bearings of 1 kg around the joint; roll of the upper arm; elbow. Arms
#: are rods of about the size and mass of human ones, the forearm with its hand.
ARM = RigidArm(
    [
        Link(_UPWARDS, _NOWHERE, _NOWHERE, 1.0, (0.02, 0.02, 0.02)),
        Link(_SIDEWAYS, _NOWHERE, _NOWHERE, 1.0, (0.01, 0.01, 0.01)),
        Link(_FORWARDS, (0.30, 0.0, 0.0), (0.15, 0.0, 0.0), 2.0, (0.004, 0.016, 0.016)),
        Link(_SIDEWAYS, (0.35, 0.0, 0.0), (0.15, 0.0, 0.0), 1.5, (0.002, 0.015, 0.015)),
    ]
)

#: Smallest and largest values of the twelve columns, in rad, rad/s and N m.
_LOW = np.concatenate([np.radians([-60, -60, -60, 45]), [-5, -5, -5, -5], [-5, -5, -2, -2]])
_HIGH = np.concatenate([np.radians([60, 60, 60, 135]), [5, 5, 5, 5], [5, 5, 2, 2]])


@validate_params(
    {
        "n_samples": [Interval(Integral, 1, None, closed="left")],
        "noise": [Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_robot_arm(
    n_samples: int = 1000, *, noise: float = 0.0, random_state: int | RandomState | None = None
) -> tuple[np.ndarray, np.ndarray]:
    r"""Draw states and torques of a robot arm with four joints, and the accelerations that follow from them.

    .. math:: \ddot q = M(q)^{-1} \big(\tau - C(q, \dot q) \dot q - g(q)\big)

    The forward dynamics of rigid links in three-dimensional space, twelve columns to four outputs: the problem on which
    the hierarchical mixture of experts was introduced [1]_. The arm and the ranges of that study are not known to us;
    these are its kind in round numbers. An upper arm of 0.30 m and 2 kg hangs in a shoulder that yaws, pitches and
    rolls; at its end the elbow turns a forearm and hand of 0.35 m and 1.5 kg; there is gravity, and no friction. All
    columns are uniform and independent:

    ======  ===================================  =================  =============
    joint   position (rad)                       velocity (rad/s)   torque (N m)
    ======  ===================================  =================  =============
    yaw     -1.05 to 1.05 (60 degrees)           -5 to 5            -5 to 5
    pitch   -1.05 to 1.05 (0 is level)           -5 to 5            -5 to 5
    roll    -1.05 to 1.05                        -5 to 5            -2 to 2
    elbow   0.79 to 2.36 (45 to 135 degrees)     -5 to 5            -2 to 2
    ======  ===================================  =================  =============

    The range of the velocities was chosen such that linear regression leaves a relative error of .31, as in that study.
    Accelerations are quadratic in velocities, linear in torques with factors that depend on the positions, and periodic
    in positions; the yaw does not matter. Use it to compare smooth regression methods, and as an example of several
    outputs. It says little about tables of mixed columns.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of rows, at least 1. Fewer rows are the first of more, for the same ``random_state``.
    noise : float, default=0.0
        Standard deviation of what is added to the accelerations, in rad/s^2, at least 0. They have themselves standard
        deviations of 20 to 70.
    random_state : int, RandomState instance or None, default=None
        Source of randomness. Pass an int for the same data on every call.

    Returns
    -------
    X : ndarray of shape (n_samples, 12)
        Positions, velocities and torques of the four joints: yaw, pitch and roll of the shoulder, elbow.
    y : ndarray of shape (n_samples, 4)
        Their accelerations in rad/s^2.

    Raises
    ------
    ValueError
        Where a parameter is outside its range.

    References
    ----------
    .. [1] Jordan & Jacobs (1994), Hierarchical mixtures of experts and the EM algorithm, Neural Computation 6.
           https://doi.org/10.1162/neco.1994.6.2.181

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> from skmoe.datasets import make_robot_arm
    >>> X, y = make_robot_arm(20_000, random_state=0)
    >>> X.shape, y.shape
    ((20000, 12), (20000, 4))
    >>> linear = LinearRegression().fit(X[:15_000], y[:15_000])
    >>> print(f"relative error {1 - linear.score(X[15_000:], y[15_000:]):.2f}")
    relative error 0.31
    """
    rng = check_random_state(random_state)
    X = _LOW + (_HIGH - _LOW) * rng.random_sample((n_samples, 12))
    y = ARM.acceleration(*np.split(X, 3, axis=1))
    if noise:
        y += noise * rng.standard_normal(y.shape)
    return X, y
