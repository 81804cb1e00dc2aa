"""Records: points of a vector space, whatever they are made of."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skmoe.records import add, ravel, same_kind, scaled, unravel


class Inner(NamedTuple):
    a: Any
    b: Any


class Outer(NamedTuple):
    first: Inner
    rest: tuple


def record(offset=0.0):
    grid = np.arange(6.0).reshape(2, 3) + offset
    return Outer(Inner(grid, np.array([10.0 + offset])), (grid[:1] + 20, np.zeros((2, 0)), (np.full((1, 1, 1), 30.0),)))


VECTOR = [0, 1, 2, 3, 4, 5, 10, 20, 21, 22, 30]


def test_ravel_takes_fields_in_order():
    assert_array_equal(ravel(record()), VECTOR)
    assert ravel(()).shape == (0,)


def test_scaled_records_keep_what_is_missing():
    twice = scaled(Outer(record().first, (None, 3.0)), 2)
    assert_array_equal(twice.first.a, 2 * record().first.a)
    assert twice.rest == (None, 6.0)
    assert type(twice) is Outer


def test_unravel_is_the_inverse():
    back = unravel(record(), 2.0 * np.array(VECTOR))
    assert type(back) is Outer
    assert type(back.first) is Inner
    assert same_kind(back, record())
    assert_array_equal(ravel(back), 2.0 * np.array(VECTOR))
    assert_array_equal(back.first.a, [[0, 2, 4], [6, 8, 10]])


def test_add():
    total = add(record(), record(1.0))
    assert same_kind(total, record())
    assert_array_equal(ravel(total), ravel(record()) + ravel(record(1.0)))
    assert add(Inner(1.5, 2), Inner(2.0, 3)) == Inner(3.5, 5)


@pytest.mark.parametrize(("a", "b"), [(None, 1.0), (1.0, None), (None, None)])
def test_what_is_missing_in_one_is_missing_in_the_sum(a, b):
    assert add(Inner(a, 2.0), Inner(b, 3.0)) == Inner(None, 5.0)


@pytest.mark.parametrize(
    "other",
    [
        record().first,
        tuple(record()),
        record()._replace(rest=()),
        record()._replace(first=Inner(np.zeros((3, 2)), np.zeros(1))),
        record()._replace(first=Inner(np.zeros((2, 3)), 0.0)),
    ],
)
def test_other_kinds(other):
    assert same_kind(record(), record(5.0))
    assert not same_kind(record(), other)
    assert not same_kind(other, record())
