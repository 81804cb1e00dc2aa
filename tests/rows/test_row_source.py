"""Sources of rows: what they read, and what they refuse."""

from __future__ import annotations

import pickle
import re
import tracemalloc
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from skmoe.rows import RowSource

RNG = np.random.default_rng(0)
TABLE = RNG.standard_normal((100, 4))
NAMES = ["a", "b", "c", "y"]


def npy(folder, table=TABLE, cuts=(0, 30, 70, 100)):
    for number, (start, stop) in enumerate(pairwise(cuts)):
        np.save(folder / f"{number}.npy", table[start:stop])
    return folder


def parquet(folder, table=TABLE, cuts=(0, 60, 100)):
    frame = pd.DataFrame(table, columns=NAMES)
    for number, (start, stop) in enumerate(pairwise(cuts)):
        frame[start:stop].to_parquet(folder / f"{number}.parquet", row_group_size=17)
    return folder


SOURCES = {
    "npy": lambda folder: RowSource(npy(folder)),
    "parquet": lambda folder: RowSource(parquet(folder)),
    "arrays": lambda folder: RowSource([TABLE[:1], TABLE[1:60], TABLE[60:]]),
    "one array": lambda folder: RowSource(TABLE),
    "one file": lambda folder: RowSource(npy(folder, cuts=(0, 100)) / "0.npy"),
    "with an empty part": lambda folder: RowSource([TABLE[:50], TABLE[:0], TABLE[50:]]),
}
EVERY_SOURCE = pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)
ROWS = {
    "all": slice(None),
    "across parts": slice(25, 75),
    "one": slice(30, 31),
    "none": slice(40, 40),
    "the end": slice(90, 1000),
    "every third": slice(None, None, 3),
    "backwards": slice(80, 10, -7),
    "empty, as its ends are": slice(60, 30),
    "negative ends": slice(-45, -5),
    "numbers": np.array([0, 3, 29, 30, 59, 60, 99]),
    "numbers in any order": np.array([99, 0, 50, 50]),
    "a list of numbers": [3, 61, 4],
    "negative numbers": np.array([-1, 5, -100]),
    "unsigned numbers": np.array([2, 62, 99], dtype=np.uint64),
    "a mask": TABLE[:, 0] > 0.5,
    "no numbers": np.zeros(0, dtype=np.intp),
    "an empty list": [],
    "one number": 61,
    "one negative number": -1,
    "as scikit-learn asks": (np.array([70, 2]), ...),
}


@EVERY_SOURCE
@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
def test_reads_what_the_table_holds(make, rows, tmp_path):
    source = make(tmp_path)
    assert source.shape == (len(source), 4) == TABLE.shape
    assert_array_equal(source[rows], TABLE[rows])
    assert source[rows].dtype == source.dtype == np.float64


@EVERY_SOURCE
def test_becomes_an_array(make, tmp_path):
    source = make(tmp_path)
    assert_array_equal(np.asarray(source), TABLE)
    assert np.asarray(source, dtype=np.float32).dtype == np.float32
    assert_array_equal(list(source), TABLE)
    copied = np.array(source)
    copied[:] = 0
    assert_array_equal(source[:], TABLE)


def test_a_slice_costs_its_own_length():
    """Of a table of ten million rows, whose numbers alone would take 80 MB."""
    source = RowSource([np.broadcast_to(np.float64(1), (5_000_000, 2))] * 2)
    tracemalloc.start()
    try:
        for rows in (slice(4_999_990, 5_000_010), slice(0, 100, 3), np.array([7, 9_999_999]), 3):
            assert source[rows].all()
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("columns", "wanted"),
    [
        ([True, False, True, False], [0, 2]),
        (np.array([False, False, False, True]), [3]),
        (slice(1, 3), [1, 2]),
        (slice(None, None, -1), [3, 2, 1, 0]),
        (range(2), [0, 1]),
        ([-1, 0], [3, 0]),
    ],
    ids=str,
)
def test_columns_by_position(columns, wanted):
    assert_array_equal(RowSource(TABLE, columns=columns)[:], TABLE[:, wanted])


@pytest.mark.parametrize("columns", [slice("b", "c"), pd.Index(["b", "c"]), np.array(["b", "c"])], ids=str)
def test_columns_by_name(columns, tmp_path):
    assert RowSource(parquet(tmp_path), columns=columns).names == ["b", "c"]


@pytest.mark.parametrize("make", [npy, parquet])
def test_columns_are_features_and_others_are_read_by_name(make, tmp_path):
    source = RowSource(make(tmp_path), columns=[2, 0])
    assert source.shape == (100, 2)
    assert_array_equal(source[10:40], TABLE[10:40][:, [2, 0]])
    assert_array_equal(source.column(3), TABLE[:, 3])
    assert_array_equal(source.column(-1), TABLE[:, 3])


def test_names_of_parquet(tmp_path):
    source = RowSource(parquet(tmp_path), columns=["c", "a"])
    assert source.names == ["c", "a"]
    assert_array_equal(source[:], TABLE[:, [2, 0]])
    assert_array_equal(source.column("y"), TABLE[:, 3])


@pytest.mark.parametrize(("given", "wanted"), [(np.float32, np.float32), (np.int16, np.float64), (bool, np.float64)])
@pytest.mark.parametrize("make", [npy, parquet])
def test_types(make, given, wanted, tmp_path):
    table = (10 * TABLE).astype(given)
    source = RowSource(make(tmp_path, table))
    assert source.dtype == wanted
    assert source[5:50].dtype == wanted
    assert_array_equal(source[5:50], table[5:50].astype(wanted))


@EVERY_SOURCE
def test_pickles_and_reads_again(make, tmp_path):
    source = make(tmp_path)
    source[:10]
    assert_array_equal(pickle.loads(pickle.dumps(source))[:], TABLE)


def test_files_are_not_pickled(tmp_path):
    source = RowSource(npy(tmp_path, np.zeros((10_000, 4)), cuts=(0, 10_000)))
    assert len(pickle.dumps(source)) < 2000


STORED = {
    "bool": np.arange(100) % 3 == 0,
    "int8": np.arange(100, dtype=np.int8),
    "int64": np.arange(100) + 2**60,
    "float32": TABLE[:, 0].astype(np.float32),
    "text": np.where(TABLE[:, 0] > 0, "yes", "no").astype(object),
    "times": np.datetime64("2024-01-01", "us") + np.arange(100),
}


@pytest.mark.parametrize("values", STORED.values(), ids=STORED)
def test_a_column_comes_as_it_is_stored(values, tmp_path):
    frame = pd.DataFrame({"x": TABLE[:, 0], "values": values})
    frame[:70].to_parquet(tmp_path / "0.parquet", row_group_size=17)
    frame[70:].to_parquet(tmp_path / "1.parquet")
    found = RowSource(tmp_path, columns=["x"]).column("values")
    assert_array_equal(found, values)
    assert found.dtype == values.dtype


@pytest.mark.parametrize("dtype", [bool, np.int16, np.float32])
def test_a_column_of_arrays_comes_as_it_is_stored(dtype, tmp_path):
    table = (10 * TABLE).astype(dtype)
    found = RowSource(npy(tmp_path, table)).column(1)
    assert found.dtype == dtype
    assert_array_equal(found, table[:, 1])


def test_numbers_of_several_types(tmp_path):
    """Features are read as float64 where not all are float32; types of other columns are their own."""
    frame = pd.DataFrame({"a": [1, 2], "b": np.float32([0.5, 1.5]), "name": ["x", "y"]})
    frame.to_parquet(tmp_path / "0.parquet")
    frame.astype({"a": float, "name": "category"}).to_parquet(tmp_path / "1.parquet")
    source = RowSource(tmp_path, columns=["a", "b"])
    assert source.dtype == np.float64
    assert_array_equal(source[:], [[1, 0.5], [2, 1.5]] * 2)
    assert source.column("a").dtype == np.float64
    assert source.column("name").tolist() == ["x", "y"] * 2
    assert RowSource(tmp_path, columns=["b"])[:].dtype == np.float32


def test_folders_and_other_files_in_a_folder(tmp_path):
    npy(tmp_path)
    (tmp_path / "old.npy").mkdir()
    (tmp_path / "notes.txt").write_text("three parts")
    assert_array_equal(RowSource(tmp_path)[:], TABLE)


def test_says_where_a_row_is(tmp_path):
    source = RowSource(npy(tmp_path))
    assert source.where(29) == f"row 29 of {tmp_path / '0.npy'}"
    assert source.where(30) == f"row 0 of {tmp_path / '1.npy'}"
    assert repr(source) == "RowSource(n_rows=100, n_columns=4, n_parts=3)"


def test_rows_may_be_appended(tmp_path):
    source = RowSource(npy(tmp_path), columns=[2, 0])
    rows = np.array([[1.0, 2.0], [3.0, 4.0]])
    grown = source.appended(rows)
    assert grown.shape == (102, 2)
    assert len(source) == 100
    assert_array_equal(grown[90:], np.concatenate([TABLE[90:][:, [2, 0]], rows]))
    assert_array_equal(grown.column(2)[100:], [1.0, 3.0])


# -- refused -------------------------------------------------------------------------------------------------------


def test_only_empty_parts():
    with pytest.raises(ValueError, match="All parts of the source are empty"):
        RowSource([TABLE[:0], TABLE[:0]])


def test_parts_that_disagree_in_the_number_of_columns(tmp_path):
    npy(tmp_path)
    np.save(tmp_path / "3.npy", TABLE[:, :3])
    with pytest.raises(
        ValueError, match=r"must have the same columns: .*3\.npy has 3 columns .*, .*0\.npy has 4 columns"
    ):
        RowSource(tmp_path)


def test_parts_that_disagree_in_the_names_of_columns(tmp_path):
    parquet(tmp_path)
    pd.DataFrame(TABLE, columns=["a", "b", "c", "z"]).to_parquet(tmp_path / "9.parquet")
    with pytest.raises(ValueError, match=r"same columns: .*9\.parquet has 4 columns \['a', 'b', 'c', 'z'\]"):
        RowSource(tmp_path)
    message = r"part 1 has 4 columns without names, .*0\.parquet has 4 columns \['a', 'b', 'c', 'y'\]"
    with pytest.raises(ValueError, match=message):
        RowSource([tmp_path / "0.parquet", TABLE])


def test_empty_parts_that_disagree():
    with pytest.raises(ValueError, match="part 1 has 3 columns without names, part 0 has 4"):
        RowSource([TABLE, TABLE[:0, :3]])


def test_a_column_of_numbers_here_and_text_there(tmp_path):
    pd.DataFrame({"x": [1.0], "a": [2]}).to_parquet(tmp_path / "0.parquet")
    pd.DataFrame({"x": [1.0], "a": ["2"]}).to_parquet(tmp_path / "1.parquet")
    with pytest.raises(ValueError, match=r"column 'a' of .*1\.parquet is object, and of .*0\.parquet int64\. Write"):
        RowSource(tmp_path, columns=["x"]).column("a")
    with pytest.raises(ValueError, match=r"column 'a' of .*1\.parquet holds no numbers \(object\)"):
        RowSource(tmp_path)


def test_records(tmp_path):
    np.save(tmp_path / "0.npy", np.zeros(10, dtype=[("a", float), ("b", int)]))
    with pytest.raises(ValueError, match=r"0\.npy holds records with the fields \['a', 'b'\].*structured_to_unstr"):
        RowSource(tmp_path)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (100, "There is no row 100: the source has 100 rows"),
        ([0, -101], "There is no row -101: the source has 100 rows"),
        ([True, False], "by a mask of its 100 rows, or by a slice; got bool of shape (2,)"),
        ([0.5], "got float64 of shape (1,)"),
        ("a", "asked for by their numbers"),
        (np.zeros((2, 2), dtype=int), "got int64 of shape (2, 2)"),
        ((slice(None), 0), "Columns are chosen by RowSource(..., columns=)"),
        ((slice(None), np.array([0, 1])), "Columns are chosen by RowSource(..., columns=)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_rows_that_are_not_there(rows, message):
    with pytest.raises(IndexError, match=re.escape(message)):
        RowSource(TABLE)[rows]


def test_an_array_without_a_copy():
    with pytest.raises(ValueError, match="becomes an array by being read"):
        RowSource(TABLE).__array__(copy=False)


def test_columns_without_numbers(tmp_path):
    frame = pd.DataFrame({"a": [1.0, 2.0], "name": ["x", "y"]})
    frame.to_parquet(tmp_path / "0.parquet")
    with pytest.raises(ValueError, match=r"column 'name' of .*0\.parquet holds no numbers \(object\)"):
        RowSource(tmp_path)
    source = RowSource(tmp_path, columns=["a"])
    assert source.column("name").tolist() == ["x", "y"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["a"], "columns names column 'a', but part 0 has no column names. Use positions"),
        ([4], "columns names column 4, but part 0 has 4 columns"),
        ([], "columns is empty"),
        ([False] * 4, "columns is empty"),
        ([True, False, True], "columns is a mask of shape (3,), but part 0 has 4 columns"),
        ([0.5], "columns is [0.5]: expected names or positions of columns, a mask of them, or a slice"),
        ("abc", "columns='abc': expected a list of names or positions, such as ['abc'], a mask or a slice"),
        (0, "columns=0: expected a list of names or positions, such as [0]"),
    ],
)
def test_unknown_columns(columns, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        RowSource(TABLE, columns=columns)


def test_an_unknown_name(tmp_path):
    with pytest.raises(ValueError, match=r"names column 'z', but the columns of .* are \['a', 'b', 'c', 'y'\]"):
        RowSource(parquet(tmp_path)).column("z")


@pytest.mark.parametrize("shape", [(10,), (2, 5, 1)])
def test_parts_that_are_no_tables(shape, tmp_path):
    np.save(tmp_path / "0.npy", np.zeros(shape))
    with pytest.raises(ValueError, match=re.escape(f"0.npy has shape {shape}: a part of a table has rows and columns")):
        RowSource(tmp_path)
