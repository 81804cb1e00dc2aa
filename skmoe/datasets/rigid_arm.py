r"""Arms of rigid links: what torques do to them, by the recursive equations of Newton and Euler.

.. math:: M(q) \ddot q + h(q, \dot q) = \tau

Joint positions q in rad, velocities in rad/s, accelerations in rad/s^2, torques in N m; all arrays (n_rows, n_joints).
Vectors are held in the frame of the base, whose third axis points upwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Link(NamedTuple):
    """A rigid body that a joint turns, described in its own frame: origin on the axis of the joint.

    Attributes
    ----------
    axis : (float, float, float)
        Unit vector along the axis of the joint. At position 0 the frame of the link is parallel to that of the link
        before it.
    length : (float, float, float)
        From this joint to the next, in m.
    center : (float, float, float)
        From this joint to the centre of mass, in m.
    mass : float
        In kg.
    inertia : (float, float, float)
        Principal moments about the centre of mass along the axes of the frame, in kg m^2.
    """

    axis: tuple[float, float, float]
    length: tuple[float, float, float]
    center: tuple[float, float, float]
    mass: float
    inertia: tuple[float, float, float]


class _Pose(NamedTuple):
    """Each link in the frame of the base: vectors (n_rows, 3), inertia (n_rows, 3, 3)."""

    axis: list[np.ndarray]
    length: list[np.ndarray]
    center: list[np.ndarray]
    inertia: list[np.ndarray]


@dataclass(frozen=True)
class RigidArm:
    """A chain of rigid links with a turning joint before each, the first on a fixed base.

    Parameters
    ----------
    links : sequence of Link
        From the base outwards.
    gravity : float, default=9.81
        Acceleration towards the ground in m/s^2.

    References
    ----------
    Luh, Walker & Paul (1980), On-line computational scheme for mechanical manipulators.
    https://doi.org/10.1115/1.3149599

    Walker & Orin (1982), Efficient dynamic computer simulation of robotic mechanisms.
    https://doi.org/10.1115/1.3139699
    """

    links: Sequence[Link]
    gravity: float = 9.81

    def torque(self, q: np.ndarray, velocity: np.ndarray, acceleration: np.ndarray) -> np.ndarray:
        """Torques that make the joints accelerate so (inverse dynamics)."""
        return self._torque(self._pose(q), velocity, acceleration, self.gravity)

    def acceleration(self, q: np.ndarray, velocity: np.ndarray, torque: np.ndarray) -> np.ndarray:
        """Accelerations that torques cause (forward dynamics): ``M(q)^-1 (torque - h(q, velocity))``."""
        pose = self._pose(q)
        bias = self._torque(pose, velocity, np.zeros_like(q), self.gravity)
        return np.linalg.solve(self._mass_matrix(pose), (torque - bias)[..., None])[..., 0]

    def mass_matrix(self, q: np.ndarray) -> np.ndarray:
        """``M(q)``, (n_rows, n_joints, n_joints): symmetric, positive definite."""
        return self._mass_matrix(self._pose(q))

    def energy(self, q: np.ndarray, velocity: np.ndarray) -> np.ndarray:
        """Kinetic and potential energy in J, (n_rows,); zero at rest with all masses at the height of the base."""
        pose = self._pose(q)
        kinetic = 0.5 * np.einsum("ni,nij,nj->n", velocity, self._mass_matrix(pose), velocity)
        height, joint = np.zeros(len(q)), np.zeros(len(q))
        for link, length, center in zip(self.links, pose.length, pose.center, strict=True):
            height += link.mass * (joint + center[:, 2])
            joint = joint + length[:, 2]
        return kinetic + self.gravity * height

    def _pose(self, q: np.ndarray) -> _Pose:
        frame = np.broadcast_to(np.eye(3), (len(q), 3, 3))
        pose = _Pose([], [], [], [])
        for link, angle in zip(self.links, q.T, strict=True):
            frame = frame @ _rotation(np.array(link.axis), angle)
            pose.axis.append(frame @ link.axis)
            pose.length.append(frame @ link.length)
            pose.center.append(frame @ link.center)
            pose.inertia.append(frame * np.array(link.inertia) @ frame.swapaxes(1, 2))
        return pose

    def _mass_matrix(self, pose: _Pose) -> np.ndarray:
        """Its columns are the torques of unit accelerations, at rest and without weight."""
        n_rows, n = len(pose.axis[0]), len(self.links)
        rest = np.zeros((n_rows, n))
        columns = [self._torque(pose, rest, np.broadcast_to(unit, (n_rows, n)), 0.0) for unit in np.eye(n)]
        return np.stack(columns, axis=2)

    def _torque(self, pose: _Pose, velocity: np.ndarray, acceleration: np.ndarray, gravity: float) -> np.ndarray:
        """Outwards the motion of each link, inwards the forces between them (Luh, Walker & Paul 1980)."""
        spin = turn = np.zeros((len(velocity), 3))
        # Weight is what one feels on a base that accelerates upwards.
        push = np.broadcast_to([0.0, 0.0, gravity], spin.shape)
        force, moment = [], []
        for i, link in enumerate(self.links):
            axis, center, inertia = pose.axis[i], pose.center[i], pose.inertia[i]
            own = axis * velocity[:, i, None]
            turn = turn + axis * acceleration[:, i, None] + np.cross(spin, own)
            spin = spin + own
            force.append(link.mass * (push + _carried(turn, spin, center)))
            moment.append(_times(inertia, turn) + np.cross(spin, _times(inertia, spin)))
            push = push + _carried(turn, spin, pose.length[i])
        torque = np.empty_like(velocity)
        outer_force = outer_moment = np.zeros_like(spin)
        for i in reversed(range(len(self.links))):
            outer_moment = (
                outer_moment + moment[i] + np.cross(pose.center[i], force[i]) + np.cross(pose.length[i], outer_force)
            )
            outer_force = outer_force + force[i]
            torque[:, i] = (pose.axis[i] * outer_moment).sum(axis=1)
        return torque


def _rotation(axis: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Rotation matrices (n_rows, 3, 3) about a unit vector, by Rodrigues' formula."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    sine, cosine = np.sin(angle)[:, None, None], np.cos(angle)[:, None, None]
    return np.eye(3) + sine * cross + (1 - cosine) * (cross @ cross)


def _carried(turn: np.ndarray, spin: np.ndarray, arm: np.ndarray) -> np.ndarray:
    """Acceleration of the end of an arm against its beginning."""
    return np.cross(turn, arm) + np.cross(spin, np.cross(spin, arm))


def _times(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    return np.einsum("nij,nj->ni", matrix, vector)
