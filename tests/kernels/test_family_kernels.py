"""Families that have kernels against what the protocol does with their formulas for one row."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skmoe.families import Bernoulli, Gaussian
from skmoe.families.protocol import Family

RNG = np.random.default_rng(0)


def case(name, n_experts, n_outputs, n_rows):
    """A family, responses and parameters of every kind of row: near, far, impossible."""
    eta = 3 * RNG.standard_normal((n_experts, n_outputs, n_rows))
    eta[..., : n_rows // 10] *= 100
    if name == "gaussian":
        return Gaussian(), RNG.standard_normal((n_outputs, n_rows)), (eta, RNG.normal(-1, 2, (n_experts, n_outputs, 1)))
    return Bernoulli(), RNG.integers(2, size=(n_outputs, n_rows)).astype(float), (eta,)


@pytest.mark.parametrize("shape", [(1, 1, 1), (4, 1, 2048), (3, 2, 100), (2, 1, 0)])
@pytest.mark.parametrize("name", ["gaussian", "bernoulli"])
def test_kernels_are_the_formulas(name, shape):
    family, y, theta = case(name, *shape)
    assert_allclose(family.joint_log_prob(y, theta), Family.joint_log_prob(family, y, theta), rtol=1e-13, atol=1e-300)
    mass = RNG.random((shape[0], shape[2]))
    got, twin = family.weighed(y, theta, mass), Family.weighed(family, y, theta, mass)
    assert_allclose(got.score, twin.score, rtol=1e-12, atol=1e-300)
    # Sums of terms of both signs: as many digits as the largest terms leave.
    squares = np.abs(twin.score).sum() + shape[2]
    assert_allclose(got.totals, twin.totals, rtol=1e-11, atol=1e-13 * squares)
    for a, b in zip(got.curvature, twin.curvature, strict=True):
        assert_allclose(a, b, rtol=1e-13)
    assert family.weighed(y, theta, mass, curvature=False).curvature is None
