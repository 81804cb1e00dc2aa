"""The mixture as a distribution against brute force: scipy's experts, quadrature, closed forms and sums."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from scipy.integrate import quad

from skmoe import MoERegressor
from skmoe.datasets import make_moe_regression
from skmoe.experts.linear import LinearPredictive
from skmoe.families import Gaussian, Poisson, StudentT
from skmoe.predictive import MixtureDistribution


class Mixed:
    """Rows of a mixture in scipy's words, and the same as a `MixtureDistribution`.

    ``weight`` is (n_experts, n_rows); every expert is a name and its arguments, each a number or one a row:
    ``("norm", loc, scale)``, ``("t", dof, loc, scale)``, ``("poisson", rate)``. Every expert is a block of its own, in
    units of its own.
    """

    def __init__(self, weight, *experts):
        self.weight = np.array(weight, dtype=float)
        n = self.weight.shape[1]
        self.experts = [
            (name, *(np.broadcast_to(np.asarray(a, dtype=float), n) for a in args)) for name, *args in experts
        ]
        parts = [(np.array([k]), self._part(k, *expert)) for k, expert in enumerate(self.experts)]
        with np.errstate(divide="ignore"):
            self.dist = MixtureDistribution(np.log(self.weight), parts)

    @staticmethod
    def _part(k, name, *args):
        if name == "poisson":
            return LinearPredictive(Poisson(), (np.log(args[0])[None, None],), np.zeros((1, 1)), np.ones((1, 1)))
        loc, scale = args[-2:]
        center, unit = 10.0 * k, 3.0 + k
        theta = ((loc - center) / unit, np.log(scale / unit), *(1 / dof for dof in args[:-2]))
        family = StudentT() if name == "t" else Gaussian()
        return LinearPredictive(
            family, tuple(t[None, None] for t in theta), np.full((1, 1), center), np.full((1, 1), unit)
        )

    def row(self, i):
        """The distribution of one row."""
        parts = [(leaves, part.rows(np.array([i]))) for leaves, part in self.dist._parts]
        return MixtureDistribution(self.dist._log_weight[:, [i]], parts)

    def rows(self):
        """Of each row the weights and scipy's experts that take part."""
        for i, weight in enumerate(self.weight.T):
            experts = [getattr(stats, name)(*(a[i] for a in args)) for name, *args in self.experts]
            yield weight[weight > 0], [expert for expert, w in zip(experts, weight, strict=True) if w > 0]


def breaks(experts):
    """Points between which a density is smooth."""
    levels = [1e-12, 1e-8, 1e-5, 1e-3, 0.05, 0.3, 0.5, 0.7, 0.95, 1 - 1e-3, 1 - 1e-5, 1 - 1e-8, 1 - 1e-12]
    return np.unique(np.concatenate([expert.ppf(levels) for expert in experts]))


def integral(function, points):
    return sum(quad(function, a, b, epsabs=1e-13, epsrel=1e-10, limit=200)[0] for a, b in pairwise(points))


SMOOTH = {
    "gaussians that overlap": Mixed(
        [[0.2, 0.6, 1 / 3], [0.5, 0.3, 1 / 3], [0.3, 0.1, 1 / 3]],
        ("norm", [0, 1, -2], 1.0),
        ("norm", 1.5, [0.5, 2, 1]),
        ("norm", [-1, 4, 0], 0.3),
    ),
    "far apart and narrow": Mixed(
        [[0.5, 0.999, 1e-7], [0.5, 0.001, 1 - 1e-7]], ("norm", -50, 1e-2), ("norm", 60, 1e-3)
    ),
    "student tails": Mixed([[0.3, 0.9], [0.7, 0.1]], ("t", [6.0, 30], 0, 1.0), ("t", 9.0, [5, -5], 0.2)),
    "gaussian and student": Mixed([[0.8, 0.2], [0.2, 0.8]], ("norm", 0, 1.0), ("t", 8.0, 1, [3, 0.1])),
    "one expert takes part": Mixed([[1.0, 0.0], [0.0, 1.0]], ("norm", 2, 0.5), ("norm", [np.pi, 7], [9, 2.0])),
    "a single expert": Mixed([[1.0, 1.0]], ("norm", [0, 5], [1.0, 2])),
    "one expert hardly takes part": Mixed([[1.0], [1e-15]], ("norm", 0, 1.0), ("norm", 1000.0, 1.0)),
}
HEAVY = {
    "cauchy": Mixed([[0.5, 0.1], [0.5, 0.9]], ("t", 1.0, 0, 1.0), ("norm", 10, 0.1)),
    "heavier than cauchy": Mixed([[0.4], [0.6]], ("t", 0.4, 0, 1.0), ("t", 1.7, 3, 0.01)),
}
COUNTS = {
    "counts": Mixed([[0.7, 0.2], [0.3, 0.8]], ("poisson", [0.4, 3]), ("poisson", [6.0, 40])),
    "rare and many": Mixed([[0.9, 0.5], [0.1, 0.5]], ("poisson", [0.01, 1e-4]), ("poisson", [200.0, 1])),
    "one of two counts": Mixed([[1.0], [0.0]], ("poisson", 5.0), ("poisson", 90.0)),
}
LEVELS = np.array([1e-6, 1e-4, 0.01, 0.1, 0.25, 0.5, 0.6, 0.9, 0.99, 1 - 1e-4, 1 - 1e-6])


def every(*tables):
    cases = {name: case for table in tables for name, case in table.items()}
    return pytest.mark.parametrize("case", cases.values(), ids=cases)


# -- density, distribution function, moments ---------------------------------------------------------------------------


@every(SMOOTH, HEAVY)
def test_density_and_cdf_are_weighted_sums(case):
    for i, (weight, experts) in enumerate(case.rows()):
        y = np.concatenate([expert.ppf(LEVELS) for expert in experts])[None]
        row = case.row(i)
        assert_allclose(row.pdf(y)[0], sum(w * e.pdf(y[0]) for w, e in zip(weight, experts, strict=True)), rtol=1e-8)
        assert_allclose(row.cdf(y)[0], sum(w * e.cdf(y[0]) for w, e in zip(weight, experts, strict=True)), rtol=1e-8)
        assert_allclose(row.logpdf(y), np.log(row.pdf(y)), rtol=1e-12, atol=1e-12)


@every(SMOOTH)
def test_moments_are_integrals_of_the_density(case):
    for i, (_, experts) in enumerate(case.rows()):
        row, points = case.row(i), breaks(experts)
        mean, std = row.mean()[0], row.std()[0]
        moments = [
            integral(lambda y, row=row, k=k, mean=mean, std=std: ((y - mean) / std) ** k * row.pdf(y).item(), points)
            for k in (0, 1, 2)
        ]
        assert_allclose(moments, [1, 0, 1], atol=1e-6)


@every(SMOOTH, COUNTS)
def test_law_of_total_variance(case):
    for i, (weight, experts) in enumerate(case.rows()):
        mean, var = np.array([expert.stats("mv") for expert in experts]).T
        within, between = weight @ var, weight @ mean**2 - (weight @ mean) ** 2
        assert case.dist.mean()[i] == pytest.approx(weight @ mean, rel=1e-12)
        assert case.dist.var()[i] == pytest.approx(within + between, rel=1e-9)
        assert case.dist.std()[i] ** 2 == pytest.approx(case.dist.var()[i], rel=1e-12)


def test_infinite_variance_where_an_expert_has_none():
    assert_array_equal(HEAVY["cauchy"].dist.var(), np.inf)


def test_an_expert_that_takes_no_part_adds_nothing():
    """Its infinite variance times zero is zero: so it is with top_k."""
    case = Mixed([[1.0, 0.5], [0.0, 0.5]], ("norm", [2.0, 2.0], 3.0), ("t", 1.5, 100.0, 1.0))
    assert_allclose(case.dist.var(), [9.0, np.inf], rtol=1e-12)
    assert_allclose(case.dist.mean(), [2.0, 51.0], rtol=1e-12)
    alone = Mixed([[1.0]], ("norm", 2.0, 3.0)).dist
    first = case.row(0)
    for name, args in (("ppf", [0.3]), ("cdf", [1.0]), ("logpdf", [1.0]), ("crps", [1.0]), ("entropy", [])):
        assert_allclose(getattr(first, name)(*args), getattr(alone, name)(*args), rtol=1e-7)


# -- quantiles ---------------------------------------------------------------------------------------------------------


@every(SMOOTH, HEAVY)
def test_ppf_inverts_the_cdf(case):
    y = case.dist.ppf(LEVELS[None])
    assert (np.diff(y, axis=1) >= 0).all()
    assert_allclose(case.dist.cdf(y), np.tile(LEVELS, (len(y), 1)), rtol=1e-9, atol=1e-10)


@every(SMOOTH, HEAVY)
def test_ends_of_the_ppf(case):
    y = case.dist.ppf([[0.0, 1.0, -0.1, 1.1, np.nan]])
    assert_array_equal(y[:, 0], -np.inf)
    assert_array_equal(y[:, 1], np.inf)
    assert np.isnan(y[:, 2:]).all()


def grid(case, i, top=700):
    """Probabilities of 0, 1, 2, ... of one row, by scipy."""
    weight, experts = list(case.rows())[i]
    return sum(w * e.pmf(np.arange(top)) for w, e in zip(weight, experts, strict=True))


@every(COUNTS)
def test_counts_by_brute_force(case):
    for i in range(len(case.dist)):
        probability = grid(case, i)
        cdf = np.cumsum(probability)
        row = case.row(i)
        at = np.arange(30.0)[None]
        assert_allclose(row.pdf(at)[0], probability[:30], rtol=1e-9)
        assert_allclose(row.cdf(at + 0.5)[0], cdf[:30], rtol=1e-9)
        assert row.cdf(-0.5)[0] == 0
        q = np.concatenate([LEVELS, 0.5 * (cdf[:-1] + cdf[1:])[np.diff(cdf) > 1e-6]])
        q = q[np.abs(q[:, None] - cdf).min(axis=1) > 1e-9]  # levels that rounding does not decide
        assert_array_equal(row.ppf(q[None])[0], np.searchsorted(cdf, q))
        assert_array_equal(row.ppf([[0.0, 1.0]])[0], [0, np.inf])


@every(COUNTS)
def test_what_is_no_count_has_no_probability(case):
    assert_array_equal(case.dist.pdf([[-1.0, -2.0, -0.5, 2.5]]), 0)


@every(SMOOTH, HEAVY)
def test_far_arguments(case):
    """No NaN and no warning where no expert has a density that could be told from zero."""
    far = np.array([[1e200, -1e200, np.inf, -np.inf]])
    assert_array_equal(case.dist.pdf(far), 0)
    assert (case.dist.logpdf(far) < -100).all()
    assert_allclose(case.dist.cdf(far), np.tile([1.0, 0.0, 1.0, 0.0], (len(case.dist), 1)), rtol=1e-15)


def test_a_count_and_a_continuous_expert():
    """The distribution function jumps: the quantile is the smallest y that reaches the level."""
    dist = Mixed([[0.5], [0.5]], ("norm", 2.0, 1.0), ("poisson", 2.0)).dist
    q = np.linspace(0.01, 0.99, 33)[None]
    y = dist.ppf(q)
    assert (np.diff(y[0]) >= -1e-12).all()
    assert (dist.cdf(y) >= q - 1e-12).all()
    assert (dist.cdf(y - 1e-9) <= q + 1e-9).all()
    with pytest.raises(ValueError, match="counts and continuous experts has no density"):
        dist.entropy()


@every(SMOOTH, COUNTS)
def test_interval_is_two_quantiles(case):
    assert_allclose(case.dist.interval(0.5), case.dist.ppf([[0.25, 0.75]]), rtol=1e-12)


@pytest.mark.parametrize("coverage", [0, 1, -0.5, 2, np.nan])
def test_coverage_is_between_zero_and_one(coverage):
    with pytest.raises(ValueError, match="coverage must be between 0 and 1"):
        COUNTS["counts"].dist.interval(coverage)


# -- scores ------------------------------------------------------------------------------------------------------------


def gaussian_crps(weight, mean, sd, y):
    """sum_i w_i A(y - m_i, s_i^2) - 1/2 sum_ij w_i w_j A(m_i - m_j, s_i^2 + s_j^2) with A(m, s^2) = E|m + s Z|.

    CRPS = E|Y - y| - E|Y - Y'| / 2, and differences of Gaussians are Gaussian (Grimit et al. 2006).
    """

    def absolute(m, s):
        return 2 * s * stats.norm.pdf(m / s) + m * (2 * stats.norm.cdf(m / s) - 1)

    pairs = absolute(mean[:, None] - mean, np.hypot(sd[:, None], sd))
    return weight @ absolute(y - mean, sd) - weight @ pairs @ weight / 2


@pytest.mark.parametrize("name", [name for name in SMOOTH if "student" not in name])
def test_crps_of_gaussians_is_the_closed_form(name):
    case = SMOOTH[name]
    y = np.array([[-80.0, -50.0, -3, 0, 0.7, 2, 59.999, 100, 1e4]])
    got = case.dist.crps(y)
    for i, (weight, experts) in enumerate(case.rows()):
        mean, sd = np.array([(e.mean(), e.std()) for e in experts]).T
        assert_allclose(got[i], [gaussian_crps(weight, mean, sd, at) for at in y[0]], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", [*SMOOTH, "cauchy"])
@pytest.mark.parametrize("y", [-30.0, 0.1, 4.0])
def test_crps_is_the_integral_of_its_definition(name, y):
    """With scipy's distribution functions, in z = y + sinh(t)."""
    case = {**SMOOTH, **HEAVY}[name]
    got = case.dist.crps(y)
    for i, (weight, experts) in enumerate(case.rows()):

        def integrand(t, weight=weight, experts=experts):
            z = y + np.sinh(t)
            return np.cosh(t) * (weight @ [e.cdf(z) if t < 0 else e.sf(z) for e in experts]) ** 2

        cuts = np.arcsinh(breaks(experts) - y)
        points = np.unique([-60, *cuts[np.abs(cuts) < 60], 0, 60])
        assert got[i] == pytest.approx(integral(integrand, points), rel=1e-6)


@every(COUNTS)
def test_crps_of_counts_is_a_sum(case):
    for i, y in ((0, 0), (0, 4), (len(case.dist) - 1, 30)):
        cdf = np.cumsum(grid(case, i))
        expected = ((cdf - (np.arange(len(cdf)) >= y)) ** 2).sum()
        assert case.dist.crps(y)[i] == pytest.approx(expected, rel=1e-6)


def test_crps_of_large_counts_costs_what_their_own_spread_costs():
    """One row of large counts must not make every row of a block walk through all counts below."""
    case = Mixed(np.full((2, 33), 0.5), ("poisson", [3.0] * 32 + [20_000]), ("poisson", 5.0))
    tracemalloc.start()
    try:
        got = case.dist.crps(4.0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 200e6
    for i in (0, 32):
        cdf = np.cumsum(grid(case, i, top=22_000))
        assert got[i] == pytest.approx(((cdf - (np.arange(22_000) >= 4)) ** 2).sum(), rel=1e-6)


@pytest.mark.parametrize(
    ("expert", "entropy"),
    [
        (("norm", 3.0, 0.2), stats.norm(3, 0.2).entropy()),
        (("t", 4.0, 3.0, 0.2), stats.t(4, 3, 0.2).entropy()),
        (("t", 1.0, -7.0, 5.0), np.log(4 * np.pi * 5)),
        (("poisson", 3.0), stats.poisson(3).entropy()),
        (("poisson", 0.02), stats.poisson(0.02).entropy()),
    ],
    ids=str,
)
def test_entropy_of_one_expert_is_that_of_scipy(expert, entropy):
    assert Mixed([[1.0]], expert).dist.entropy()[0] == pytest.approx(entropy, rel=1e-6)


@every(SMOOTH)
def test_entropy_is_an_integral(case):
    got = case.dist.entropy()
    for i, (weight, experts) in enumerate(case.rows()):

        def integrand(y, weight=weight, experts=experts):
            p = weight @ [e.pdf(y) for e in experts]
            return -p * np.log(p) if p > 0 else 0.0

        assert got[i] == pytest.approx(integral(integrand, breaks(experts)), rel=1e-5, abs=1e-6)


@every(COUNTS)
def test_entropy_of_counts_is_a_sum(case):
    got = case.dist.entropy()
    for i in range(len(case.dist)):
        assert got[i] == pytest.approx(stats.entropy(grid(case, i)), rel=1e-6)


# -- draws -------------------------------------------------------------------------------------------------------------


@every(SMOOTH, HEAVY)
def test_draws_follow_the_cdf(case):
    for u in case.dist.cdf(case.dist.rvs(2000, random_state=0)):
        assert stats.kstest(u, "uniform").pvalue > 1e-3


def test_draws_of_rows_are_independent():
    """Of rows that are all alike, one draw each."""
    case = Mixed(np.full((2, 2000), 0.5), ("norm", -5.0, 1.0), ("t", 3.0, 5.0, 0.1))
    y = case.dist.rvs(random_state=0)
    assert stats.kstest(case.dist.cdf(y), "uniform").pvalue > 1e-3
    assert stats.pearsonr(y[1:] > 0, y[:-1] > 0).pvalue > 1e-3


@every(COUNTS)
def test_draws_of_counts_have_their_moments(case):
    y = case.dist.rvs(5000, random_state=0)
    assert (y == np.rint(y)).all()
    assert_allclose(y.mean(axis=1), case.dist.mean(), atol=4.5 * case.dist.std().max() / np.sqrt(5000))
    for row, probability in zip(y, (grid(case, i) for i in range(len(y))), strict=True):
        seen, expected = (p[:12] for p in (np.bincount(row.astype(int), minlength=700) / 5000, probability))
        assert_allclose(seen, expected, atol=4.5 * 0.5 / np.sqrt(5000))


def test_draws_by_seed():
    dist = SMOOTH["gaussians that overlap"].dist
    assert dist.rvs(random_state=0).shape == (3,)
    assert dist.rvs(5, random_state=0).shape == (3, 5)
    assert dist.rvs(0, random_state=0).shape == (3, 0)
    assert_array_equal(dist.rvs(5, random_state=3), dist.rvs(5, random_state=3))
    assert not np.array_equal(dist.rvs(5, random_state=3), dist.rvs(5, random_state=4))
    one, two = (np.random.RandomState(0) for _ in range(2))
    assert_array_equal(dist.rvs(random_state=one), dist.rvs(random_state=two))
    assert not np.array_equal(dist.rvs(random_state=one), dist.rvs(random_state=0))


# -- broadcasting ------------------------------------------------------------------------------------------------------

METHODS = {"pdf": 1.3, "logpdf": 1.3, "cdf": 1.3, "ppf": 0.3, "crps": 1.3}


@pytest.mark.parametrize("name", METHODS)
def test_arguments_broadcast_by_row(name):
    """A scalar or (n,) gives (n,); (n, m) or (1, m) gives (n, m): the same numbers whichever way they are asked for."""
    dist = SMOOTH["gaussians that overlap"].dist
    method, value = getattr(dist, name), METHODS[name]
    rows = value + np.array([0.0, 0.1, 0.2])
    expected = np.array([method(v)[i] for i, v in enumerate(rows)])
    wide = np.column_stack([rows, rows[::-1]])
    for argument, result in (
        (value, method(np.full(3, value))),
        (rows.tolist(), expected),
        (rows[:, None], expected[:, None]),
        (wide, np.column_stack([expected, method(rows[::-1])])),
        (rows[None], np.column_stack([method(v) for v in rows])),
        ([[value]], method(value)[:, None]),
        (np.zeros((3, 0)), np.zeros((3, 0))),
        (np.zeros((1, 0)), np.zeros((3, 0))),
    ):
        got = method(argument)
        assert got.shape == result.shape
        assert_allclose(got, result, rtol=1e-12)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("shape", [(1,), (2,), (4,), (0,), (2, 3), (4, 1), (1, 3, 1), (3, 1, 1)], ids=str)
def test_other_shapes_are_refused(name, shape):
    with pytest.raises(ValueError, match=r"scalar or an array of shape \(3,\), \(3, m\) or \(1, m\) for 3 rows"):
        getattr(SMOOTH["gaussians that overlap"].dist, name)(np.full(shape, 0.5))


def test_length_and_print():
    dist = SMOOTH["gaussians that overlap"].dist
    assert len(dist) == 3
    assert repr(dist) == "MixtureDistribution(n_rows=3, n_experts=3)"


# -- several outputs ---------------------------------------------------------------------------------------------------


WEIGHT = np.array([[0.3, 0.9, 0.5], [0.7, 0.1, 0.5]])
MEAN = np.array([[[0.0, 1, 2], [5, 5, 5]], [[-1, 1, 9], [5, 7, -5]]])  # experts, outputs, rows
SCALE = np.array([[0.5, 2.0], [1.0, 0.1]])
POINTS = np.array([[0.1, 5.2], [1.1, 5.0], [9.0, -5.0]])


@pytest.fixture(scope="module")
def pair():
    """Two outputs of two Gaussian experts at three rows, in units of their own."""
    unit, center = np.array([[2.0], [7.0]]), np.array([[1.0], [-3.0]])
    theta = ((MEAN - center) / unit, np.log(SCALE[:, :, None] / unit))
    return MixtureDistribution(np.log(WEIGHT), [(np.arange(2), LinearPredictive(Gaussian(), theta, center, unit))])


def mixed(values):
    """Sum over experts of weight times value (experts, outputs, rows), (n_rows, n_outputs)."""
    return np.einsum("kn,kqn->nq", WEIGHT, values)


def test_density_of_several_outputs_together(pair):
    density = stats.norm.pdf(POINTS.T, MEAN, SCALE[:, :, None]).prod(axis=1)
    assert_allclose(pair.pdf(POINTS), (WEIGHT * density).sum(axis=0), rtol=1e-12)
    assert_allclose(pair.logpdf(POINTS), np.log((WEIGHT * density).sum(axis=0)), rtol=1e-12)


def test_each_of_several_outputs(pair):
    mean = mixed(MEAN)
    assert_allclose(pair.mean(), mean, rtol=1e-12)
    assert_allclose(pair.var(), mixed(SCALE[:, :, None] ** 2 + (MEAN - mean.T) ** 2), rtol=1e-12)
    assert_allclose(pair.std() ** 2, pair.var(), rtol=1e-12)
    assert_allclose(pair.cdf(POINTS), mixed(stats.norm.cdf(POINTS.T, MEAN, SCALE[:, :, None])), rtol=1e-12)
    quantile = pair.ppf(0.3)
    assert_allclose(mixed(stats.norm.cdf(quantile.T, MEAN, SCALE[:, :, None])), 0.3, rtol=1e-9)
    assert_allclose(pair.interval(0.4), pair.ppf([[0.3, 0.7]]), rtol=1e-12)
    assert_allclose(pair.expert_means(), MEAN.transpose(0, 2, 1), rtol=1e-12)
    crps = [
        [gaussian_crps(w, m, s, y) for m, s, y in zip(ms, SCALE.T, ys, strict=True)]
        for w, ms, ys in zip(WEIGHT.T, MEAN.transpose(2, 1, 0), POINTS, strict=True)
    ]
    assert_allclose(pair.crps(POINTS), crps, rtol=1e-10)


@pytest.mark.parametrize("output", [0, 1])
def test_marginals_are_distributions_of_one_output(pair, output):
    """Their densities are integrals of the density of both over the other."""
    one = pair.marginal(output)
    assert_allclose(one.mean(), pair.mean()[:, output], rtol=1e-12)
    assert_allclose(one.ppf([[0.1, 0.6]]), pair.ppf([[0.1, 0.6]])[..., output], rtol=1e-12)
    at = POINTS[:, output]
    for i in range(3):

        def slice_(other, i=i):
            point = np.empty(2)
            point[output], point[1 - output] = at[i], other
            return pair.pdf(point)[i]

        points = np.unique(
            np.concatenate([MEAN[k, 1 - output, i] + SCALE[k, 1 - output] * np.arange(-9, 10, 3) for k in range(2)])
        )
        assert one.pdf(at)[i] == pytest.approx(integral(slice_, points), rel=1e-8)
    with pytest.raises(ValueError, match="output=2: expected an int from 0 to 1"):
        pair.marginal(2)


def test_entropy_of_several_outputs_is_refused(pair):
    with pytest.raises(
        ValueError, match=r"entropy of 2 outputs .* marginal\(j\)\.entropy\(\) is that of output j alone"
    ):
        pair.entropy()
    assert pair.marginal(1).entropy().shape == (3,)


@pytest.mark.parametrize("name", ["pdf", "logpdf", "cdf", "crps"])
def test_points_of_several_outputs_broadcast_by_row(pair, name):
    method = getattr(pair, name)
    expected = method(POINTS)
    last = expected.shape[1:]
    many = np.stack([POINTS, POINTS[::-1]], axis=1)
    assert_allclose(method(many)[:, 0], expected, rtol=1e-12)
    assert_allclose(method(many)[:, 1], method(POINTS[::-1]), rtol=1e-12)
    every = method(POINTS[None])  # the same three points at every row
    assert every.shape == (3, 3, *last)
    assert_allclose(np.stack([every[i, i] for i in range(3)]), expected, rtol=1e-12)
    assert_allclose(method(POINTS[1]), every[:, 1], rtol=1e-12)
    assert_allclose(method(2.0), method(np.full((3, 2), 2.0)), rtol=1e-12)
    assert method(np.zeros((1, 0, 2))).shape == (3, 0, *last)
    for shape in ((3,), (3, 3), (2, 2), (1, 2), (3, 2, 3), (2, 1, 2)):
        with pytest.raises(ValueError, match=r"shape \(3, 2\), \(3, m, 2\) or \(1, m, 2\) for 3 rows, got"):
            method(np.zeros(shape))


def test_levels_are_the_same_for_all_outputs(pair):
    wide = pair.ppf([[0.1, 0.5, 0.9]])
    assert wide.shape == (3, 3, 2)
    assert_array_equal(pair.ppf(0.5), wide[:, 1])
    assert_array_equal(pair.ppf([0.1, 0.5, 0.9]), np.stack([wide[i, i] for i in range(3)]))


def test_draws_of_several_outputs(pair):
    draws = pair.rvs(4000, random_state=0)
    assert draws.shape == (3, 4000, 2)
    assert pair.rvs(random_state=0).shape == (3, 2)
    for column, j in zip(np.moveaxis(draws, 2, 0), (0, 1), strict=True):
        for u in pair.marginal(j).cdf(column):
            assert stats.kstest(u, "uniform").pvalue > 1e-3
    nearest = (np.abs(draws[2, :, None] - MEAN[:, :, 2]) / SCALE).argmin(axis=1)  # far apart in row 2
    assert_array_equal(nearest[:, 0], nearest[:, 1])
    assert repr(pair) == "MixtureDistribution(n_rows=3, n_experts=2, n_outputs=2)"


# -- of a fit ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted():
    X, y = make_moe_regression(6000, 3, n_experts=3, noise=0.3, random_state=0)
    return MoERegressor(3, n_init=3, random_state=0).fit(X[:1000], y[:1000]), X[1000:], y[1000:]


@pytest.mark.parametrize("coverage", [0.5, 0.9, 0.99])
def test_intervals_cover_what_they_say(fitted, coverage):
    """Of 5,000 rows that the fit has not seen."""
    model, X, y = fitted
    low, high = model.predict_interval(X, coverage).T
    inside = ((y >= low) & (y <= high)).mean()
    assert abs(inside - coverage) < 4.5 * np.sqrt(coverage * (1 - coverage) / len(y)) + 0.01


def test_predictions_are_read_from_the_distribution(fitted):
    """Over several chunks of rows."""
    model, X, y = fitted
    dist = model.predict_dist(X)
    mean, std = model.predict(X, return_std=True)
    assert_allclose(mean, dist.mean(), rtol=1e-12)
    assert_allclose(std, dist.std(), rtol=1e-12)
    assert_allclose(model.predict(X), mean, rtol=1e-15)
    assert_allclose(model.predict_var(X), std**2, rtol=1e-12)
    assert_allclose(model.log_prob(X, y), dist.logpdf(y), rtol=0, atol=1e-10)
    assert_allclose(np.einsum("nk,nk->n", model.gate_proba(X), model.predict_experts(X)), mean, rtol=0, atol=1e-10)
    few = X[:50]
    q = [0.05, 0.5, 0.95]
    assert_allclose(model.predict_quantile(few, q), model.predict_dist(few).ppf([q]), rtol=1e-12)
    assert_allclose(model.predict_quantile(few, 0.5), model.predict_quantile(few, q)[:, 1], rtol=1e-12)
    assert_allclose(model.predict_interval(few), model.predict_quantile(few, [0.05, 0.95]), rtol=1e-12)
    assert_array_equal(model.sample(few, 3, random_state=1), model.predict_dist(few).rvs(3, random_state=1))


@pytest.mark.parametrize("q", [0, 1, -0.1, [0.5, 1.5], [[0.5]], np.nan])
def test_levels_that_are_refused(fitted, q):
    model, X, _ = fitted
    with pytest.raises(ValueError, match="between 0 and 1"):
        model.predict_quantile(X[:3], q)
