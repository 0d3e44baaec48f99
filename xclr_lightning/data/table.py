"""Pictures named in a table: a CSV, TSV or Parquet file with a row a picture."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from xclr_lightning.columns import Column
from xclr_lightning.data.listed import Listed
from xclr_lightning.data.listing import StoredListing, cached_listing, normal_paths, repeated, write_listing
from xclr_lightning.data.table_file import TableFile
from xclr_lightning.errors import UserError, did_you_mean


class Table(Listed):
    """Pictures in the order of a table's rows.

    The column ``file_name`` holds the pictures' paths, relative to the table's folder or absolute, and ``caption``
    their captions; every column is a field. The table is read once, into memory-mapped columns in the cache: they are
    made again when its size or time of change does. Rows without a file name, or without a caption where there is
    such a column, are left out and counted.

    Args:
        path: A ``.csv``, ``.tsv`` or ``.parquet`` file.

    Raises:
        UserError: The file is missing or broken, has no column ``file_name``, names a picture twice, or none.
    """

    def __init__(self, path: str | Path) -> None:
        table = TableFile(path)
        listing = cached_listing(["table", *table.identity()], partial(_convert, table))
        super().__init__(table.path, table.path.parent, listing)
        if not len(self):
            left_out = ", ".join(f"{count} rows have {cause}" for cause, count in self.skipped.items())
            raise UserError(f"{self.path} has no picture: {left_out or 'it has no rows'}")

    def version(self, part: str) -> str:
        state = self.path.stat()
        return f"{state.st_size} bytes, {state.st_mtime_ns} ns"

    def captions(self, rows: slice = slice(None)) -> Column:
        return self.fields("caption")[rows]

    def fields(self, name: str) -> Column:
        columns = self._listing.columns
        if name not in columns:
            close = did_you_mean(name, columns)
            raise UserError(f"{self.path} has no column {name!r}: it has {', '.join(columns)}{close}")
        return columns[name]


def _convert(table: TableFile, folder: Path) -> None:
    if "file_name" not in table.names:
        raise UserError(
            f"{table.path} has no column file_name with the paths of its pictures: it has "
            + (", ".join(table.names) or "none")
        )
    names = ["file_name", *(name for name in table.names if name != "file_name")]
    write_listing(folder, names, table.blocks(names), table.path.name)
    if (key := repeated(StoredListing(folder).keys)) is not None:
        raise several_rows(table, os.fsdecode(key))


def several_rows(table: TableFile, name: str) -> UserError:
    """The error for a picture that a table names more than once."""
    rows = [number for number, other in enumerate(_file_names(table), 1) if other == name]
    return UserError(
        f"{table.path} names {name} in row {rows[0]} and again in row {rows[1]}, counted below the line of names: "
        "keep one row a picture"
    )


def _file_names(table: TableFile) -> Iterator[str]:
    for (names,) in table.blocks(["file_name"]):
        yield from normal_paths(names).to_pylist()
