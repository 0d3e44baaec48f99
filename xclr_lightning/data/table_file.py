"""Tables in CSV, TSV and Parquet files, read a block of rows at a time."""

import csv
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from xclr_lightning.columns import BLOCK
from xclr_lightning.data.source import existing
from xclr_lightning.errors import UserError

DELIMITERS = {".csv": ",", ".tsv": "\t"}
TABLE_SUFFIXES = (*DELIMITERS, ".parquet")


class TableFile:
    """The columns of a table that can be written as texts; a cell that is missing is empty.

    Args:
        path: A ``.csv`` or ``.tsv`` file in UTF-8 with a line of names, or a ``.parquet`` file.

    Raises:
        UserError: It is missing, of another kind, broken, or two columns have the same name.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = existing(Path(path).expanduser())
        self.suffix = self.path.suffix.lower()
        if self.suffix not in TABLE_SUFFIXES:
            raise UserError(f"{self.path} is no table: expected a file ending in {', '.join(TABLE_SUFFIXES)}")
        self.names = self._read_names()
        if twice := {name for name in self.names if self.names.count(name) > 1}:
            raise UserError(f"{self.path} has several columns {sorted(twice)[0]!r}: names of columns must differ")

    def identity(self) -> list[object]:
        """What changes when the file does."""
        state = self.path.stat()
        return [str(self.path.absolute()), state.st_size, state.st_mtime_ns]

    def blocks(self, names: Sequence[str]) -> Iterator[list[pa.Array]]:
        """Some columns, as one array of strings each, for a run of rows after the other.

        Raises:
            UserError: The file is broken, at any block.
        """
        try:
            if self.suffix == ".parquet":
                with pq.ParquetFile(self.path, memory_map=True) as file:
                    for batch in file.iter_batches(BLOCK, columns=list(names)):
                        yield [_texts(batch.column(name)) for name in names]
            else:
                yield from self._csv_blocks([self.names.index(name) for name in names])
        except (OSError, ValueError, csv.Error) as error:
            raise self._broken(error) from error

    def _read_names(self) -> list[str]:
        try:
            if self.suffix == ".parquet":
                return [field.name for field in pq.read_schema(self.path) if _is_text(field.type)]
            with self.path.open(newline="", encoding="utf-8-sig") as file:
                return next(csv.reader(file, delimiter=DELIMITERS[self.suffix], strict=True), [])
        except (OSError, ValueError, csv.Error) as error:
            raise self._broken(error) from error

    def _csv_blocks(self, numbers: list[int]) -> Iterator[list[pa.Array]]:
        rows = self._csv_rows()
        while block := list(islice(rows, BLOCK)):
            yield [pa.array([row[i] if i < len(row) else "" for row in block], pa.string()) for i in numbers]

    def _csv_rows(self) -> Iterator[list[str]]:
        """The rows below the line of names, blank lines left out."""
        number, width = 0, len(self.names)
        with self.path.open(newline="", encoding="utf-8-sig") as file:
            rows = filter(None, csv.reader(file, delimiter=DELIMITERS[self.suffix], strict=True))
            next(rows, None)
            try:
                for number, row in enumerate(rows, 1):
                    if len(row) > width and any(row[width:]):
                        raise UserError(
                            f"{self.path} has {len(row)} cells in row {number}, counted below the line of names, for "
                            f"{width} columns: put texts that have {'commas' if self.suffix == '.csv' else 'tabs'} "
                            "in quotes"
                        )
                    yield row
            except csv.Error as error:
                raise csv.Error(f"row {number + 1}: {error}") from error

    def _broken(self, error: Exception) -> UserError:
        kind = "Parquet file" if self.suffix == ".parquet" else f"{self.suffix[1:].upper()} file in UTF-8"
        reason = " ".join(str(error).split())
        return UserError(f"{self.path} cannot be read ({reason}): a {kind} is expected")


def _texts(values: pa.Array) -> pa.Array:
    """Values as texts; those that are missing, or no number though a float, are empty."""
    return pc.if_else(pc.is_null(values, nan_is_null=True), "", pc.cast(values, pa.string()))


def _is_text(kind: pa.DataType) -> bool:
    """Whether values of a type can be written as texts, as numbers and dates can."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return not pa.types.is_nested(kind) and "binary" not in str(kind)
