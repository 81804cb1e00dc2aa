"""Sources of rows: what they read, and what they refuse."""

from __future__ import annotations

import pickle
import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from skmoe.rows import RowSource
from skmoe.rows.parts import ParquetPart

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
    "numbers": np.array([0, 3, 29, 30, 59, 60, 99]),
    "numbers in any order": np.array([99, 0, 50, 50]),
    "a mask": TABLE[:, 0] > 0.5,
    "no numbers": np.zeros(0, dtype=np.intp),
}


@EVERY_SOURCE
@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
def test_reads_what_the_table_holds(make, rows, tmp_path):
    source = make(tmp_path)
    assert source.shape == (len(source), 4) == TABLE.shape
    assert_array_equal(source[rows], TABLE[rows])
    assert source[rows].dtype == source.dtype == np.float64


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


def test_gaps_in_parquet_are_nan(tmp_path):
    frame = pd.DataFrame({"a": pd.array([1, None, 3], dtype="Int64"), "b": [1.0, 2.0, None]})
    frame.to_parquet(tmp_path / "0.parquet")
    assert_array_equal(RowSource(tmp_path)[:], [[1, 1], [np.nan, 2], [3, np.nan]])


def test_few_groups_of_rows_are_kept(tmp_path):
    part = ParquetPart(parquet(tmp_path) / "0.parquet")
    part.read(slice(None), np.arange(4))
    assert len(part._groups) == 4


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


def test_an_empty_folder(tmp_path):
    with pytest.raises(ValueError, match=r"holds no files that end in \.npy or \.parquet: there are no rows"):
        RowSource(tmp_path)


def test_no_parts():
    with pytest.raises(ValueError, match="list of parts is empty"):
        RowSource([])


def test_only_empty_parts():
    with pytest.raises(ValueError, match="All parts of the source are empty"):
        RowSource([TABLE[:0], TABLE[:0]])


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no file"):
        RowSource([tmp_path / "0.npy"])


def test_a_file_of_another_kind(tmp_path):
    (tmp_path / "0.csv").write_text("1,2\n")
    with pytest.raises(ValueError, match=r"0\.csv': expected a file that ends in \.npy or \.parquet"):
        RowSource(tmp_path / "0.csv")


@pytest.mark.parametrize("n_bytes", [0, 40, 1000])
def test_a_truncated_npy_file(n_bytes, tmp_path):
    whole = npy(tmp_path) / "1.npy"
    whole.write_bytes(whole.read_bytes()[:n_bytes])
    message = rf"1\.npy is no whole \.npy file \(.*it holds {n_bytes:,} bytes\)\. Write it again"
    with pytest.raises(ValueError, match=message):
        RowSource(tmp_path)


@pytest.mark.parametrize("n_bytes", [0, 40, 1000])
def test_a_truncated_parquet_file(n_bytes, tmp_path):
    whole = parquet(tmp_path) / "1.parquet"
    whole.write_bytes(whole.read_bytes()[:n_bytes])
    message = rf"1\.parquet is no whole Parquet file \(.*it holds {n_bytes:,} bytes\)\. Write it again"
    with pytest.raises(ValueError, match=message):
        RowSource(tmp_path)


def test_parts_that_disagree_in_the_number_of_columns(tmp_path):
    npy(tmp_path)
    np.save(tmp_path / "3.npy", TABLE[:, :3])
    with pytest.raises(ValueError, match=r"must have the same columns: .*3\.npy has 3 columns, .*0\.npy has 4 columns"):
        RowSource(tmp_path)


def test_parts_that_disagree_in_the_names_of_columns(tmp_path):
    parquet(tmp_path)
    pd.DataFrame(TABLE, columns=["a", "b", "c", "z"]).to_parquet(tmp_path / "9.parquet")
    with pytest.raises(ValueError, match=r"same columns: .*9\.parquet has 4 columns \['a', 'b', 'c', 'z'\]"):
        RowSource(tmp_path)


def test_parts_that_disagree_in_type(tmp_path):
    npy(tmp_path)
    np.save(tmp_path / "3.npy", TABLE.astype(np.float32))
    message = r"same types: column 0 of .*3\.npy is float32, of .*0\.npy float64\. Write them with one type"
    with pytest.raises(ValueError, match=message):
        RowSource(tmp_path)


def test_columns_without_numbers(tmp_path):
    frame = pd.DataFrame({"a": [1.0, 2.0], "name": ["x", "y"]})
    frame.to_parquet(tmp_path / "0.parquet")
    with pytest.raises(ValueError, match=r"column 'name' of .*0\.parquet holds no numbers \(object\)"):
        RowSource(tmp_path)
    source = RowSource(tmp_path, columns=["a"])
    with pytest.raises(ValueError, match=r"column 'name' .* holds no numbers"):
        source.column("name")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["a"], "There is no column 'a': part 0 has no names of columns"),
        ([4], "There is no column 4: part 0 has 4 columns"),
        ([], "columns is empty"),
    ],
)
def test_unknown_columns(columns, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        RowSource(TABLE, columns=columns)


def test_an_unknown_name(tmp_path):
    with pytest.raises(ValueError, match=r"no column 'z': the columns of .* are \['a', 'b', 'c', 'y'\]"):
        RowSource(parquet(tmp_path)).column("z")


@pytest.mark.parametrize("shape", [(10,), (2, 5, 1)])
def test_parts_that_are_no_tables(shape, tmp_path):
    np.save(tmp_path / "0.npy", np.zeros(shape))
    with pytest.raises(ValueError, match=re.escape(f"0.npy has shape {shape}: a part of a table has rows and columns")):
        RowSource(tmp_path)
