"""Loops over stored entries against the lines of numpy whose place they take."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal

from skmoe import kernels

RNG = np.random.default_rng(0)


def rows(shape, stored=0.3, index=np.int32, data=np.float64):
    """A table with an empty row and an empty column, and its entries."""
    X = np.where(RNG.random(shape) < stored, RNG.standard_normal(shape), 0.0).astype(data)
    X[shape[0] // 2], X[:, shape[1] // 2] = 0.0, 0.0
    held = sp.csr_array(X)
    indices, indptr = held.indices.astype(index), held.indptr.astype(index)
    return X, kernels.csr.Entries(held.data, indices, indptr[:-1], indptr[1:])


def close(got, wanted):
    assert_allclose(got, wanted, rtol=1e-12, atol=1e-12)


KINDS = pytest.mark.parametrize(
    ("index", "data"), [(np.int32, np.float64), (np.int64, np.float64), (np.int32, np.float32)], ids=str
)


@KINDS
@pytest.mark.parametrize("n_fours", [0, 1, 3])
def test_predict_and_score(index, data, n_fours):
    X, entries = rows((17, 9), index=index, data=data)
    coef, intercept = RNG.standard_normal((n_fours, 9, 4)), RNG.standard_normal((n_fours, 4))
    out = np.empty((n_fours, 4, 17))
    kernels.csr.predict(entries, coef.reshape(n_fours, 36), intercept, out)
    close(out, np.einsum("ij,fjv->fvi", X, coef) + intercept[:, :, None])
    values = RNG.standard_normal((n_fours, 17, 4))
    sums = np.ones((n_fours, 9, 4))
    kernels.csr.score(entries, values, sums.reshape(n_fours, 36))
    close(sums, 1 + np.einsum("ij,fiv->fjv", X, values))


def test_squares():
    X, entries = rows((17, 9))
    inverse, center, weights = RNG.exponential(size=9), RNG.standard_normal(9), RNG.exponential(size=(17, 2))
    out = np.zeros((9, 2))
    kernels.csr.squares(entries, inverse, center, weights, out)
    close(out, np.square(X * inverse - center).T @ weights - np.outer(center**2, weights.sum(axis=0)))


def test_products():
    X, entries = rows((17, 9))
    inverse, weights = RNG.exponential(size=9), RNG.standard_normal((3, 17))
    out = np.ones((3, 9, 9))
    kernels.csr.products(entries, inverse, weights, out)
    Z = X * inverse
    close(out, 1 + np.tril(np.einsum("vi,ij,ik->vjk", weights, Z, Z)))


def test_moments_of_entries():
    X, entries = rows((17, 9))
    weight = RNG.exponential(size=17)
    low, high, count, held = np.full(9, np.inf), np.full(9, -np.inf), np.zeros(9, dtype=np.intp), np.zeros(9)
    kernels.csr.extremes(entries, weight, low, high, count, held)
    stored = X != 0
    assert_array_equal(low, np.where(stored, X, np.inf).min(axis=0))
    assert_array_equal(high, np.where(stored, X, -np.inf).max(axis=0))
    assert_array_equal(count, stored.sum(axis=0))
    close(held, weight @ stored)
    middle, inverse, mean = RNG.standard_normal((3, 9))
    sums = np.zeros((2, 9))
    kernels.csr.deviations(entries, weight, middle, inverse, mean, sums)
    off = np.where(stored, (X - middle) * inverse - mean, 0.0)
    close(sums, [weight @ off, weight @ off**2])


def test_spread():
    X, entries = rows((17, 9))
    wanted = np.array([7, 2])
    place = np.full(9, -1)
    place[wanted] = [0, 1]
    out = np.zeros((2, 17))
    kernels.csr.spread(entries, place, out)
    assert_array_equal(out, X[:, wanted].T)
