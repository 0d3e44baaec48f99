"""``.npy`` files, read from disk as they are asked for."""

from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from numpy.lib import format as npy


class MappedArray:
    """An ``.npy`` file, memory-mapped when first read.

    Unlike ``np.memmap`` it holds no file descriptor, of which thousands of shards would need more than a process may
    have, and pickles as its path, so worker processes that are spawned do not receive a copy of the data.

    Args:
        path: The file.

    Raises:
        OSError, EOFError: It cannot be read.
        ValueError: It is no ``.npy`` file of plain values row by row, or not whole.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            self.shape, self.dtype = _header(file)
            self._offset = file.tell()
        self._size = path.stat().st_size
        expected = self._offset + int(np.prod(self.shape)) * self.dtype.itemsize
        if self._size != expected:
            raise ValueError(f"{self._size:,} bytes, expected {expected:,}")
        self._rows: np.ndarray | None = None

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: int | slice | np.ndarray) -> np.ndarray:
        if self._rows is None:
            file = torch.from_file(str(self._path), shared=False, size=self._size, dtype=torch.uint8).numpy()
            self._rows = file[self._offset :].view(self.dtype).reshape(self.shape)
        return self._rows[rows]

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_rows": None}


class MappedRows(MappedArray):
    """A two-dimensional array of numbers, as :class:`MappedArray`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        if len(self.shape) != 2 or self.dtype.kind not in "fiu":
            raise ValueError(f"an array of {self.dtype} and shape {self.shape}, expected rows of numbers")


class MappedColumn(MappedArray):
    """One column of a table, as :class:`MappedArray`.

    Args:
        path: The file.
        columns: Names of all of the table's columns.
        name: Of the one.
    """

    def __init__(self, path: Path, columns: tuple[str, ...], name: str) -> None:
        super().__init__(path)
        if len(self.shape) != 1 or self.dtype.names != columns:
            raise ValueError(
                f"an array of {self.dtype} and shape {self.shape}, expected rows of {' and '.join(columns)}"
            )
        self._name = name

    def __getitem__(self, rows: int | slice | np.ndarray) -> np.ndarray:
        return super().__getitem__(rows)[self._name]


def _header(file: BinaryIO) -> tuple[tuple[int, ...], np.dtype]:
    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version} of the .npy format")
    shape, columns_first, dtype = (npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0)(file)
    if not shape or columns_first or dtype.hasobject:
        raise ValueError(f"an array of {dtype} and shape {shape}, expected rows of numbers")
    return shape, dtype
