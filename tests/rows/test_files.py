"""Files and lists of them: what may be a part of a source, and what is refused."""

from __future__ import annotations

import errno
import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array
from test_row_source import NAMES, TABLE, npy, parquet

from skmoe.rows import RowSource


def test_an_empty_folder(tmp_path):
    with pytest.raises(ValueError, match=r"holds no files that end in \.npy or \.parquet: there are no rows"):
        RowSource(tmp_path)


def test_no_parts():
    with pytest.raises(ValueError, match="list of parts is empty"):
        RowSource([])


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no file or folder '.*0\.npy'"):
        RowSource([tmp_path / "0.npy"])
    with pytest.raises(FileNotFoundError, match=r"There is no file or folder '.*parts'"):
        RowSource(tmp_path / "parts")


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (pd.DataFrame(TABLE, columns=NAMES), "part 0 is of type DataFrame"),
        (3, "part 0 is of type int"),
        (None, "part 0 is of type NoneType"),
        (csr_array(TABLE), "part 0 is of type csr_array"),
        ([TABLE, csr_array(TABLE)], "part 1 is of type csr_array"),
        ([TABLE, 3], "part 1 is of type int"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_neither_paths_nor_arrays(given, name):
    with pytest.raises(TypeError, match=f"{name}: expected the path of a file, or an array of shape"):
        RowSource(given)


def test_a_file_of_another_kind(tmp_path):
    (tmp_path / "0.csv").write_text("1,2\n")
    with pytest.raises(ValueError, match=r"0\.csv': expected a file that ends in \.npy or \.parquet"):
        RowSource(tmp_path / "0.csv")


@pytest.mark.parametrize("n_bytes", [0, 40, 1000])
@pytest.mark.parametrize(("make", "ending", "kind"), [(npy, "npy", r"\.npy"), (parquet, "parquet", "Parquet")])
def test_a_truncated_file(make, ending, kind, n_bytes, tmp_path):
    whole = make(tmp_path) / f"1.{ending}"
    whole.write_bytes(whole.read_bytes()[:n_bytes])
    message = rf"1\.{ending} cannot be read as a {kind} file \(.*it holds {n_bytes:,} bytes\)\. Write it again"
    with pytest.raises(ValueError, match=message):
        RowSource(tmp_path)


def test_objects(tmp_path):
    np.save(tmp_path / "0.npy", TABLE.astype(object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"0\.npy cannot be read as a \.npy file .*Python objects as array\.astype"):
        RowSource(tmp_path)


@pytest.mark.parametrize("make", [npy, parquet])
def test_a_file_that_changed_since(make, tmp_path):
    source = RowSource(make(tmp_path))
    there = pickle.dumps(source)
    make(tmp_path, TABLE[:, ::-1])
    assert_array_equal(pickle.loads(there)[:], TABLE[:, ::-1])
    make(tmp_path, TABLE[:80], cuts=(0, 80))
    with pytest.raises(ValueError, match=r"0\.\w+ has changed since its source was made: it has shape \(80, 4\)"):
        pickle.loads(there)[:]


def test_paths_are_those_of_where_the_source_was_made(tmp_path, monkeypatch):
    npy(tmp_path)
    parquet(tmp_path)
    for name in ("1.npy", "1.parquet"):
        monkeypatch.chdir(tmp_path)
        source = RowSource(name)
        monkeypatch.chdir("/")
        assert_array_equal(pickle.loads(pickle.dumps(source))[:], source[:])


def test_a_link_that_leads_nowhere_is_a_missing_part(tmp_path):
    npy(tmp_path)
    (tmp_path / "3.npy").symlink_to(tmp_path / "gone")
    with pytest.raises(FileNotFoundError, match=r"There is no file or folder '.*3\.npy'"):
        RowSource(tmp_path)


def test_hidden_files_are_no_parts(tmp_path):
    npy(tmp_path)
    (tmp_path / "._0.npy").write_bytes(b"no table")
    assert len(RowSource(tmp_path)) == len(TABLE)


def test_more_files_than_may_be_open(tmp_path, monkeypatch):
    def refused(*args, **kwargs):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(np.lib.format, "open_memmap", refused)
    with pytest.raises(OSError, match=r"as many files open as the system lets it.*fewer and larger parts, or raise"):
        RowSource(npy(tmp_path))
