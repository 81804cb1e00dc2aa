"""The moving average of parameters, beside its recursion by hand; and that it is what is kept."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch")

from small import X, Y, regressor  # noqa: E402

from skmoe.neural.fitting.averaging import MovingAverage  # noqa: E402


def test_the_recursion_by_hand():
    parameter = torch.nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    average, by_hand = MovingAverage([parameter], horizon=4), np.array([1.0, -2.0])
    for step in range(1, 30):
        with torch.no_grad():
            parameter += step
        average.follow()
        decay = min(0.75, (1 + step) / (10 + step))
        by_hand = decay * by_hand + (1 - decay) * parameter.detach().numpy()
    last = parameter.detach().clone()
    with average.in_place():
        np.testing.assert_allclose(parameter.detach().numpy(), by_hand, rtol=1e-12)
    assert torch.equal(parameter, last)


def test_a_horizon_of_one_step_is_the_last_parameters():
    settings = {"max_epochs": 3, "early_stopping": False}
    last, short = (regressor(averaging=a, **settings).fit(X, Y) for a in (0.0, 1e-9))
    np.testing.assert_array_equal(last.predict(X), short.predict(X))
    assert not np.array_equal(last.predict(X), regressor(averaging=2.0, **settings).fit(X, Y).predict(X))


def test_training_itself_goes_on_with_the_last_parameters():
    settings = {"max_epochs": 3, "early_stopping": False}
    losses = [[told["loss"] for told in regressor(averaging=a, **settings).fit(X, Y).history_] for a in (0.0, 5.0)]
    assert losses[0] == losses[1]
