"""A seed decides everything about a fit, and a fit changes nothing outside of the estimator."""

from __future__ import annotations

import os
import random
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='torch is not installed: pip install "skmoe[neural]"')

from numpy.testing import assert_array_equal  # noqa: E402
from small import GAPS, KINDS, X, Y, answered, assert_same_answers, regressor  # noqa: E402

from skmoe.neural.fitting.fit import reader  # noqa: E402

KIND = pytest.mark.parametrize("kind", KINDS)


def fit(kind, **changed):
    make, y = KINDS[kind]
    return make(**changed).fit(GAPS, y)


@KIND
@pytest.mark.parametrize("router", ["topk", "noisy_topk", "switch", "gshard"])
def test_a_seed_decides_everything(kind, router):
    one, other = fit(kind, router=router), fit(kind, router=router)
    assert_same_answers(one, other, GAPS)
    assert [told["loss"] for told in one.history_] == [told["loss"] for told in other.history_]
    another = fit(kind, router=router, random_state=1)
    assert np.abs(answered(another, GAPS)[0] - answered(one, GAPS)[0]).max() > 1e-4


def test_without_a_seed_fits_differ():
    one, other = (fit("regressor", random_state=None) for _ in range(2))
    assert np.abs(one.predict(GAPS) - other.predict(GAPS)).max() > 1e-4


def test_a_generator_of_the_user_is_drawn_from():
    rng = np.random.RandomState(3)
    one, other = fit("regressor", random_state=rng), fit("regressor", random_state=rng)
    assert np.abs(one.predict(GAPS) - other.predict(GAPS)).max() > 1e-4
    assert_same_answers(fit("regressor", random_state=np.random.RandomState(3)), one, GAPS)


def test_the_same_in_another_process():
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); from small import *; "
        "print(*[value.hex() for value in regressor().fit(GAPS, Y).predict(GAPS[:5]).tolist()])"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    command = [sys.executable, "-c", script, os.path.dirname(__file__)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    there = [float.fromhex(value) for value in done.stdout.split()]
    np.testing.assert_allclose(fit("regressor").predict(GAPS[:5]), there, rtol=1e-6)


def outside():
    """What a fit could change for others."""
    return {
        "torch": torch.get_rng_state().tolist(),
        "seed": torch.initial_seed(),
        "numpy": np.random.get_state()[1].tolist(),  # noqa: NPY002
        "place": np.random.get_state()[2],  # noqa: NPY002
        "random": random.getstate(),
        "threads": torch.get_num_threads(),
        "between": torch.get_num_interop_threads(),
        "gradients": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "dtype": torch.get_default_dtype(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "precision": torch.get_float32_matmul_precision(),
        "device": torch.get_default_device(),
        "errors": np.geterr(),
        "environment": dict(os.environ),
    }


@KIND
@pytest.mark.parametrize("changed", [{}, {"router": "noisy_topk"}, {"router": "gshard"}, {"precision": "bfloat16"}])
def test_nothing_outside_is_changed(kind, changed):
    random.seed(1)
    torch.manual_seed(5)
    before = outside()
    model = fit(kind, **changed)
    answered(model, GAPS)
    model.routing_report(GAPS)
    model.partial_fit(GAPS, KINDS[kind][1])
    after = outside()
    for name, state in before.items():
        assert after[name] == state, name


def test_nothing_outside_is_changed_by_a_fit_that_fails():
    before = outside()
    with pytest.raises(FloatingPointError):
        fit("regressor", learning_rate=1e30, gradient_clip=None)
    assert outside() == before


def test_seeds_outside_change_nothing():
    one = fit("regressor", router="noisy_topk")
    torch.manual_seed(77)
    np.random.seed(77)  # noqa: NPY002
    assert_same_answers(fit("regressor", router="noisy_topk"), one, GAPS)


def test_where_gradients_are_switched_off():
    expected = fit("regressor")
    with torch.no_grad():
        model = fit("regressor")
        assert not torch.is_grad_enabled()
        model.partial_fit(GAPS, Y)
    expected.partial_fit(GAPS, Y)
    assert_same_answers(model, expected, GAPS)


def test_in_inference_mode():
    with torch.inference_mode():
        model = fit("regressor")
        assert torch.is_inference_mode_enabled()
    assert_same_answers(model, fit("regressor"), GAPS)


@pytest.mark.parametrize("precision", ["float32", "float64", "bfloat16"])
def test_where_half_precision_is_on(precision):
    """A fit has a precision of its own; that of the caller would keep weights of the first step for all others."""
    expected = fit("regressor", precision=precision)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        model = fit("regressor", precision=precision)
        model.partial_fit(GAPS, Y)
        assert torch.is_autocast_enabled("cpu")
    expected.partial_fit(GAPS, Y)
    assert_same_answers(model, expected, GAPS)
    by_torch, network = reader(model._network, "topk", torch.device("cpu")), model._network
    table, lines = network.encoding.inputs(model._raw(GAPS), np.float64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = by_torch.read(table, lines)
    assert_array_equal(found.answers, by_torch.read(table, lines).answers)


@pytest.mark.parametrize("kind", KINDS)
def test_where_the_default_device_is_another(kind):
    with torch.device("meta"):
        model = fit(kind, device="cpu")
        model.partial_fit(GAPS, KINDS[kind][1])
    assert_same_answers(model, fit(kind).partial_fit(GAPS, KINDS[kind][1]), GAPS)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_where_the_default_type_is_double(precision):
    torch.set_default_dtype(torch.float64)
    try:
        model = fit("regressor", precision=precision)
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert {a.dtype.name for a in model._network.arrays.values() if a.dtype.kind == "f"} == {precision}
    assert model.score(GAPS, Y) > fit("regressor", max_epochs=0).score(GAPS, Y)


def test_what_is_passed_is_not_changed():
    rows, y, weight = GAPS.copy(), Y.copy(), np.ones(len(Y))
    model = regressor()
    settings = dict(model.get_params())
    model.fit(rows, y, weight)
    model.predict(rows)
    assert_array_equal(rows, GAPS)
    assert_array_equal(y, Y)
    assert_array_equal(weight, np.ones(len(Y)))
    assert model.get_params() == settings
    for values in (rows, y, weight):
        values.flags.writeable = False
    assert_same_answers(regressor().fit(rows, y, weight), model, X)
