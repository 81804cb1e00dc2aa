"""The generators draw from the mixture that their parameters describe."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit, softmax

from skmoe.datasets import make_moe_classification, make_moe_regression


def gate_prob(X, params):
    return softmax(X @ params.gate_coef.T + params.gate_intercept, axis=1)


def score_z(seen, prob, X):
    """Score of a logit at its true parameters, in standard deviations: of the intercept, the slopes, the scale."""
    design = np.column_stack([np.ones(len(X)), X, logit(prob)])
    return (seen - prob) @ design / np.sqrt((prob * (1 - prob)) @ design**2)


@pytest.mark.parametrize("make", [make_moe_regression, make_moe_classification])
@pytest.mark.parametrize("n_experts", [1, 2, 5])
def test_shapes_and_sums(make, n_experts):
    X, y, params = make(50, 4, n_experts=n_experts, return_params=True, random_state=0)
    assert X.shape == (50, 4)
    assert y.shape == params.expert.shape == (50,)
    assert params.gate_coef.shape == params.expert_coef.shape == (n_experts, 4)
    assert params.gate_intercept.shape == params.expert_intercept.shape == (n_experts,)
    np.testing.assert_allclose(params.gate_coef.sum(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(params.gate_intercept.sum(), 0, atol=1e-12)


@pytest.mark.parametrize("make", [make_moe_regression, make_moe_classification])
def test_random_state(make):
    first, again, other = (make(30, random_state=seed) for seed in (3, 3, 4))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first[0], other[0])
    assert not np.array_equal(first[1], other[1])


@pytest.mark.parametrize("make", [make_moe_regression, make_moe_classification])
def test_more_rows_are_of_the_same_mixture(make):
    few, many = (make(n, return_params=True, random_state=0)[2] for n in (10, 1000))
    for name in set(few) - {"expert"}:
        np.testing.assert_array_equal(few[name], many[name])
    assert len(few.expert) == 10


@pytest.mark.parametrize("make", [make_moe_regression, make_moe_classification])
def test_only_the_leading_columns_matter(make):
    params = make(10, 6, n_informative=2, return_params=True, random_state=0)[2]
    for coef in (params.gate_coef, params.expert_coef):
        assert (coef[:, :2] != 0).all()
        assert (coef[:, 2:] == 0).all()


@pytest.mark.parametrize("make", [make_moe_regression, make_moe_classification])
def test_rows_follow_the_gate(make):
    X, _, params = make(100_000, 3, return_params=True, random_state=0)
    prob = gate_prob(X, params)
    for k in range(3):
        assert np.abs(score_z(params.expert == k, prob[:, k], X)).max() < 4


def test_gate_without_slopes():
    _, _, params = make_moe_regression(gate_scale=0, return_params=True, random_state=0)
    assert (params.gate_coef == 0).all()
    assert np.ptp(params.gate_intercept) > 0


def test_predictors_have_the_stated_scale():
    # Over 300 mixtures the mean square of a gate's logits is gate_scale^2 * (1 - 1/K), centred over experts.
    squares = []
    for seed in range(300):
        X, _, params = make_moe_regression(100, 8, gate_scale=3.0, return_params=True, random_state=seed)
        squares.append(np.mean((X @ params.gate_coef.T) ** 2))
    np.testing.assert_allclose(np.mean(squares), 9 * (1 - 1 / 3), rtol=0.1)


def test_residuals_have_the_noise_of_their_expert():
    noise = np.array([0.1, 0.5, 2.0])
    X, y, params = make_moe_regression(20_000, noise=noise, return_params=True, random_state=0)
    np.testing.assert_array_equal(params.expert_scale, noise)
    for k in range(3):
        own = params.expert == k
        z = (y[own] - X[own] @ params.expert_coef[k] - params.expert_intercept[k]) / noise[k]
        # Mean and standard deviation of n normal draws vary by 1 / sqrt(n) and 1 / sqrt(2 n).
        assert abs(z.mean()) < 4 / np.sqrt(own.sum())
        assert abs(z.std() - 1) < 4 / np.sqrt(2 * own.sum())


def test_no_noise():
    X, y, params = make_moe_regression(200, noise=0, return_params=True, random_state=0)
    means = X @ params.expert_coef.T + params.expert_intercept
    np.testing.assert_allclose(y, means[np.arange(200), params.expert], rtol=1e-12)


def test_two_classes_follow_their_expert():
    X, y, params = make_moe_classification(100_000, 3, return_params=True, random_state=0)
    assert set(y) == {0, 1}
    for k in range(3):
        own = params.expert == k
        prob = expit(X[own] @ params.expert_coef[k] + params.expert_intercept[k])
        assert np.abs(score_z(y[own] == 1, prob, X[own])).max() < 4


def test_many_classes_follow_their_expert():
    X, y, params = make_moe_classification(100_000, 3, n_classes=4, return_params=True, random_state=0)
    assert set(y) == {0, 1, 2, 3}
    assert params.expert_coef.shape == (3, 3, 4)
    assert params.expert_intercept.shape == (3, 4)
    np.testing.assert_allclose(params.expert_coef.sum(axis=-1), 0, atol=1e-12)
    np.testing.assert_allclose(params.expert_intercept.sum(axis=-1), 0, atol=1e-12)
    for k in range(3):
        own = params.expert == k
        prob = softmax(X[own] @ params.expert_coef[k] + params.expert_intercept[k], axis=1)
        for c in range(4):
            assert np.abs(score_z(y[own] == c, prob[:, c], X[own])).max() < 4


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_experts": 0}, "The 'n_experts' parameter of make_moe_regression must be an int in the range"),
        ({"n_informative": 6}, "n_informative=6 must be at most n_features=5"),
        ({"noise": -1.0}, "The 'noise' parameter of make_moe_regression must be"),
        ({"noise": [0.1, 0.2]}, r"noise must be a number or have shape \(3,\)"),
        ({"noise": [0.1, 0.2, -0.3]}, "noise must be finite and not negative"),
        ({"noise": [0.1, 0.2, np.nan]}, "noise must be finite and not negative"),
    ],
)
def test_wrong_parameters(wrong, message):
    with pytest.raises(ValueError, match=message):
        make_moe_regression(**wrong)


def test_one_class_is_no_problem_to_classify():
    with pytest.raises(ValueError, match="The 'n_classes' parameter of make_moe_classification must be an int"):
        make_moe_classification(n_classes=1)
