"""Known maxima of the likelihood: found by R, by others and by us from many starts (`tests/reference`)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skmoe import MoERegressor

REFERENCE = json.loads((Path(__file__).parent / "reference" / "flexmix_optima.json").read_text())["sets"]

#: Log-likelihoods of two experts without ridge, in nats: what a fit must reach and what the known maximum is. The gate
#: of tempanomalies separates, so its likelihood has a supremum only. The scale floor of co2gnp keeps an expert from
#: shrinking onto its last two points.
OPTIMA = {
    ("tonedata", "gaussian"): (142.847, 142.848),
    ("tempanomalies", "gaussian"): (102.93, 102.943),
    ("nodata", "gaussian"): (123.6196, 123.62059),
    ("co2gnp", "gaussian"): (-66.298, -66.29656),
    ("tonedata", "student_t"): (229.88, 229.891),
}
DATA = ("tonedata", "tempanomalies", "nodata", "co2gnp")


@pytest.fixture
def fitted(shared_data):
    """Two experts on a data set, by maximum likelihood from thirty starts."""

    def fit(name, expert):
        X, y = shared_data(name)
        floor = 1e-2 if name == "co2gnp" else 1e-3
        model = MoERegressor(
            2, expert=expert, alpha=0, gate_alpha=0, scale_floor=floor, n_init=30, max_iter=3000, random_state=0
        )
        return model.fit(X, y)

    return fit


@pytest.mark.filterwarnings("ignore::skmoe.exceptions.CollapseWarning")
@pytest.mark.parametrize(("name", "expert"), OPTIMA)
def test_known_optimum(fitted, name, expert):
    model, (reached, known) = fitted(name, expert), OPTIMA[name, expert]
    assert reached <= model.log_likelihood_ <= known + 0.01
    assert model.converged_
    assert model.expert_scale_.min() > 1.5 * model.scale_floor_


@pytest.mark.filterwarnings("ignore::skmoe.exceptions.CollapseWarning")
@pytest.mark.parametrize("name", DATA)
def test_student_contains_gaussian(fitted, name):
    """1/dof ends at a millionth, which costs less than a thousandth of a nat here."""
    assert fitted(name, "student_t").log_likelihood_ >= fitted(name, "gaussian").log_likelihood_ - 1e-3


@pytest.mark.parametrize("case", REFERENCE, ids=lambda case: case["name"])
def test_flexmix_optimum(case):
    X, y = np.array(case["X"]), np.array(case["y"])
    model = MoERegressor(case["n_experts"], expert=case["family"], alpha=0, gate_alpha=0, n_init=10, random_state=0)
    assert model.fit(X, y).log_likelihood_ == pytest.approx(case["log_likelihood"], abs=1e-4)
    # Experts of R in the order of ours, which is that of their shares.
    order = np.argsort(case["shares"])[::-1]
    expert, gate = (np.array(case[f"{name}_coefficients"])[order] for name in ("expert", "gate"))
    assert_allclose(model.expert_share_, np.array(case["shares"])[order], atol=1e-3)
    assert_allclose(np.column_stack([model.expert_intercept_, model.expert_coef_]), expert, atol=3e-3)
    assert_allclose(
        np.column_stack([model.gate_intercept_, model.gate_coef_]), gate - gate.mean(axis=0), rtol=0.02, atol=0.02
    )
    if "sigmas" in case:
        assert_allclose(model.expert_scale_, np.array(case["sigmas"])[order], rtol=2e-3)
