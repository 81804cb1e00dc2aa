"""How a user's table becomes numbers and codes for a network; none of it needs torch."""

from __future__ import annotations

import datetime
import pickle
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import norm
from sklearn.base import BaseEstimator
from sklearn.preprocessing import QuantileTransformer, StandardScaler

from skmoe.neural.normal_scores import Masses, Scores, bin_edges
from skmoe.neural.raw_columns import read_columns
from skmoe.neural.table import TableEncoder
from skmoe.rows import RowSource

rng = np.random.default_rng(0)
N_ROWS = 400
NUMBERS = np.column_stack(
    [rng.standard_normal(N_ROWS), rng.exponential(size=N_ROWS), rng.integers(0, 4, N_ROWS), np.full(N_ROWS, 7.0)]
)
GAPS = NUMBERS.copy()
GAPS[rng.random(GAPS.shape) < 0.1] = np.nan
WHOLE = rng.integers(0, 4, N_ROWS).astype(float)
ONES = np.ones(N_ROWS)


def read(X, categorical_features="from_dtype"):
    return read_columns(BaseEstimator(), X, reset=True, categorical_features=categorical_features)


def learned(X, weight=None, categorical_features="from_dtype", n_bins=16):
    raw = read(X, categorical_features)
    return TableEncoder.learned(raw, np.ones(len(raw)) if weight is None else weight, n_bins)


def state(encoder):
    """All numbers of an encoder."""
    units = encoder.units.center, encoder.units.scale
    return [*(x for scores in encoder.scores for x in scores), *encoder.edges, *units, np.array(encoder.n_codes)]


def assert_same(one, other):
    for a, b in zip(state(one), state(other), strict=True):
        assert_array_equal(a, b)
    assert one.levels == other.levels


@pytest.fixture(scope="module")
def pd():
    return pytest.importorskip("pandas")


@pytest.fixture(scope="module")
def frame(pd):
    """A column of every kind, with gaps in each."""
    city = np.array(["Rome", "Bern", "Oslo", None], dtype=object)[np.arange(12) % 4]
    return pd.DataFrame(
        {
            "float": np.where(np.arange(12) == 3, np.nan, np.arange(12) / 4),
            "int": np.arange(12),
            "bool": np.arange(12) % 2 == 0,
            "nullable": pd.array([None, *range(11)], dtype="Int64"),
            "objects": np.array([None, *range(11)], dtype=object),
            "text": pd.array(city, dtype="string"),
            "mixed": np.array([1, "b", 2.5, None] * 3, dtype=object),
            "category": pd.Categorical(city, categories=["Oslo", "Rome", "Bern", "Lima"]),
            "rank": pd.Categorical([10, 9, None] * 4),
        }
    )


# -- scores ------------------------------------------------------------------------------------------------------------


def test_scores_of_a_small_sample_by_hand():
    # values 1, 2, 2, 5 have the levels 1/8, (1/4 + 3/4) / 2 and 7/8
    encoder = learned(np.array([[2.0], [1.0], [5.0], [2.0]]))
    assert_array_equal(encoder.scores[0].knots, [1, 2, 5])
    assert_allclose(encoder.scores[0].scores, norm.ppf([1 / 8, 1 / 2, 7 / 8]), rtol=1e-14)
    z = encoder.encoded(read([[3.5], [-9.0], [99.0]]), np.float64).numbers[:, 0]
    assert_allclose(z, norm.ppf([7 / 8, 1 / 8, 7 / 8]) / [2, 1, 1], rtol=1e-14)


def test_scores_between_quantiles_by_hand():
    # eleven values and ten knots: quantiles at k / 9 of the values 0, ..., 10 are in the middle of no step but the
    # first and the last, so each is the value whose step holds the level
    encoder = learned(np.arange(11.0)[:, None])
    at = np.clip(np.ceil(np.arange(10) * 11 / 9) - 1, 0, 10)
    assert_array_equal(encoder.scores[0].knots, at)
    assert_allclose(encoder.scores[0].scores, norm.ppf((at + 0.5) / 11), rtol=1e-13)


def test_quantiles_are_those_of_numpy():
    x, levels = np.round(rng.standard_normal(50), 1), np.linspace(0, 1, 11)  # levels that hit steps, and ties
    masses = Masses.of(x, np.ones(50))
    low, high = masses.quantile_steps(levels)
    expected = np.quantile(x, levels, method="averaged_inverted_cdf")
    assert_allclose((masses.values[low] + masses.values[high]) / 2, expected, rtol=1e-14)


def test_many_rows_get_the_scores_of_scikit_learn():
    X = np.column_stack([rng.exponential(size=40_000), rng.standard_t(3, size=40_000)])
    expected = QuantileTransformer(output_distribution="normal", subsample=None).fit_transform(X)
    z = learned(X).encoded(read(X), np.float64).numbers
    inside = np.abs(expected) < 3
    assert np.abs(z - expected)[inside].max() < 0.02
    assert_allclose(z[np.abs(expected) < 2.5], expected[np.abs(expected) < 2.5], atol=5e-3)


def test_extremes_are_not_thrown_far_out():
    z = learned(np.vstack([np.zeros((5000, 1)), [[1e9]]])).encoded(read([[1e300], [-1e300]])).numbers[:, 0]
    assert_allclose(z, [norm.ppf(0.999), norm.ppf(0.5 * 5000 / 5001)], rtol=1e-6)
    sentinel = np.append(rng.standard_normal(5000), 1e12)[:, None]
    assert learned(sentinel).encoded(read(sentinel), np.float64).numbers.max() == pytest.approx(norm.ppf(0.999) + 4)


@pytest.mark.parametrize("sign", [1, -1])
def test_rows_of_a_heavy_tail_are_told_apart(sign):
    """By the logarithm of their distance, in units of that from the ninth decile; beyond the last not at all."""
    x = np.sort(rng.lognormal(0, 1.5, 20_000))
    inner, start, last = x[
        [17_999, 19_980, -1]
    ]  # of levels .899975, the last below .9, .999025, the first above .999, 1
    out = start + (last - start) * np.array([0.0, 0.1, 0.5, 1.0, 2.0])
    encoder = learned(sign * x[:, None], n_bins=64)
    z = sign * encoder.encoded(read(sign * out[:, None]), np.float64).numbers[:, 0]
    expected = norm.ppf(0.999) + np.log1p((out - start) / (start - inner))
    assert_allclose(z[:4], expected[:4], rtol=1e-12)
    assert z[4] == z[3] > 3.5
    assert np.count_nonzero(sign * encoder.edges[0] > 3.1) >= 2
    assert (np.diff(sign * encoder.encoded(read(sign * x[:, None]), np.float64).numbers[:, 0]) >= 0).all()


@pytest.mark.parametrize("unit", [1e-300, 1.0, 1e300])
def test_tails_of_any_size(unit):
    """Units that have no squares, and distances that are no numbers."""
    x = np.append(unit * np.round(100 * rng.uniform(size=3000)), [1e308, -1e308, 2 * unit])[:, None]
    z = learned(x).encoded(read(x), np.float64).numbers[:, 0]
    assert np.isfinite(z).all()
    assert z.argmax() == 3000
    assert z.argmin() == 3001
    assert np.abs(z).max() < norm.ppf(0.999) + 4.01


def test_light_tails_stay_as_they_are():
    x = rng.uniform(size=(20_000, 1))
    assert np.abs(learned(x).encoded(read(x), np.float64).numbers).max() < norm.ppf(0.999) + 0.02


def test_few_rows_have_no_tails():
    few, more = (Scores.of(Masses.of(rng.standard_normal(n), np.ones(n))) for n in (900, 3000))
    assert few.tails == ()
    assert len(more.tails) == 2
    assert_allclose(few.scores[[0, -1]], norm.ppf([0.001, 0.999]))


def test_a_rare_value_is_no_tail():
    """What nearly all rows have reaches from one end to the other."""
    x = np.append(np.zeros(9990), np.arange(1, 11))
    scores = Scores.of(Masses.of(x, np.ones(len(x))))
    tail = {"start": 1.0, "end": 10.0, "half_unit": 0.5}
    assert [each._asdict() for each in scores.tails] == [tail]
    assert_allclose(
        scores.of_rows(np.array([0.0, 1.0, 3.0])), [norm.ppf(0.4995), norm.ppf(0.999), norm.ppf(0.999) + np.log(3)]
    )


def test_a_constant_column_is_zero():
    raw, encoder = read([[3.0], [np.nan], [-8.0]]), learned(np.full((20, 1), 3.0))
    assert_array_equal(encoder.encoded(raw).numbers[:, 0], [0, np.nan, 0])
    assert_array_equal(encoder.edges[0], [0, 1])


@pytest.mark.parametrize("weight", [[1, 1, 1, 1], [0, 0, 1, 1]])
def test_a_column_of_gaps_makes_zero_of_numbers(weight):
    X = np.array([[np.nan, 1], [np.nan, 2], [np.nan, 3], [np.nan, 4]])
    encoder = learned(X, np.array(weight, float))
    assert_array_equal(encoder.encoded(read([[5.0, np.nan], [np.nan, 3.5]])).numbers[:, 0], [0, np.nan])
    assert_array_equal(encoder.edges[0], [0, 1])


@pytest.mark.parametrize("n_rows", [5, 200, 3000, 20_000])
def test_the_number_of_knots(n_rows):
    expected = n_rows if n_rows <= 10 else int(min(max(n_rows / 30, 10), 1000))
    assert len(learned(rng.standard_normal((n_rows, 1))).scores[0].knots) == expected


def test_large_numbers_have_scores_and_units():
    X = np.array([[-1e308, 1e-200], [0, 2e-200], [1e308, 4e-200]])
    encoder = learned(X)
    assert np.isfinite(encoder.encoded(read(X)).numbers).all()
    assert_allclose(encoder.standardized(read(X)), StandardScaler().fit_transform([[-1, 1], [0, 2], [1, 4]]))


# -- weights -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_whole_weights_are_repetitions(dtype):
    X = np.column_stack([GAPS, rng.integers(0, 9, N_ROWS)]).astype(dtype)
    repeated = np.repeat(X, WHOLE.astype(int), axis=0)
    one, other = learned(X, WHOLE, [4]), learned(rng.permutation(repeated), None, [4])
    assert_same(one, other)
    assert_same(learned(X, 2 * ONES, [4]), learned(np.vstack([X, X]), None, [4]))


def test_rows_without_weight_are_not_there(pd):
    some = WHOLE > 0
    table = pd.DataFrame(GAPS).assign(level=rng.permutation(np.arange(N_ROWS).astype(str))).rename(columns=str)
    assert_same(learned(table, some.astype(float)), learned(table[some]))


@pytest.mark.parametrize("c", [1e-3, 1 / 3, 7.7])
def test_the_unit_of_weights_means_nothing_but_the_number_of_knots(c):
    x, weight = rng.standard_normal(N_ROWS), rng.uniform(size=N_ROWS)
    few = np.round(x)
    for column, steps in ((few, weight), (few, WHOLE), (few, ONES)):
        one, other = learned(column[:, None], steps), learned(column[:, None], c * steps)
        for a, b in zip(state(one), state(other), strict=True):
            assert_allclose(a, b, rtol=1e-12, atol=1e-14)
    low, high = Masses.of(x, ONES).quantile_steps(np.linspace(0, 1, 41))
    assert_array_equal((low, high), Masses.of(x, c * ONES).quantile_steps(np.linspace(0, 1, 41)))
    assert (low < high).sum() == 39


def test_fractional_weights_shift_levels():
    masses = Masses.of(np.array([1.0, 2.0, 1.0, np.nan]), np.array([0.1, 0.5, 0.4, 9.0]))
    assert_allclose(masses.levels, [0.25, 0.75], rtol=1e-15)


# -- edges -------------------------------------------------------------------------------------------------------------


def test_bins_share_rows_and_range_alike():
    x = rng.exponential(size=3000)
    encoder = learned(x[:, None], n_bins=8)
    z = encoder.encoded(read(x[:, None]), np.float64).numbers[:, 0]
    edges = encoder.edges[0]
    rows = np.array([np.mean(z <= edge) for edge in edges])
    assert_allclose(0.5 * rows + 0.5 * (edges - z.min()) / np.ptp(z), np.linspace(0, 1, 9), atol=1e-3)  # 1000 points
    assert rows[1] < 0.05  # quantiles would have an eighth of the rows in the first bin


def test_edges_of_few_values_are_these():
    encoder = learned(NUMBERS[:, [2]], n_bins=3)
    assert_array_equal(encoder.edges[0], encoder.scores[0].scores)
    assert len(encoder.edges[0]) == 4


def test_a_value_that_repeats_is_one_edge_and_the_others_share_the_rest():
    x = np.concatenate([np.zeros(700), rng.exponential(size=300)])
    (edges,) = learned(x[:, None], n_bins=20).edges
    assert len(edges) == 21  # zero, and twenty that share the others and the range
    z = learned(x[:, None], n_bins=20).encoded(read(x[:, None]), np.float64).numbers[700:, 0]
    shares = np.array([np.mean(z <= edge) for edge in edges[1:]]) + (edges[1:] - z.min()) / np.ptp(z)
    assert_allclose(0.5 * shares, np.linspace(0, 1, 20), atol=3e-3)  # one row in 300
    assert (np.diff(edges) > 0).all()


@pytest.mark.parametrize("n_bins", [1, 2, 64])
def test_edges_are_apart(n_bins):
    x = np.concatenate([1e-9 * rng.standard_normal(280), [1e3, 2e3, 3e3]])  # between two knots z is linear
    masses = Masses.of(x, np.ones(len(x)))
    edges = bin_edges(masses, Scores.of(masses), n_bins)
    assert 2 <= len(edges) <= n_bins + 1
    assert (np.diff(edges.astype(np.float32)) > 5e-5).all()
    z = Scores.of(masses).of_rows(x)
    assert_array_equal(edges[[0, -1]], [z.min(), z.max()])


# -- units -------------------------------------------------------------------------------------------------------------


def test_standardized_is_weighted():
    encoder = learned(NUMBERS, WHOLE)
    expected = StandardScaler().fit(np.repeat(NUMBERS, WHOLE.astype(int), axis=0)).transform(NUMBERS)
    assert_allclose(encoder.standardized(read(NUMBERS)), expected, atol=1e-12)
    assert_array_equal(encoder.standardized(read(NUMBERS + 1))[:, 3], 0)  # a column that does not vary


def test_standardized_wants_every_number(frame):
    raw = read(frame)
    sentence = r"first in row 0, column 'nullable'; 3 of 60 entries.*needs every number\. Fill the gaps"
    with pytest.raises(ValueError, match=sentence):
        TableEncoder.learned(raw, np.ones(12)).standardized(raw)


# -- categories --------------------------------------------------------------------------------------------------------


def test_codes_of_numbers_in_an_array():
    X = np.array([[3.0, 0], [10, 0], [np.nan, 0], [2, 0]])
    encoder = learned(X, None, [0])
    assert encoder.levels == ((2.0, 3.0, 10.0),)
    assert encoder.n_codes == (4,)
    codes = encoder.encoded(read([[10.0, 1], [4, 1], [np.nan, 1], [2, 1]], [0])).codes
    assert codes.dtype == np.int64
    assert_array_equal(codes, [[3], [0], [0], [1]])


def test_levels_are_seen_in_rows_that_count(frame):
    raw = read(frame)
    encoder = TableEncoder.learned(raw, (np.arange(12) % 4 != 1).astype(float))
    text, mixed, category, rank = encoder.levels
    assert text == category == ("Oslo", "Rome")
    assert mixed == (1, 2.5)
    assert rank == (9, 10)
    assert_array_equal(encoder.encoded(raw).codes[:4], [[2, 1, 2, 2], [0, 0, 0, 1], [1, 2, 1, 0], [0, 0, 0, 2]])


def test_levels_of_mixed_types_are_in_the_order_of_their_text(frame):
    assert TableEncoder.learned(read(frame), np.ones(12)).levels[1] == (1, 2.5, "b")


def test_levels_are_plain_values(pd):
    X = pd.DataFrame({"bin": pd.cut(np.arange(6.0), [-1, 2, 9]), "x": np.arange(6)})
    encoder = learned(X, None, ["bin", "x"])
    assert encoder.levels[0] == ("(-1, 2]", "(2, 9]")
    assert {type(level) for level in encoder.levels[1]} == {int}
    assert b"pandas" not in pickle.dumps(encoder)


def test_a_column_without_levels(pd):
    X = pd.DataFrame({"a": np.array([None] * 3, dtype=object), "x": [1.0, 2, 3]})
    encoder = learned(X)
    assert encoder.n_codes == (1,)
    later = read_columns(BaseEstimator(), X.assign(a="b"), reset=True, categorical_features=encoder.is_categorical)
    assert_array_equal(encoder.encoded(later).codes, 0)


# -- the door ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("X", "dtype"),
    [
        (NUMBERS.astype(np.float32), np.float32),
        (NUMBERS, np.float64),
        (NUMBERS.astype(int), np.float64),
        (NUMBERS.astype(object), np.float64),
        (NUMBERS.tolist(), np.float64),
        (NUMBERS.astype(np.float16), np.float64),
    ],
)
def test_types_of_arrays(X, dtype):
    estimator = BaseEstimator()
    raw = read_columns(estimator, X, reset=True)
    assert raw.numbers.dtype == dtype
    assert raw.categories == ()
    assert estimator.n_features_in_ == 4
    assert not raw.is_categorical.any()


def test_columns_of_a_dataframe(frame):
    estimator = BaseEstimator()
    raw = read_columns(estimator, frame, reset=True)
    assert_array_equal(frame.columns[raw.is_categorical], ["text", "mixed", "category", "rank"])
    assert_array_equal(estimator.feature_names_in_, frame.columns)
    late = [np.nan, *range(11)]
    assert_array_equal(raw.numbers.T, [frame["float"], np.arange(12), np.arange(12) % 2 == 0, late, late])
    assert raw.numbers.dtype == np.float64
    assert_array_equal(raw.categories[0].codes == -1, np.arange(12) % 4 == 3)


def test_dataframes_of_float32_stay_that(pd):
    X = pd.DataFrame(NUMBERS.astype(np.float32), columns=list("abcd"))
    assert read(X).numbers.dtype == np.float32
    assert read(X.assign(t="x")).numbers.dtype == np.float32
    assert read(X.assign(a=1)).numbers.dtype == np.float64
    assert read(X.astype("Float32")).numbers.dtype == np.float32
    assert read(X[["a"]].astype(str)).numbers.shape == (N_ROWS, 0)


@pytest.mark.parametrize("dtype", ["float64[pyarrow]", "int64[pyarrow]", "Sparse[float64]", "Float64", "Int8"])
def test_types_of_pandas(pd, dtype):
    if "pyarrow" in dtype:
        pytest.importorskip("pyarrow")
    X = pd.DataFrame(NUMBERS[:, 2:], columns=["a", "b"]).astype(dtype)
    assert_array_equal(read(X).numbers, NUMBERS[:, 2:])


def test_polars_reads_like_pandas(pd, frame):
    pl = pytest.importorskip("polars")
    wanted = frame.drop(columns=["mixed", "rank", "objects"])
    X = pl.DataFrame({name: wanted[name].astype(object).where(wanted[name].notna(), None).tolist() for name in wanted})
    X = X.with_columns(pl.col("category").cast(pl.Categorical))
    estimator = BaseEstimator()
    raw, expected = read_columns(estimator, X, reset=True), read(wanted)
    assert_array_equal(raw.is_categorical, expected.is_categorical)
    one, other = TableEncoder.learned(raw, np.ones(12)), TableEncoder.learned(expected, np.ones(12))
    assert_same(one, other)
    for a, b in zip(one.encoded(raw), one.encoded(expected), strict=True):
        assert_array_equal(a, b)
    assert read(X.select(pl.col("float").cast(pl.Float32))).numbers.dtype == np.float32


@pytest.mark.parametrize("declared", [["int", "text"], [1, 5], np.isin(np.arange(7), [1, 5]), slice(1, 6, 4)])
def test_categories_are_declared(frame, declared):
    table = frame.drop(columns=["mixed", "category"])
    raw = read(table, declared)
    assert_array_equal(np.flatnonzero(raw.is_categorical), [1, 5])
    assert_array_equal(raw.numbers[:3, -1], [10, 9, np.nan])  # "rank", categories that are numbers
    assert TableEncoder.learned(raw, np.ones(12)).levels[0] == tuple(range(12))


def test_columns_of_the_fit_stay_what_they_were(pd, frame):
    estimator, table = BaseEstimator(), frame[["float", "text"]]
    raw = read_columns(estimator, table, reset=True)
    later = pd.DataFrame({"float": pd.Categorical([1.5]), "text": [np.nan]})
    again = read_columns(estimator, later, reset=False, categorical_features=raw.is_categorical)
    assert_array_equal(again.numbers, [[1.5]])
    assert_array_equal(TableEncoder.learned(raw, np.ones(12)).encoded(again).codes, [[0]])
    with pytest.raises(ValueError, match=r"Column 'float' of X .*such as 'a', and held numbers in the fit\."):
        read_columns(estimator, table.assign(float="a"), reset=False, categorical_features=raw.is_categorical)
    with pytest.raises(ValueError, match="feature names should match"):
        read_columns(estimator, table.rename(columns={"text": "t"}), reset=False)
    estimator = BaseEstimator()
    read_columns(estimator, NUMBERS, reset=True)
    with pytest.raises(ValueError, match="X has 3 features, but BaseEstimator is expecting 4"):
        read_columns(estimator, NUMBERS[:, :3], reset=False)


def put(value, dtype=float):
    X = NUMBERS.astype(dtype)
    X[7, 2] = value
    return X


BAD_ARRAYS = {
    "infinity": (put(np.inf), ValueError, r"contains infinity \(first in row 7, column 2; 1 of 1600 entries\)"),
    "minus": (put(-np.inf, np.float32), ValueError, "contains infinity .*clip the column"),
    "text": (put("a", object), ValueError, "X holds text .*dtype category.*OneHotEncoder"),
    "strings": (np.array([["a", "b"]]), ValueError, "X holds text .*dtype category.*OneHotEncoder"),
    "dict": (put({"foo": 1}, object), TypeError, "argument must be .*string.* number"),
    "complex": (NUMBERS * 1j, ValueError, "Complex data not supported"),
    "flat": (NUMBERS[0], ValueError, "Expected 2D array, got 1D array"),
    "no rows": (NUMBERS[:0], ValueError, r"Found array with 0 sample\(s\)"),
    "no columns": (NUMBERS[:, :0], ValueError, r"0 feature\(s\) \(shape=\(400, 0\)\) while a minimum of 1 is required"),
    "sparse": (sp.csr_matrix(NUMBERS), TypeError, "Sparse data was passed for X, but dense data is required"),
    "times": (np.zeros((3, 1), "datetime64[s]"), ValueError, "X holds dates or times"),
    "source": (RowSource([NUMBERS]), TypeError, r"X is a RowSource, which BaseEstimator does not read"),
}


@pytest.mark.parametrize(("X", "error", "sentence"), BAD_ARRAYS.values(), ids=BAD_ARRAYS)
def test_bad_arrays(X, error, sentence):
    with pytest.raises(error, match=sentence):
        read(X)


DATE = datetime.date(2024, 1, 1)
BAD_COLUMNS = {
    "infinity": ([0, np.inf, -np.inf], ValueError, r"infinity \(first in row 1, column 'new'; 2 of \d+ entries"),
    "dates": ([DATE] * 3, ValueError, "X holds dates or times"),
    "times": (np.zeros(3, "datetime64[s]"), ValueError, "X holds dates or times"),
    "dicts": ([{}, {}, {}], TypeError, r"Column 'new' of X holds objects that are neither .*unhashable.*Expected"),
    "complex": ([1j, 2j, 0], ValueError, "Complex data not supported: column 'new' of X"),
}


@pytest.mark.parametrize(("values", "error", "sentence"), BAD_COLUMNS.values(), ids=BAD_COLUMNS)
def test_bad_columns(frame, values, error, sentence):
    with pytest.raises(error, match=sentence):
        read(frame[:3].assign(new=values))


def test_lists_of_arrow_are_no_categories(frame, pd):
    pyarrow = pytest.importorskip("pyarrow")
    lists = pd.array([[1.0], [2.0, 3.0], []], dtype=pd.ArrowDtype(pyarrow.list_(pyarrow.float64())))
    with pytest.raises(TypeError, match="Column 'new' of X holds objects that are neither numbers nor categories"):
        read(frame[:3].assign(new=lists))


def test_bad_frames(frame):
    with pytest.raises(ValueError, match=r"Column 'text' of X .*such as 'Rome', and is not declared .*OneHotEncoder"):
        read(frame, None)
    with pytest.raises(ValueError, match="'mixed' of X holds values that are no numbers, such as 'b'"):
        read(frame[["float", "mixed"]], [0])
    with pytest.raises(ValueError, match=r"infinity .*row 0, column 'a'; 1 of 3"):
        read(frame[:3].assign(a=[np.inf, 1, 2]), ["a", "text", "mixed", "category"])
    with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\)"):
        read(frame[:0])
    with pytest.raises(ValueError, match=r"0 feature\(s\)"):
        read(frame[[]])
    with pytest.raises(ValueError, match="categorical_features names column 'nowhere', but the columns of X are"):
        read(frame, ["nowhere"])


def test_names_of_an_array():
    with pytest.raises(ValueError, match="categorical_features names column 'a', but X has no column names"):
        read(NUMBERS, ["a"])


# -- rows --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_row_alone_is_encoded_as_among_others(dtype):
    X = np.vstack([GAPS] * 60).astype(dtype)  # several blocks, and more rows than knots
    X[:, 0] += rng.standard_normal(len(X))
    raw, encoder = read(X, [2]), learned(X, None, [2])
    numbers, codes = encoder.encoded(raw, dtype)
    assert numbers.dtype == dtype
    for i in [0, 5, len(X) - 1, *rng.integers(0, len(X), 50)]:
        alone = encoder.encoded(read(X[[i]], [2]), dtype)
        assert_array_equal(alone.numbers[0], numbers[i])
        assert_array_equal(alone.codes[0], codes[i])
        assert_array_equal(encoder.encoded(raw.rows([i]), dtype).numbers[0], numbers[i])


def test_some_rows(frame):
    raw, encoder = read(frame), learned(frame)
    some = np.array([5, 2, 11])
    for a, b in zip(encoder.encoded(raw.rows(some)), encoder.encoded(raw), strict=True):
        assert_array_equal(a, b[some])
    assert len(raw.rows(np.arange(12) > 3)) == 8


def test_an_encoder_is_pickled(frame):
    encoder = learned(frame)
    kept = pickle.loads(pickle.dumps(encoder))
    assert_same(kept, encoder)
    for a, b in zip(kept.encoded(read(frame)), encoder.encoded(read(frame)), strict=True):
        assert_array_equal(a, b)


def test_no_torch_is_loaded():
    code = "import sys, skmoe.neural.table; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
