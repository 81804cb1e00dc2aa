"""Problems, starts and runs that the benchmarks time."""

import numpy as np
import pytest

from benchmarks.peers import folder
from benchmarks.problems import NEAR, Path, gaussian, logistic, path
from skmoe.training.loop import Run, Settings


def test_responsibilities_sum_to_one_and_differ_by_seed():
    it = gaussian(200, 3, 4)
    first, second = it.responsibilities(0), it.responsibilities(1)
    np.testing.assert_allclose(first.sum(axis=1), 1, rtol=1e-12)
    assert np.abs(first - second).max() > 0.1


def test_a_start_is_weighted_least_squares_on_the_responsibilities():
    it = gaussian(300, 3, 2)
    shares, params = it.responsibilities(0), it.started(0)
    units = it.rows.expert.units
    slopes, intercept = it.mixture.experts[0].expert.original(params.experts[0], units)
    for k in range(2):
        A = np.column_stack([np.ones(300), it.X]) * np.sqrt(shares[:, k, None])
        expected = np.linalg.lstsq(A, it.y * np.sqrt(shares[:, k]), rcond=None)[0]
        np.testing.assert_allclose([intercept[k, 0], *slopes[k, 0]], expected, atol=1e-8)


@pytest.mark.parametrize("memory", [0, 10])
def test_a_path_ends_near_its_optimum(memory):
    it = gaussian(400, 2, 2)
    found = path(it, it.started(0), memory=memory)
    far = Run(it.mixture, it.started(0), it.rows, Settings(tol=1e-9, max_passes=5000)).advance(5000)
    assert found.optimum == pytest.approx(far.objective, abs=1e-4)
    assert (np.diff(found.objective) >= -1e-9 * abs(found.optimum)).all()
    assert (np.diff(found.seconds) > 0).all()
    seconds, passes = found.near()
    at = np.flatnonzero(found.seconds == seconds)[0]
    assert found.passes[at] == passes
    assert found.objective[at] >= found.optimum - NEAR > found.objective[at - 1]


def test_a_path_that_does_not_come_there():
    found = Path(np.array([1.0]), np.array([1]), np.array([-5.0]), None, -1.0)
    assert found.near() == (np.inf, np.inf)


@pytest.mark.parametrize(("made", "family"), [(gaussian, "gaussian"), (logistic, "binomial")])
def test_a_folder_gives_back_the_problem(tmp_path, made, family):
    it = made(120, 3, 2)
    folder.write(tmp_path, it, family, 1)
    again = folder.read(tmp_path)
    np.testing.assert_array_equal(again.X, it.X)
    np.testing.assert_array_equal(again.y, it.y)
    assert again.mixture.objective(it.started(0), again.mixture.sums(it.started(0), again.rows)) == pytest.approx(
        it.mixture.objective(it.started(0), it.mixture.sums(it.started(0), it.rows)), rel=1e-12
    )
    np.testing.assert_array_equal(np.fromfile(tmp_path / "z-0.bin").reshape(2, 120).T, it.responsibilities(0))
