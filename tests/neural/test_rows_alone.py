"""A row gets the same prediction alone, in a batch, and in any order; and in the precision of its table."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='torch is not installed: pip install "skmoe[neural]"')

from numpy.testing import assert_allclose, assert_array_equal  # noqa: E402
from small import CATEGORIES, GAPS, LABELS, MIXED, OUTPUTS, Y, answered, classifier, regressor  # noqa: E402

from skmoe.neural import Gumbel, Soft, TopK  # noqa: E402
from skmoe.neural._estimator import ROUTERS  # noqa: E402

#: Of an array of a dtype, how far the same prediction made in other company may be.
TOLERANCE = {np.float32: {"rtol": 1e-4, "atol": 1e-6}, np.float64: {"rtol": 1e-9, "atol": 1e-11}}
PRECISIONS = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["single", "double"])


@pytest.fixture(scope="module", params=[*ROUTERS, "record", "capacity", "classes", "outputs", "periodic"])
def model(request):
    kind, y, settings = {
        "record": (regressor, Y, {"router": TopK(k=3, score="sigmoid", bias_rate=1e-2)}),
        "capacity": (regressor, Y, {"capacity_factor": 0.5}),
        "classes": (classifier, LABELS, {}),
        "outputs": (regressor, OUTPUTS, {}),
        "periodic": (classifier, LABELS, {"embedding": "periodic", "n_blocks": 3, "activation": "gelu"}),
    }.get(request.param, (regressor, Y, {"router": request.param}))
    return kind(categorical_features=CATEGORIES, **settings).fit(MIXED, y)


@PRECISIONS
def test_alone_in_a_batch_and_in_any_order(model, dtype):
    rows = MIXED.astype(dtype)
    order = np.random.default_rng(0).permutation(len(rows))
    twice = np.concatenate([rows] * 5)  # longer than the rows that are computed together
    for i, every in enumerate([*answered(model, rows), model.gate_proba(rows)]):

        def ask(some, i=i):
            return [*answered(model, some), model.gate_proba(some)][i]

        assert every.dtype == dtype
        tolerance = TOLERANCE[dtype]
        assert_allclose(np.concatenate([ask(rows[at : at + 1]) for at in range(12)]), every[:12], **tolerance)
        assert_allclose(np.concatenate([ask(rows[:7]), ask(rows[7:])]), every, **tolerance)
        assert_allclose(ask(rows[order]), every[order], **tolerance)
        assert_allclose(ask(twice), np.concatenate([every] * 5), **tolerance)


def test_rows_differ(model):
    """Or else the test above would say nothing."""
    assert np.ptp(answered(model, MIXED)[0], axis=0).min() > 1e-3


@pytest.mark.parametrize("router", [Soft(tree=(2, 2)), Gumbel()], ids=["tree", "gumbel"])
def test_gates_that_torch_reads(router):
    """These are read by torch, in the precision of the table all the same."""
    model = regressor(router=router).fit(GAPS, Y)
    assert None in model._network.architecture.rules
    every = model.predict(GAPS)
    alone = np.concatenate([model.predict(GAPS[at : at + 1]) for at in range(12)])
    assert_allclose(alone, every[:12], rtol=1e-9, atol=1e-11)
    assert_allclose(model.predict(GAPS[::-1]), every[::-1], rtol=1e-9, atol=1e-11)
    single = model.predict(GAPS.astype(np.float32))
    assert (every.dtype, single.dtype) == (np.float64, np.float32)
    assert_allclose(single, every, rtol=0, atol=1e-3)
    assert model.gate_proba(GAPS.astype(np.float32)).dtype == np.float32


@PRECISIONS
@pytest.mark.parametrize("precision", ["float32", "float64", "bfloat16"])
def test_predictions_have_the_precision_of_the_table(precision, dtype):
    """However the network was trained."""
    numbers = regressor(precision=precision, max_epochs=1).fit(GAPS, Y)
    rows = GAPS.astype(dtype)
    mean, std = numbers.predict(rows, return_std=True)
    asked = [mean, std, numbers.predict_var(rows), numbers.gate_proba(rows)]
    labels = classifier(precision=precision, max_epochs=1).fit(GAPS, LABELS)
    asked += [*answered(labels, rows), labels.gate_proba(rows)]
    assert {values.dtype for values in asked} == {np.dtype(dtype)}
    assert_array_equal(labels.predict(rows), labels.classes_[labels.predict_proba(rows).argmax(1)])


def test_single_and_double_agree():
    model = regressor().fit(GAPS, Y)
    assert_allclose(model.predict(GAPS.astype(np.float32)), model.predict(GAPS), rtol=0, atol=1e-3)
    assert np.abs(model.predict(GAPS.astype(np.float32)) - model.predict(GAPS)).max() > 0


def test_a_table_of_categories_alone():
    model = classifier(categorical_features=[0, 1]).fit(MIXED[:, CATEGORIES], LABELS)
    proba = model.predict_proba(MIXED[:, CATEGORIES])
    assert proba.dtype == np.float64
    unseen = model.predict_proba([[9.0, np.nan], [np.nan, np.nan], [9.0, 9.0]])
    assert_allclose(unseen[0], unseen[1])  # a level that never was is a gap
    assert_allclose(unseen[0], unseen[2])
    assert len(np.unique(proba[:, 0])) > 3


@pytest.mark.parametrize("rows", [np.empty((0, 3)), np.empty((0, 3), np.float32)], ids=["double", "single"])
def test_no_rows_are_refused(rows):
    with pytest.raises(ValueError, match="0 sample"):
        regressor(max_epochs=1).fit(GAPS, Y).predict(rows)
