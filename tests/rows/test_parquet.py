"""Parquet: what is decoded, how much of it is held, and which files are refused."""

from __future__ import annotations

import pickle
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_array_equal

from skmoe.rows import RowSource

RNG = np.random.default_rng(0)


def test_gaps_in_parquet_are_nan(tmp_path):
    frame = pd.DataFrame({"a": pd.array([1, None, 3], dtype="Int64"), "b": [1.0, 2.0, None]})
    frame.to_parquet(tmp_path / "0.parquet")
    assert_array_equal(RowSource(tmp_path)[:], [[1, 1], [np.nan, 2], [3, np.nan]])


def test_categories_come_as_their_values(tmp_path):
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0], "kind": pd.Categorical(["b", None, "a"])})
    frame.to_parquet(tmp_path / "0.parquet")
    assert RowSource(tmp_path, columns=["x"]).column("kind").tolist() == ["b", None, "a"]


@pytest.mark.parametrize("name", ["Petal.Width", "a b", "älter", ""])
def test_names_of_any_kind(name, tmp_path):
    pd.DataFrame({name: [1.0, 2.0], "y": [3, 4]}).to_parquet(tmp_path / "0.parquet")
    assert_array_equal(RowSource(tmp_path, columns=[name])[:], [[1], [2]])
    assert_array_equal(RowSource(tmp_path, columns=["y"]).column(name), [1, 2])


@pytest.fixture
def groups(tmp_path):
    """Twenty parts, each one group of 10,000 rows."""
    for number in range(20):
        pd.DataFrame({"a": np.full(10_000, float(number))}).to_parquet(tmp_path / f"{number:02}.parquet")
    return RowSource(tmp_path)


def held_after(sweep):
    """How many groups of 10,000 numbers are in memory after a sweep, that were not before."""
    tracemalloc.start()
    try:
        kept = sweep()
        return tracemalloc.get_traced_memory()[0] / 80_000, kept
    finally:
        tracemalloc.stop()


def sums(source, first=0):
    return [source[at : at + 500].sum() for at in range(first, len(source), 500)]


def test_one_group_of_rows_is_held(groups):
    n_held, found = held_after(lambda: sums(groups))
    assert found == [500 * (at // 20) for at in range(400)]
    assert 0.9 < n_held < 1.5


def test_every_thread_holds_the_group_that_it_read_last(groups):
    ready = Barrier(5)

    def read(thread):
        found = sums(groups, 20_000 * thread)  # threads read in different places, and end in the same
        ready.wait(timeout=60)
        return found

    with ThreadPoolExecutor(4) as pool:
        n_held, _ = held_after(lambda: [pool.submit(read, thread) for thread in range(4)] and sums(groups))
        ready.wait(timeout=60)
    assert n_held < 5.5


def test_threads_that_read_the_same_share_it(groups):
    ready = Barrier(5)

    def read(_):
        found = groups[:10].sum()
        ready.wait(timeout=60)
        ready.wait(timeout=60)
        return found

    def sweep():
        found = [pool.submit(read, thread) for thread in range(4)]
        ready.wait(timeout=60)
        return found

    with ThreadPoolExecutor(4) as pool:
        n_held, _ = held_after(sweep)
        ready.wait(timeout=60)
    assert n_held < 2


def test_what_is_held_is_not_pickled_nor_written_to(groups):
    groups[:10]
    again = pickle.loads(pickle.dumps(groups))
    assert len(pickle.dumps(groups)) < 20_000
    rows = again[:10]
    rows[:] = 7
    assert (again[:10] == 0).all()


# -- refused -------------------------------------------------------------------------------------------------------


def test_two_columns_of_one_name(tmp_path):
    pq.write_table(pa.table([pa.array([1.0]), pa.array([2.0])], names=["a", "a"]), tmp_path / "0.parquet")
    with pytest.raises(ValueError, match=r"0\.parquet has several columns of one name \('a'\)"):
        RowSource(tmp_path)


@pytest.mark.parametrize("checksum", [False, True])
def test_a_damaged_page_of_parquet(checksum, tmp_path):
    path = tmp_path / "0.parquet"
    table = pa.table({"a": RNG.standard_normal(1000), "b": RNG.standard_normal(1000)})
    pq.write_table(table, path, row_group_size=500, use_dictionary=False, write_page_checksum=checksum)
    start = pq.ParquetFile(path).metadata.row_group(1).column(0).data_page_offset
    damaged = bytearray(path.read_bytes())
    at = start + (2000 if checksum else 0)  # without a checksum only a damaged header is seen
    damaged[at : at + 50] = bytes(50)
    path.write_bytes(damaged)
    source = RowSource(path)
    source[:500]
    message = r"0\.parquet is damaged: its row group 1 cannot be read \(.+\)\. Write the file again"
    with pytest.raises(ValueError, match=message):
        source[500:]
    with pytest.raises(ValueError, match=message):
        source.column("a")
