"""The dynamics of an arm against closed forms, Lagrange's equations, energy, and its own inverse."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from skmoe.datasets.rigid_arm import Link, RigidArm
from skmoe.datasets.robot_arm import ARM

rng = np.random.default_rng(0)
#: Links of every kind: axes that are no axes of the frame, joints out of line, centres off the links.
ODD = RigidArm(
    [
        Link((0.0, 0.6, 0.8), (0.1, 0.2, 0.3), (0.05, 0.1, -0.1), 3.0, (0.03, 0.05, 0.04)),
        Link((1.0, 0.0, 0.0), (0.0, 0.4, 0.1), (0.1, 0.2, 0.0), 2.0, (0.02, 0.01, 0.02)),
        Link((0.36, 0.48, 0.8), (0.0, 0.0, 0.0), (0.0, 0.1, 0.2), 1.0, (0.01, 0.02, 0.01)),
    ]
)
ARMS = {"robot": ARM, "odd": ODD, "weightless": RigidArm(ODD.links, gravity=0.0), "one link": RigidArm(ODD.links[:1])}
every_arm = pytest.mark.parametrize("arm", ARMS.values(), ids=ARMS)


def states(arm, n=50):
    """Positions, velocities, and torques or accelerations."""
    return rng.uniform(-1, 1, (3, n, len(arm.links))) * np.array([2.0, 4.0, 3.0])[:, None, None]


def bodies(arm, q):
    """Of each link the centre of mass and the rotation of its frame at one position, by scipy."""
    joint, turned = np.zeros(3), Rotation.identity()
    for link, angle in zip(arm.links, q, strict=True):
        turned = turned * Rotation.from_rotvec(angle * np.array(link.axis))
        yield joint + turned.apply(link.center), turned
        joint = joint + turned.apply(link.length)


# -- closed forms ------------------------------------------------------------------------------------------------------


def test_pendulum():
    """A rod in a vertical plane: (I + m c^2) a + m g c cos q = torque, with q its angle above the horizontal."""
    arm = RigidArm([Link((0.0, -1.0, 0.0), (0.8, 0, 0), (0.5, 0, 0), 2.0, (0.0, 0.3, 0.3))])
    q, velocity, torque = rng.uniform(-3, 3, (3, 20, 1))
    expected = (torque - 2.0 * 9.81 * 0.5 * np.cos(q)) / (0.3 + 2.0 * 0.5**2)
    assert_allclose(arm.acceleration(q, velocity, torque), expected, rtol=1e-12)


def test_two_links_in_a_plane():
    """The textbook case (Spong & Vidyasagar 1989, Robot dynamics and control, section 6.4)."""
    m1, m2, l1, c1, c2, i1, i2, g = 2.0, 1.5, 0.4, 0.25, 0.2, 0.05, 0.03, 9.81
    axis = (0.0, -1.0, 0.0)  # positive angles lift
    arm = RigidArm(
        [Link(axis, (l1, 0, 0), (c1, 0, 0), m1, (1.0, i1, 1.0)), Link(axis, (9, 9, 9), (c2, 0, 0), m2, (1.0, i2, 1.0))]
    )
    q, v, a = rng.uniform(-3, 3, (3, 40, 2))
    cosine, sine = np.cos(q[:, 1]), np.sin(q[:, 1])
    m11 = m1 * c1**2 + m2 * (l1**2 + c2**2 + 2 * l1 * c2 * cosine) + i1 + i2
    m12 = m2 * (c2**2 + l1 * c2 * cosine) + i2
    m22 = np.full(40, m2 * c2**2 + i2)
    h = -m2 * l1 * c2 * sine
    outer = m2 * c2 * g * np.cos(q.sum(axis=1))
    weight = np.stack([(m1 * c1 + m2 * l1) * g * np.cos(q[:, 0]) + outer, outer], axis=1)
    turning = np.stack([h * v[:, 1] * (2 * v[:, 0] + v[:, 1]), -h * v[:, 0] ** 2], axis=1)
    matrix = np.stack([np.stack([m11, m12], axis=1), np.stack([m12, m22], axis=1)], axis=1)
    assert_allclose(arm.mass_matrix(q), matrix, rtol=1e-12)
    assert_allclose(arm.torque(q, v, a), np.einsum("nij,nj->ni", matrix, a) + turning + weight, rtol=1e-10, atol=1e-10)


# -- in space ----------------------------------------------------------------------------------------------------------


@every_arm
def test_mass_matrix_is_symmetric_and_positive_definite(arm):
    matrix = arm.mass_matrix(states(arm)[0])
    assert_allclose(matrix, matrix.swapaxes(1, 2), rtol=0, atol=1e-14)
    assert (np.linalg.eigvalsh(matrix) > 1e-4).all()


@every_arm
def test_energy_is_that_of_the_moving_bodies(arm):
    """Velocities of centres and frames by central differences of scipy's kinematics."""
    q, v, _ = states(arm, 8)
    h = 1e-6
    for i in range(len(q)):
        now, before, after = (list(bodies(arm, q[i] + s * h * v[i])) for s in (0, -1, 1))
        energy = 0.0
        for link, (at, turned), (back, was), (ahead, becomes) in zip(arm.links, now, before, after, strict=True):
            speed = (ahead - back) / (2 * h)
            spin = turned.inv().apply((becomes * was.inv()).as_rotvec() / (2 * h))
            energy += 0.5 * link.mass * speed @ speed + 0.5 * spin**2 @ link.inertia + link.mass * arm.gravity * at[2]
        assert arm.energy(q[[i]], v[[i]])[0] == pytest.approx(energy, rel=1e-7, abs=1e-7)


@every_arm
def test_torques_are_those_of_lagrange(arm):
    """d/dt dL/dq' - dL/dq, with the derivatives of the mass matrix and of the weight by central differences."""
    q, v, a = states(arm, 10)
    n, h = len(arm.links), 1e-5
    rest = np.zeros_like(q)
    slope = [(arm.mass_matrix(q + h * e) - arm.mass_matrix(q - h * e)) / (2 * h) for e in np.eye(n)]
    weight = [(arm.energy(q + h * e, rest) - arm.energy(q - h * e, rest)) / (2 * h) for e in np.eye(n)]
    momentum = sum(np.einsum("nij,nj->ni", slope[k], v) * v[:, [k]] for k in range(n))
    kinetic = np.stack([0.5 * np.einsum("ni,nij,nj->n", v, slope[k], v) for k in range(n)], axis=1)
    expected = np.einsum("nij,nj->ni", arm.mass_matrix(q), a) + momentum - kinetic + np.stack(weight, axis=1)
    assert_allclose(arm.torque(q, v, a), expected, rtol=1e-6, atol=1e-6)


@every_arm
def test_forward_and_inverse_dynamics_undo_each_other(arm):
    q, v, a = states(arm)
    assert_allclose(arm.acceleration(q, v, arm.torque(q, v, a)), a, rtol=1e-9, atol=1e-9)
    assert_allclose(arm.torque(q, v, arm.acceleration(q, v, a)), a, rtol=1e-9, atol=1e-9)


@every_arm
def test_energy_is_conserved_without_torque(arm):
    """Half a second by classical Runge-Kutta steps of a millisecond."""
    q, v, _ = states(arm, 10)
    state, h, n = np.hstack([q, v]), 1e-3, len(arm.links)
    before = arm.energy(q, v)

    def flow(s):
        return np.hstack([s[:, n:], arm.acceleration(s[:, :n], s[:, n:], np.zeros_like(s[:, n:]))])

    for _ in range(500):
        k1 = flow(state)
        k2 = flow(state + h / 2 * k1)
        k3 = flow(state + h / 2 * k2)
        k4 = flow(state + h * k3)
        state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    assert np.abs(state[:, :n] - q).max() > 0.5
    assert_allclose(arm.energy(state[:, :n], state[:, n:]), before, rtol=1e-5, atol=1e-5)


def test_power_is_torque_times_velocity():
    q, v, torque = states(ARM)
    h = 1e-6
    a = ARM.acceleration(q, v, torque)
    later, earlier = (ARM.energy(q + s * h * v, v + s * h * a) for s in (1, -1))
    assert_allclose((later - earlier) / (2 * h), (torque * v).sum(axis=1), rtol=1e-5, atol=1e-4)
