"""Every family against its own density: integrals, derivatives, quantiles, draws; Student-t also against mpmath."""

from __future__ import annotations

from itertools import cycle, pairwise

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from scipy.integrate import quad

from skmoe.families import FAMILIES, Bernoulli, Gaussian, Poisson, StudentT

LOCATION, LOG_SCALE = (0.0, -40.0, 3.0), (0.0, -6.0, 2.0)
INVERSE_DOF = (1 / 0.3, 1.0, 0.4, 0.15, 1 / 30, 1e-3, 1e-6)

CASES = [
    *((Gaussian(), theta) for theta in zip(LOCATION, LOG_SCALE, strict=True)),
    *((StudentT(), theta) for theta in zip(cycle(LOCATION), cycle(LOG_SCALE), INVERSE_DOF, strict=False)),
    *((Poisson(), (eta,)) for eta in (-4.0, 0.3, 3.5)),
    *((Bernoulli(), (eta,)) for eta in (-5.0, 0.0, 2.0)),
]
CONTINUOUS = [case for case in CASES if not case[0].discrete]
DISCRETE = [case for case in CASES if case[0].discrete]


def every(cases):
    return pytest.mark.parametrize(
        ("family", "theta"), cases, ids=[f"{f.name} {' '.join(f'{t:.4g}' for t in theta)}" for f, theta in cases]
    )


def as_theta(values):
    return tuple(np.array([value]) for value in values)


def expectation(family, theta, function, low=-np.inf, high=np.inf):
    """Mean of a function of y over the density between two bounds, by a sum, or by quadrature in asinh(z)."""
    if family.discrete:
        y = np.arange(max(low, 0), min(high, 1 if family.name == "bernoulli" else 600) + 1)
        return float((np.exp(log_density(family, y, theta)) * function(y)).sum())
    eta, scale = theta[0], np.exp(theta[1])
    bounds = np.arcsinh((np.clip([low, high], -1e300, 1e300) - eta) / scale).clip(-100, 100)

    def integrand(t):
        y = eta + scale * np.sinh(t)
        return float((np.exp(log_density(family, y, theta)) * function(np.array([y])) * scale * np.cosh(t)).item())

    cuts = [-30, -10, -3, -1, 0, 1, 3, 10, 30]
    edges = [bounds[0], *(c for c in cuts if bounds[0] < c < bounds[1]), bounds[1]]
    return sum(quad(integrand, a, b, epsabs=1e-13, epsrel=1e-11, limit=200)[0] for a, b in pairwise(edges))


def log_density(family, y, theta):
    y = np.atleast_1d(np.asarray(y, dtype=float))
    return family.log_prob(y, as_theta(theta)) + family.base_measure(y)


def draw(family, theta, n, seed=0):
    return family.sample((np.full(n, theta[0]), *as_theta(theta)[1:]), np.random.default_rng(seed))


def test_every_name_is_covered():
    assert {type(family) for family, _ in CASES} >= set(FAMILIES.values())


# -- density -----------------------------------------------------------------------------------------------------------


@every(CASES)
def test_density_has_mass_one(family, theta):
    assert expectation(family, theta, np.ones_like) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(
    ("family", "theta", "witness"),
    [
        (Gaussian(), (1.5, 0.7), stats.norm(1.5, np.exp(0.7)).logpdf),
        (StudentT(), (1.5, 0.7, 0.4), stats.t(2.5, 1.5, np.exp(0.7)).logpdf),
        (Poisson(), (1.2,), stats.poisson(np.exp(1.2)).logpmf),
        (Bernoulli(), (1.2,), stats.bernoulli(1 / (1 + np.exp(-1.2))).logpmf),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_density_is_that_of_scipy(family, theta, witness):
    y = np.array([0.0, 1.0]) if family.name == "bernoulli" else np.arange(12.0)
    assert_allclose(log_density(family, y, theta), witness(y), rtol=1e-12)


@pytest.mark.parametrize("dof", [0.3, 1, 7.5, 999, 1e3, 1e4, 1e5, 1e6])
def test_student_density_is_that_of_mpmath(dof):
    """Differences of gamma functions lose eight digits at a million degrees of freedom; ours must not."""
    mpmath.mp.dps = 40
    inverse_dof = 1 / dof
    nu = 1 / mpmath.mpf(inverse_dof)
    for z in (0.0, 0.8, 6.0, 1e3):
        constant = mpmath.loggamma((nu + 1) / 2) - mpmath.loggamma(nu / 2) - mpmath.log(nu * mpmath.pi) / 2
        exact = float(constant - (nu + 1) / 2 * mpmath.log(1 + mpmath.mpf(z) ** 2 / nu))
        assert log_density(StudentT(), z, (0.0, 0.0, inverse_dof))[0] == pytest.approx(exact, rel=1e-13, abs=1e-10)


# -- score and curvature -----------------------------------------------------------------------------------------------


@every(CASES)
def test_score_is_the_derivative(family, theta):
    y = draw(family, theta, 50)
    terms = family.terms(y, as_theta(theta))
    assert len(terms.score) == len(theta) == len(family.links(1e-3))
    for j, value in enumerate(theta):
        # At a millionth the log density is linear in 1/dof to far below what is asked, so the step may be relative.
        h = 1e-5 * np.exp(theta[1]) if j == 0 and family.location_scale else 1e-5 if j < 2 else 1e-3 * value
        up, down = ((*theta[:j], value + e, *theta[j + 1 :]) for e in (h, -h))
        difference = (log_density(family, y, up) - log_density(family, y, down)) / (2 * h)
        floor = 1e-15 * np.abs(log_density(family, y, theta)).max() / h
        assert_allclose(terms.score[j], difference, rtol=1e-5, atol=1e-6 * np.abs(difference).max() + 10 * floor)
    lean = family.terms(y, as_theta(theta), curvature=False)
    assert lean.curvature is None
    for a, b in zip(lean.score, terms.score, strict=True):
        assert_array_equal(a, b)


#: Parameters whose curvature is the expected information; the others have a majoriser of it.
EXACT = {"gaussian": {0, 1}, "poisson": {0}, "bernoulli": {0}, "student_t": {2}}


@every(CASES)
def test_curvature_is_the_expected_information_or_above(family, theta):
    """The expected information is the mean square of the score."""
    for j in range(len(theta)):
        information = expectation(family, theta, lambda y, j=j: family.terms(y, as_theta(theta)).score[j] ** 2)
        mean = expectation(
            family, theta, lambda y, j=j: np.broadcast_to(family.terms(y, as_theta(theta)).curvature[j], y.shape)
        )
        assert mean >= information * (1 - 1e-6)
        if j in EXACT[family.name]:
            assert mean == pytest.approx(information, rel=1e-6)


@every(CASES)
def test_curvature_is_never_negative(family, theta):
    y = np.concatenate([draw(family, theta, 50), [0.0, 1.0]])
    for curvature in family.terms(y, as_theta(theta)).curvature:
        assert (curvature >= 0).all()


@pytest.mark.parametrize("dof", [0.3, 0.7, 1, 2, 5, 30, 300, 990, 1e3, 1010, 1e4, 1e5, 1e6])
def test_student_information_is_that_of_mpmath(dof):
    """Of 1/dof: dof^4 times that of dof in Lange, Little & Taylor (1989)."""
    mpmath.mp.dps = 60
    inverse_dof = 1 / dof
    nu = 1 / mpmath.mpf(inverse_dof)
    trigamma = mpmath.psi(1, nu / 2) - mpmath.psi(1, (nu + 1) / 2)
    exact = float(nu**4 * (trigamma / 4 - (nu + 5) / (2 * nu * (nu + 1) * (nu + 3))))
    got = StudentT().terms(np.zeros(1), as_theta((0.0, 0.0, inverse_dof))).curvature[2]
    assert_allclose(got, exact, rtol=1e-7)


# -- distribution ------------------------------------------------------------------------------------------------------


@every(CASES)
def test_cdf_is_the_integral_of_the_density(family, theta):
    for y in family.ppf(np.array([1e-3, 0.2, 0.5, 0.8, 0.99]), as_theta(theta)):
        expected = expectation(family, theta, np.ones_like, high=y)
        assert family.cdf(np.array([y]), as_theta(theta))[0] == pytest.approx(expected, abs=1e-9)


@every(CONTINUOUS)
def test_ppf_inverts_the_cdf(family, theta):
    q = np.array([1e-9, 1e-6, 0.01, 0.3, 0.5, 0.9, 0.999, 1 - 1e-6])
    y = family.ppf(q, as_theta(theta))
    assert (np.diff(y) > 0).all()
    # A quantile near the location is known to the rounding of the location only.
    rounding = 4 * np.spacing(np.abs(y) + abs(theta[0])) * np.exp(log_density(family, y, theta))
    assert_allclose(family.cdf(y, as_theta(theta)), q, rtol=1e-9, atol=rounding.max())


@every([*DISCRETE, (Poisson(), (np.log(300.0),)), (Poisson(), (np.log(2e4),))])
def test_discrete_ppf_is_the_smallest_count_that_reaches_the_level(family, theta):
    y = np.arange(2 if family.name == "bernoulli" else 21000.0)
    cdf = family.cdf(y, as_theta(theta))
    q = np.concatenate([np.linspace(1e-6, 1 - 1e-6, 500), cdf[(cdf > 1e-12) & (cdf < 1 - 1e-12)]])
    assert_array_equal(family.ppf(q, as_theta(theta)), np.searchsorted(cdf, q))
    assert_array_equal(family.cdf(np.array([-1.0, -0.5]), as_theta(theta)), 0)
    assert_array_equal(family.cdf(y[:2] + 0.7, as_theta(theta)), cdf[:2])


@every(CASES)
def test_ends_of_the_ppf(family, theta):
    low, high = family.ppf(np.array([0.0, 1.0]), as_theta(theta))
    assert low == (0 if family.discrete else -np.inf)
    assert high == (1 if family.name == "bernoulli" else np.inf)


@every(CASES)
def test_moments(family, theta):
    """Where they do not exist the mean is the location and the variance infinite."""
    mean, variance = (read(as_theta(theta))[0] for read in (family.mean, family.variance))
    heavy = theta[2] if family.name == "student_t" else 0
    if heavy >= 0.5:
        assert (mean, variance) == (theta[0], np.inf)
        return
    assert mean == pytest.approx(expectation(family, theta, lambda y: y), rel=1e-8, abs=1e-8)
    assert variance == pytest.approx(expectation(family, theta, lambda y: (y - mean) ** 2), rel=1e-7)


@every(CASES)
def test_draws_follow_the_cdf(family, theta):
    y = draw(family, theta, 20_000)
    if family.discrete:
        seen, expected = y.mean(), family.mean(as_theta(theta))[0]
        assert abs(seen - expected) < 4.5 * np.sqrt(family.variance(as_theta(theta))[0] / len(y))
        assert np.mean(y == 0) == pytest.approx(family.cdf(np.zeros(1), as_theta(theta))[0], abs=4.5 / np.sqrt(len(y)))
    else:
        assert stats.kstest(y, lambda at: family.cdf(at, as_theta(theta))).pvalue > 1e-3


# -- edges -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inverse_dof", [1e-6, 0.15, 4.0])
@pytest.mark.parametrize("z", [0.0, 1e-300, 1e-8, 1e8, 1e150, -1e150])
def test_real_line_at_any_distance(inverse_dof, z):
    """No warning, nothing that is not finite, far from the location and at it."""
    for family, theta in ((Gaussian(), (0.0, 0.0)), (StudentT(), (0.0, 0.0, inverse_dof))):
        score, curvature = family.terms(np.array([z]), as_theta(theta))
        assert np.isfinite([log_density(family, z, theta), *score, *curvature]).all()
        assert family.cdf(np.array([z]), as_theta(theta))[0] == pytest.approx(0.5 + 0.5 * np.sign(z), abs=0.5)


@pytest.mark.parametrize("eta", [-700.0, -50.0, 0.0, 50.0])
@pytest.mark.parametrize("family", [Poisson(), Bernoulli()], ids=repr)
def test_counts_at_any_rate(family, eta):
    y = np.array([0.0, 1.0])
    score, curvature = family.terms(y, as_theta((eta,)))
    assert np.isfinite([log_density(family, y, (eta,)), *score]).all()
    assert (curvature[0] >= 0).all()


def test_what_is_no_count_is_impossible():
    assert_array_equal(log_density(Poisson(), [-1.0, -3.0, -0.5, 1.5], (0.3,)), -np.inf)


@pytest.mark.parametrize("eta", [-700.0, -30.0, 30.0, 700.0])
def test_bernoulli_is_sure_without_losing_digits(eta):
    """log p is -exp(-|eta|) on the sure side and -|eta| on the other."""
    sure = float(eta > 0)
    assert log_density(Bernoulli(), sure, (eta,))[0] == pytest.approx(-np.exp(-abs(eta)), rel=1e-12)
    assert log_density(Bernoulli(), 1 - sure, (eta,))[0] == pytest.approx(-abs(eta), rel=1e-12)


@every(CASES)
def test_start_has_the_moments_of_the_response(family, theta):
    """One expert that ignores x starts where the mean of y is (and the sd, where the family has a scale)."""
    mean, sd = np.array([0.4]), np.array([0.3])
    start = family.start(mean, sd)
    assert_allclose(family.mean(start), mean, rtol=1e-12)
    if family.location_scale:
        assert_allclose(np.exp(start[1]), sd, rtol=1e-12)


@pytest.mark.parametrize(
    ("family", "y", "message"),
    [
        (Poisson(), [0, 2, -1], "counts 0, 1, 2.*contains -1"),
        (Poisson(), [0, 2.5], "contains 2.5"),
        (Bernoulli(), [0, 1, 2], "{0, 1}.*contains 2"),
    ],
    ids=str,
)
def test_responses_outside_the_support(family, y, message):
    with pytest.raises(ValueError, match=message):
        family.check_response(np.array(y, dtype=float)[:, None])


@pytest.mark.parametrize("family", [Gaussian(), StudentT(), Poisson(), Bernoulli()], ids=repr)
def test_responses_inside_the_support(family):
    family.check_response(np.array([[0.0], [1.0]]))
