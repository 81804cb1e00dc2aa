"""Settings of the steps: what each of them changes, and where that can be read off."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='torch is not installed: pip install "skmoe[neural]"')

from numpy.testing import assert_allclose, assert_array_equal  # noqa: E402
from small import X, Y, assert_same_answers, regressor  # noqa: E402

from skmoe.neural import TopK  # noqa: E402

#: One step of all rows, in double precision.
ONE_STEP = {"batch_size": None, "early_stopping": False, "max_epochs": 1, "soft_start": 0.0, "averaging": 0.0}


def arrays(**settings):
    return regressor(**settings).fit(X, Y)._network.arrays


def test_members_begin_with_signs_of_their_own():
    signs = arrays(max_epochs=0, n_members=4)["members"]
    assert set(signs.ravel()) == {-1.0, 1.0}
    assert len(np.unique(signs, axis=0)) == 4
    assert_array_equal(arrays(max_epochs=0, n_members=1)["members"], np.ones((1, signs.shape[1])))


def test_members_predict_differently():
    model = regressor(n_members=3).fit(X, Y)
    answers = model._network.read(model._raw(X)).answers
    assert np.ptp(answers, axis=1).max() > 0.01


def test_a_gradient_is_shortened_to_the_clip():
    """The first moment of AdamW after a step is a tenth of the gradient, of which it tells the length."""
    moments = {}
    for clip in (1e-2, 0.5, None):
        first = regressor(**ONE_STEP, gradient_clip=clip).fit(X, Y)._network.moments.first
        moments[clip] = np.concatenate([values.ravel() for values in first.values()]) / 0.1
    whole = np.linalg.norm(moments[None])
    assert whole > 0.5
    for clip in (1e-2, 0.5):
        assert np.linalg.norm(moments[clip]) == pytest.approx(clip, rel=1e-4)
        assert_allclose(moments[clip] / clip, moments[None] / whole, atol=1e-5)


def test_parameters_decay():
    """By the learning rate times the decay a step, beside the step itself."""
    start = arrays(**{**ONE_STEP, "max_epochs": 0})
    plain, decayed = arrays(**ONE_STEP, weight_decay=0.0), arrays(**ONE_STEP, weight_decay=5.0)
    for name in ("stem.weight", "head.layer.experts.maps.0.weight", "numbers.slope"):
        assert_allclose(decayed[name] - plain[name], -2e-3 * 5.0 * start[name], atol=1e-12)


@pytest.mark.parametrize("settings", [{"batch_size": 32}, {"batch_size": 500}, {"batch_size": 1, "max_epochs": 1}])
def test_steps_of_an_epoch(settings):
    model = regressor(early_stopping=False, **settings).fit(X, Y)
    steps = {32: 4, 500: 1, 1: 120}[settings["batch_size"]]
    assert model._network.moments.n_steps == steps * model.n_iter_


def test_the_balance_bias_is_moved_once_a_step():
    model = regressor(router=TopK(bias_rate=1e-2), early_stopping=False, soft_start=0.0).fit(X, Y)
    for name in ("blocks.0.layer.router.balance_bias", "head.layer.router.balance_bias"):
        bias = model._network.arrays[name]
        assert 0 < np.abs(bias).max() <= 1e-2 * model._network.moments.n_steps + 1e-6
        assert_allclose(bias / 1e-2, np.round(bias / 1e-2), atol=1e-3)


@pytest.mark.parametrize("router", ["topk", "switch", "gshard"])
def test_a_capacity_drops_in_training_alone(router):
    """Blocks drop, the head does not: with the head alone the factor changes nothing."""
    settings = {"router": router, "soft_start": 0.0}
    tight, loose = (regressor(**settings, capacity_factor=factor).fit(X, Y) for factor in (0.3, None))
    assert np.abs(tight.predict(X) - loose.predict(X)).max() > 1e-4
    assert ((tight._gated(X, 0).weights > 0).sum(-1) == tight.top_k_).all()
    tight, loose = (regressor(**settings, capacity_factor=factor, n_blocks=1).fit(X, Y) for factor in (0.3, None))
    assert_same_answers(tight, loose, X)


def test_the_score_has_to_get_better():
    """Of epochs that score alike the first is kept."""
    model = regressor(scoring=lambda model, X, y: 1.0, soft_start=0.5).fit(X, Y)
    assert model.best_epoch_ == 1
