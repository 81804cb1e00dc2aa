"""What a gate asks, in words: evaluated at rows, the text must say what the gate says."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from skmoe import MoERegressor
from skmoe.rows.columns import Columns
from skmoe.rows.design import Standardizer
from skmoe.splits import Split

rng = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "income": rng.normal(40_000, 9_000, 500),
        "age": rng.uniform(18, 80, 500),
        "year": rng.integers(1990, 2025, 500),
        "ratio": rng.normal(0, 1e-4, 500),
    }
)
Y = np.where((FRAME.income - 40_000) / 9_000 > (FRAME.age - 50) / 15, 5.0, 0.2 * (FRAME.year - 2000))
Y = Y + 0.3 * rng.standard_normal(500)


def split_of(*coef, names_of=FRAME):
    """A split with coefficients (n_branches, 1 + n_columns) on the standardised columns of a table."""
    X = names_of.to_numpy(dtype=float)
    units = Standardizer.of(X, np.ones(len(X)))
    return Split(np.array(coef, dtype=float), Columns(np.arange(X.shape[1]), X.shape[1], units), 0.9)


def two(*log_odds):
    half = np.array(log_odds) / 2
    return split_of(half, -half)


def log_odds_of(split, frame=FRAME):
    Z = np.column_stack([np.ones(len(frame)), split.columns.units.apply(frame.to_numpy(dtype=float))])
    return Z @ (split.coef[0] - split.coef[1])


def sides(text):
    left, comparison, right = re.fullmatch(r"where (.*) ([<>]) (\S+?)(?:, \d+ columns? left out)?", text).groups()
    return left, comparison, float(right)


# -- two branches ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_condition_holds_where_the_branch_is_likelier(seed):
    """Three slopes of any sign; years are far from zero, so rounding the slopes alone would move the border."""
    log_odds = np.random.default_rng(seed).normal(size=5) * [2, 3, 3, 3, 0]
    log_odds[1:4] += np.sign(log_odds[1:4])  # none is small
    split = two(*log_odds)
    left, comparison, right = sides(split.words(0, FRAME.columns))
    gap = FRAME.eval(left) - right
    expected = log_odds_of(split)
    assert_allclose(gap if comparison == ">" else -gap, expected, rtol=0, atol=0.01 * np.abs(expected).max())
    assert (gap > 0).eq((expected > 0) == (comparison == ">"))[np.abs(expected) > 0.01 * np.abs(expected).max()].all()
    assert split.words(1, FRAME.columns) == "elsewhere"


def test_of_a_single_column_the_place_of_even_odds():
    split = two(1.0, 0, -2.0, 0, 0)
    mean, sd = FRAME.age.mean(), FRAME.age.std(ddof=0)
    left, comparison, right = sides(split.words(0, FRAME.columns))
    assert (left, comparison) == ("age", "<")
    assert right == pytest.approx(mean + 0.5 * sd, abs=0.005 * sd)


def test_columns_that_are_left_out_are_held_at_their_mean():
    split = two(0.7, 3.0, -2.0, 1.0, 0.9)
    text = split.words(0, FRAME.columns, most=2)
    assert text.endswith(", 2 columns left out")
    left, comparison, right = sides(text)
    assert comparison == ">"
    held = FRAME.assign(year=FRAME.year.mean(), ratio=FRAME.ratio.mean())
    expected = log_odds_of(split, held)
    assert_allclose(held.eval(left) - right, expected, rtol=0, atol=0.01 * np.abs(expected).max())


def test_what_matters_most_comes_first():
    """By slope times standard deviation, whatever the units; what moves the odds by less than a tenth is not named."""
    split = two(0, 0.5, -4.0, 3.0, 0.39)
    text, n_left_out = split.question(0, FRAME.columns)
    assert re.findall("income|age|year|ratio", text) == ["age", "year", "income"]
    assert n_left_out == 1
    text, n_left_out = split.question(0, FRAME.columns, most=1)
    assert re.findall("income|age|year|ratio", text) == ["age"]
    assert n_left_out == 3
    assert two(0, 2.0, 0, 0, 0).question(0, FRAME.columns)[1] == 0  # a slope of zero is not left out


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_the_border_is_in_the_units_of_the_column(factor):
    scaled = FRAME.assign(age=FRAME.age * factor)
    here, there = (
        split_of([0.5, 0, 1, 0, 0], [-0.5, 0, -1, 0, 0], names_of=frame).words(0, FRAME.columns)
        for frame in (FRAME, scaled)
    )
    assert sides(there)[2] == pytest.approx(factor * sides(here)[2], abs=0.1 * factor)


@pytest.mark.parametrize("log_odds", [(0.0,) * 5, (2.0, 0, 0, 0, 0), (-31.0, 1.0, 0, -2.0, 0)])
def test_without_a_border_among_the_rows_x_does_not_matter(log_odds):
    """A border that is more than ten standard deviations away, of all columns together, divides no rows."""
    split = two(*log_odds)
    assert split.ignores_x
    assert {split.words(b, FRAME.columns) for b in (0, 1)} == {"whatever x"}
    assert not two(-29.0, 1.0, 0, -2.0, 0).ignores_x


# -- several branches --------------------------------------------------------------------------------------------------


def test_each_of_several_branches_is_pulled_by_its_own_slopes():
    split = split_of([1.0, 2.0, -0.5, 0, 0], [-0.4, -2.1, 0, 1.2, 0], [-0.6, 0.1, 0.5, -1.2, 0])
    income, age, year, _ = FRAME.to_numpy(dtype=float).std(axis=0)
    assert split.words(0, FRAME.columns) == f"pulled by {2 / income:.3g} * income - {0.5 / age:.3g} * age"
    assert split.words(1, FRAME.columns) == f"pulled by -{2.1 / income:.3g} * income + {1.2 / year:.3g} * year"
    # The third does not matter for income: its slope there is less than a tenth of the largest of the node.
    assert split.words(2, FRAME.columns) == (
        f"pulled by -{1.2 / year:.3g} * year + {0.5 / age:.3g} * age, 1 column left out"
    )


def test_a_branch_between_others_is_elsewhere():
    split = split_of([0, -3.0, 0, 0, 0], [1.0, 0.1, 0, 0, 0], [-1.0, 2.9, 0, 0, 0])
    assert [split.words(b, FRAME.columns).split(" ")[0] for b in range(3)] == ["pulled", "elsewhere", "pulled"]


def test_a_single_branch_says_nothing():
    assert split_of([0.0] * 5).words(0, FRAME.columns) == ""


# -- of fitted gates ---------------------------------------------------------------------------------------------------


def test_fitted_gates_of_a_tree_in_the_users_columns():
    """Left less right is the difference of the rows of gate_coef_, for every node; the gate does not see the ratio."""
    model = MoERegressor((2, 2), gate_features=["income", "age", "year"], gate_alpha=0.1, random_state=0).fit(FRAME, Y)
    logits = FRAME.to_numpy(dtype=float) @ model.gate_coef_.T + model.gate_intercept_
    at = {branch.path: i for i, branch in enumerate(model.tree_.branches)}
    n_checked = 0
    for node in model.tree_.nodes:
        text, n_left_out = model.tree_.notes[node.path].split.question(0, model.tree_.names)
        if n_left_out or model.tree_.notes[node.path].split.ignores_x:
            continue
        left, comparison, right = sides(text)
        expected = logits[:, at[(*node.path, 0)]] - logits[:, at[(*node.path, 1)]]
        clear = np.abs(expected) > 0.01 * np.abs(expected).max()
        holds = FRAME.eval(left) > right if comparison == ">" else FRAME.eval(left) < right
        assert (holds[clear] == (expected > 0)[clear]).all()
        n_checked += 1
    assert n_checked


@pytest.mark.parametrize("gate", ["constant", "equal"])
def test_gates_that_ignore_x(gate):
    model = MoERegressor(2, gate=gate, n_init=1, random_state=0).fit(FRAME, Y)
    assert str(model.tree_).count("whatever x") == 2
