"""Digits: no more than mean something, and no fewer."""

from __future__ import annotations

import numpy as np
import pytest

from skmoe.digits import percent, plain, significant, to_hundredth


@pytest.mark.parametrize("seed", range(20))
def test_a_hundredth_of_a_unit_is_kept(seed):
    rng = np.random.default_rng(seed)
    unit = 10 ** rng.uniform(-9, 9)
    value = unit * rng.normal() * 10 ** rng.uniform(0, 4)
    text = to_hundredth(value, unit)
    assert "e" not in text
    assert abs(float(text) - value) <= 0.0051 * unit
    if "." in text:
        assert 10.0 ** -len(text.split(".")[1]) >= 0.00099 * unit  # no digit below a thousandth


@pytest.mark.parametrize("unit", [0.0, np.inf, np.nan])
def test_without_a_unit_three_digits(unit):
    assert to_hundredth(1234.5, unit) == "1230"


def test_zero_has_no_sign():
    assert to_hundredth(-1e-9, 1.0) == "0.00"
    assert plain(-0.0) == "0"


def test_significant():
    assert [significant(v) for v in (0.0, -0.0123456, 98765.0)] == [0.0, -0.0123, 98800.0]


def test_percent():
    assert [percent(r) for r in (0.0, 1e-9, 9.9e-5, 0.0001, 0.0099, 0.014, 0.5, 1.0)] == [
        "0%",
        "<0.01%",
        "<0.01%",
        "0.01%",
        "0.99%",
        "1%",
        "50%",
        "100%",
    ]
