"""Softmax, shares and excess against scipy and the lines of numpy whose place they take."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import special

from skmoe import kernels
from skmoe.gates.softmax import log_softmax
from skmoe.mixture import normalized

RNG = np.random.default_rng(0)
SHAPES = [(1, 1, 5), (1, 2, 1), (1, 8, 2048), (3, 4, 17), (2, 3, 0)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("spread", [1.0, 100.0, 1e4])
def test_softmax(shape, spread):
    logits = spread * RNG.standard_normal(shape)
    log_prob, prob = logits.copy(), np.empty(shape)
    kernels.softmax.softmax(log_prob, prob)
    assert_allclose(log_prob, special.log_softmax(logits, axis=1), rtol=1e-14, atol=1e-14 * spread)
    assert_allclose(prob, special.softmax(logits, axis=1), rtol=1e-13, atol=1e-307)


@pytest.mark.parametrize("shape", [shape[1:] for shape in SHAPES])
def test_shares(shape):
    joint = 50 * RNG.standard_normal(shape) - 1e4
    share, log_norm = np.empty(shape), np.empty(shape[1])
    kernels.softmax.shares(joint, share, log_norm)
    assert_allclose(log_norm, special.logsumexp(joint, axis=0), rtol=1e-15)
    assert_allclose(share, special.softmax(joint, axis=0), rtol=1e-13, atol=1e-307)


def test_rows_that_no_expert_explains():
    joint = np.array([[-np.inf, 0.0, -np.inf, np.nan], [-np.inf, -np.inf, 3.0, 0.0]])
    share, log_norm = np.empty((2, 4)), np.empty(4)
    kernels.softmax.shares(joint, share, log_norm)
    assert_allclose(share[:, :3], [[0.5, 1, 0], [0.5, 0, 1]], rtol=0, atol=1e-307)
    assert_array_equal(log_norm, [-np.inf, 0, 3, np.nan])
    assert np.isnan(share[:, 3]).any()  # training looks for it


@pytest.mark.parametrize("shape", SHAPES)
def test_excess(shape):
    mass, prob = RNG.random(shape), RNG.dirichlet(np.ones(shape[1]), (shape[0], shape[2])).transpose(0, 2, 1).copy()
    out = np.empty(shape)
    kernels.softmax.excess(mass, prob, out)
    assert_allclose(out, mass - mass.sum(axis=1, keepdims=True) * prob, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("shape", [(4, 17), (3, 4, 17), (2, 3, 4, 5)])
def test_any_order_of_memory(shape):
    values = RNG.standard_normal(shape)
    for got, right in zip(normalized(np.asfortranarray(values)), normalized(values), strict=True):
        assert_array_equal(got, right)
    for got, right in zip(log_softmax(np.asfortranarray(values)), log_softmax(values.copy()), strict=True):
        assert_array_equal(got, right)
