"""Seconds, ratios and exponents against what they must be."""

import sys
import time

import numpy as np
import pytest

from benchmarks.process import carried_out
from benchmarks.timing import alternated, exponent, ratio


def test_functions_take_turns():
    calls = []
    seconds = alternated({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=3)
    assert calls == ["a", "b"] * 4  # once uncounted
    assert {name: s.shape for name, s in seconds.items()} == {"a": (3,), "b": (3,)}


def test_seconds_are_seconds():
    seconds = alternated({"sleep": lambda: time.sleep(0.02)}, rounds=2)["sleep"]
    assert (seconds >= 0.02).all()


def test_ratio_is_of_the_same_round():
    assert ratio(np.array([2.0, 20.0, 4.0]), np.array([1.0, 10.0, 4.0])) == 2.0


@pytest.mark.parametrize("power", [0.0, 1.0, 2.5])
def test_exponent_of_a_power(power):
    sizes = [10, 100, 300, 1000]
    assert exponent(sizes, [3.0 * size**power for size in sizes]) == pytest.approx(power, abs=1e-12)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_peak_memory_of_a_program():
    code = "x = bytearray({} * 2**20); import time; time.sleep(0.3); print('done')"
    small, large = (carried_out([sys.executable, "-c", code.format(mib)]) for mib in (1, 100))
    assert small.output == "done\n"
    assert large.peak - small.peak == pytest.approx(99, abs=5)


def test_a_program_is_stopped():
    ended = carried_out([sys.executable, "-c", "import time; time.sleep(30)"], limit=0.3)
    assert ended.stopped
    assert not ended.failed
    assert ended.seconds < 5


def test_a_program_that_fails():
    ended = carried_out([sys.executable, "-c", "raise SystemExit('no')"])
    assert ended.failed
    assert ended.errors == "no\n"
