"""Rows of the robot arm: ranges, reproducibility, noise, and that they obey the dynamics."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skmoe.datasets import make_robot_arm
from skmoe.datasets.robot_arm import ARM


def test_rows_obey_the_dynamics():
    X, y = make_robot_arm(300, random_state=0)
    q, velocity, torque = np.split(X, 3, axis=1)
    assert_allclose(ARM.torque(q, velocity, y), torque, rtol=0, atol=1e-9)


def test_ranges():
    X, y = make_robot_arm(5000, random_state=0)
    low = [-np.pi / 3] * 3 + [np.pi / 4] + [-5.0] * 6 + [-2.0] * 2
    high = [np.pi / 3] * 3 + [3 * np.pi / 4] + [5.0] * 6 + [2.0] * 2
    width = np.subtract(high, low)
    assert (np.abs(X.min(axis=0) - low) < 0.005 * width).all()
    assert (np.abs(X.max(axis=0) - high) < 0.005 * width).all()
    assert (np.abs(np.corrcoef(X.T) - np.eye(12)) < 4.5 / np.sqrt(5000)).all()
    assert ((y.std(axis=0) > 20) & (y.std(axis=0) < 70)).all()


def test_yaw_does_not_matter():
    X, y = make_robot_arm(50, random_state=0)
    q, velocity, torque = np.split(X, 3, axis=1)
    assert_allclose(ARM.acceleration(q + [1.0, 0, 0, 0], velocity, torque), y, rtol=1e-9)


def test_reproducible_and_longer():
    X, y = make_robot_arm(30, random_state=7)
    more = make_robot_arm(90, random_state=7)
    assert_array_equal(X, more[0][:30])
    assert_allclose(y, more[1][:30], rtol=1e-12)
    assert not np.array_equal(X, make_robot_arm(30, random_state=8)[0])


def test_noise():
    clean, noisy = (make_robot_arm(4000, noise=noise, random_state=0) for noise in (0, 3.0))
    assert_array_equal(clean[0], noisy[0])
    assert_allclose((noisy[1] - clean[1]).std(axis=0), 3.0, rtol=0.05)


@pytest.mark.parametrize("parameter", [{"n_samples": 0}, {"noise": -1.0}, {"random_state": "a"}], ids=str)
def test_out_of_range(parameter):
    with pytest.raises(ValueError, match=next(iter(parameter))):
        make_robot_arm(**parameter)
