"""Files that hold rows of a table, of every kind that can be read, and lists of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from .parquet import LastRead, ParquetPart
from .parts import ArrayPart, Part, Which, opening


def _npy_part(path: Path, last: LastRead) -> Part:
    """Rows of a file that ``numpy.save`` wrote; mapped, so only what is read is in memory."""
    with opening(path, "a .npy file", "Write it again with numpy.save, Python objects as array.astype(float)."):
        array = np.lib.format.open_memmap(path, mode="r")
    return ArrayPart(array, str(path))


#: Who reads files, by their ending.
KINDS: dict[str, Callable[[Path, LastRead], Part]] = {".npy": _npy_part, ".parquet": ParquetPart}
_ENDINGS = " or ".join(KINDS)


class FilePart(Part):
    """Rows of a file, which every process opens for itself.

    Parameters
    ----------
    path : Path
    last : LastRead
        Holds what was decoded, of all files of a source.
    """

    def __init__(self, path: Path, last: LastRead):
        self.name, self._path, self._last = str(path), path.absolute(), last
        part = self._part = KINDS[path.suffix](path, last)
        self.shape, self.names, self.dtypes = part.shape, part.names, part.dtypes

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_part"}

    @cached_property
    def _part(self) -> Part:
        """The file, opened again."""
        part = KINDS[self._path.suffix](self._path, self._last)
        if (part.shape, part.names, part.dtypes) != (self.shape, self.names, self.dtypes):
            raise ValueError(
                f"{self.name} has changed since its source was made: it has shape {part.shape}, and had {self.shape}"
                + ("" if part.shape != self.shape else ", with other names or types of columns")
                + ". Make the source again."
            )
        return part

    def read(self, rows: Which, columns: np.ndarray) -> np.ndarray:
        return self._part.read(rows, columns)

    def column(self, j: int) -> np.ndarray:
        return self._part.column(j)


def parts_of(given: Any) -> list[Part]:
    """Parts of a folder, a file, an array, or a list of files and arrays.

    Raises
    ------
    FileNotFoundError
        Where a file or folder is not there.
    TypeError
        Where something is neither a path nor an array.
    ValueError
        Where there is nothing to read, or a file is of another kind, or not whole.
    """
    if isinstance(given, str | PathLike) and Path(given).is_dir():
        there = (path for path in Path(given).iterdir() if path.suffix in KINDS and not path.name.startswith("."))
        paths = sorted(path for path in there if not path.is_dir())  # a link that leads nowhere is a missing part
        if not paths:
            raise ValueError(f"{str(given)!r} holds no files that end in {_ENDINGS}: there are no rows.")
        return parts_of(paths)
    one = isinstance(given, str | PathLike) or hasattr(given, "shape") or not isinstance(given, Iterable)
    parts = [given] if one else list(given)
    if not parts:
        raise ValueError("The list of parts is empty: there are no rows. Pass files or arrays.")
    last = LastRead()
    return [_part(part, f"part {number}", last) for number, part in enumerate(parts)]


def _part(given: Any, name: str, last: LastRead) -> Part:
    if isinstance(given, np.ndarray):
        return ArrayPart(given, name)
    if not isinstance(given, str | PathLike):
        raise TypeError(
            f"{name} is of type {type(given).__name__}: expected the path of a file, or an array of shape (n_rows, "
            "n_columns). Of a dataframe pass frame.to_numpy(); what is in memory as a whole needs no RowSource."
        )
    path = Path(given)
    if not path.exists():
        raise FileNotFoundError(f"There is no file or folder {str(path)!r}.")
    if path.suffix not in KINDS:
        raise ValueError(f"{str(path)!r}: expected a file that ends in {_ENDINGS}, or a folder of them.")
    return FilePart(path, last)
