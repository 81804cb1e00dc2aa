"""Parts: files, or arrays, each of which holds some rows of a table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable
from functools import cached_property
from os import PathLike
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

#: Rows of a part: a slice, or their numbers in rising order.
Which = slice | np.ndarray
#: Decoded groups of rows that a Parquet file keeps: one for each of some threads that read side by side.
_GROUPS = 4


class Part(ABC):
    """Some rows of a table.

    Attributes
    ----------
    name : str
        For errors.
    shape : tuple of two int
    names : list of str, or None
        Names of the columns, where they have names.
    dtypes : list of dtype
        Types of the columns, as they are stored.
    """

    name: str
    shape: tuple[int, int]
    names: list[str] | None = None
    dtypes: list[np.dtype]

    @abstractmethod
    def read(self, rows: Which, columns: np.ndarray) -> np.ndarray:
        """Some columns of some rows, (n_rows, n_columns)."""


class ArrayPart(Part):
    """Rows of an array, in memory or mapped.

    Parameters
    ----------
    array : ndarray of shape (n_rows, n_columns)
    name : str
    """

    def __init__(self, array: np.ndarray, name: str):
        if array.ndim != 2:
            raise ValueError(
                f"{name} has shape {array.shape}: a part of a table has rows and columns. "
                "A single column is array.reshape(-1, 1)."
            )
        self.name, self.shape, self.dtypes = name, array.shape, [array.dtype] * array.shape[1]
        self._array = array

    def read(self, rows: Which, columns: np.ndarray) -> np.ndarray:
        every = len(columns) == self.shape[1] and (columns == np.arange(len(columns))).all()
        found = np.asarray(self._array[rows])
        return found if every else found[:, columns]


class NpyPart(Part):
    """Rows of a file that ``numpy.save`` wrote; mapped, so only what is read is in memory."""

    def __init__(self, path: Path):
        self.name, self._path = str(path), path
        part = self._mapped
        self.shape, self.dtypes = part.shape, part.dtypes

    def __getstate__(self) -> dict[str, Any]:
        """Another process maps the file itself."""
        return {name: value for name, value in vars(self).items() if name != "_mapped"}

    @cached_property
    def _mapped(self) -> ArrayPart:
        try:
            return ArrayPart(np.load(self._path, mmap_mode="r"), self.name)
        except (ValueError, EOFError, OSError) as error:
            if "has shape" in str(error) or isinstance(error, FileNotFoundError):
                raise
            raise ValueError(
                f"{self.name} is no whole .npy file ({error}; it holds {self._path.stat().st_size:,} bytes). "
                "Write it again with numpy.save."
            ) from error

    def read(self, rows: Which, columns: np.ndarray) -> np.ndarray:
        return self._mapped.read(rows, columns)


class ParquetPart(Part):
    """Rows of a Parquet file, decoded a group of rows at a time (needs pyarrow)."""

    def __init__(self, path: Path):
        self.name, self._path = str(path), path
        self._groups: OrderedDict[tuple, np.ndarray] = OrderedDict()
        self._lock = Lock()
        meta = self._file.metadata
        schema = self._file.schema_arrow
        self.shape, self.names = (meta.num_rows, len(schema)), list(schema.names)
        self.dtypes = [_numpy_type(field) for field in schema]
        self._first = np.cumsum([0] + [meta.row_group(g).num_rows for g in range(meta.num_row_groups)])

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_file", "_groups", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _groups=OrderedDict(), _lock=Lock())

    @cached_property
    def _file(self) -> Any:
        try:
            from pyarrow import ArrowInvalid
            from pyarrow.parquet import ParquetFile
        except ImportError as error:
            raise ImportError(f"Reading {self.name} needs pyarrow: pip install pyarrow.") from error
        try:
            return ParquetFile(self._path)
        except ArrowInvalid as error:
            raise ValueError(
                f"{self.name} is no whole Parquet file ({error}; it holds {self._path.stat().st_size:,} bytes). "
                "Write it again."
            ) from error

    def read(self, rows: Which, columns: np.ndarray) -> np.ndarray:
        numbers = np.arange(self.shape[0])[rows] if isinstance(rows, slice) else rows
        group = np.searchsorted(self._first, numbers, side="right") - 1
        found = [self._group(g, columns)[numbers[group == g] - self._first[g]] for g in np.unique(group).tolist()]
        return np.concatenate(found) if found else np.empty((0, len(columns)))

    def _group(self, number: int, columns: np.ndarray) -> np.ndarray:
        """Some columns of a group of rows, kept for the next who asks."""
        key = number, columns.tobytes()
        with self._lock:
            if key not in self._groups:
                assert self.names is not None
                wanted = [self.names[j] for j in columns]
                table = self._file.read_row_group(number, columns=wanted)
                # A gap in a column of numbers is NaN.
                self._groups[key] = np.column_stack([_numbers(table.column(name)) for name in wanted])
                while len(self._groups) > _GROUPS:
                    self._groups.popitem(last=False)
            self._groups.move_to_end(key)
            return self._groups[key]


#: Who reads files, by their ending.
KINDS: dict[str, Callable[[Path], Part]] = {".npy": NpyPart, ".parquet": ParquetPart}


def parts_of(given: Any) -> list[Part]:
    """Parts of a folder, a file, an array, or a list of files and arrays.

    Raises
    ------
    FileNotFoundError
        Where a file or folder is not there.
    ValueError
        Where there is nothing to read, or a file is of another kind, or not whole.
    """
    if isinstance(given, str | PathLike) and Path(given).is_dir():
        paths = sorted(path for path in Path(given).iterdir() if path.suffix in KINDS)
        if not paths:
            raise ValueError(f"{str(given)!r} holds no files that end in {' or '.join(KINDS)}: there are no rows.")
        return parts_of(paths)
    parts = [given] if isinstance(given, str | PathLike | np.ndarray) else list(given)
    if not parts:
        raise ValueError("The list of parts is empty: there are no rows. Pass files or arrays.")
    return [_part(part, number) for number, part in enumerate(parts)]


def _part(given: Any, number: int) -> Part:
    if not isinstance(given, str | PathLike):
        return ArrayPart(np.asanyarray(given), f"part {number}")
    path = Path(given)
    if not path.exists():
        raise FileNotFoundError(f"There is no file {str(path)!r}.")
    if path.suffix not in KINDS:
        raise ValueError(f"{str(path)!r}: expected a file that ends in {' or '.join(KINDS)}.")
    return KINDS[path.suffix](path)


def _numpy_type(field: Any) -> np.dtype:
    try:
        return np.dtype(field.type.to_pandas_dtype())
    except NotImplementedError:  # what pyarrow raises for types that numpy lacks, such as unions: no numbers
        return np.dtype(object)


def _numbers(column: Any) -> np.ndarray:
    values = column.to_numpy()
    return values if values.dtype == np.float32 else values.astype(np.float64)
