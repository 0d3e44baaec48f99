"""Pictures in a folder, one class a subfolder or all in one, with captions from a table or from text files."""

import hashlib
import os
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xclr_lightning.columns import BLOCK, Column
from xclr_lightning.data.listed import Listed
from xclr_lightning.data.listing import Listing, cached_listing, normal_paths, write_listing
from xclr_lightning.data.scan import scan
from xclr_lightning.data.source import IMAGE_SUFFIXES, existing
from xclr_lightning.data.table import several_rows
from xclr_lightning.data.table_file import TableFile
from xclr_lightning.errors import UserError, did_you_mean

CAPTION_FILE = "metadata.csv"


class ImageFolder(Listed):
    """Every picture below a folder, in the order of their paths.

    The caption of a picture comes from a table with a column ``file_name`` (relative to the folder) and a column
    ``caption``; its other columns are fields. Without one, it is the text file beside the picture (``cat.txt`` beside
    ``cat.jpg``) if any picture has one. Without these either, it is the name of the picture's subfolder, which is also
    the field ``class``. Pictures whose row or text file has no caption are left out and counted.

    Args:
        root: The folder.
        captions: The table, CSV, TSV or Parquet; ``metadata.csv`` in the folder where there is one.

    Raises:
        UserError: Folder or table is missing, there is no picture, or a picture has no row.
    """

    def __init__(self, root: str | Path, captions: str | Path | None = None) -> None:
        folder = existing(Path(root).expanduser())
        names, texts = scan(folder)
        if not names:
            suffixes = " ".join(sorted(IMAGE_SUFFIXES))
            raise UserError(f"no picture below {folder}: expected files ending in {suffixes}")
        keys, captions = np.array(names, dtype=np.bytes_), captions or folder / CAPTION_FILE
        if captions != folder / CAPTION_FILE or captions.is_file():
            listing = _joined(keys, TableFile(captions))
        elif texts and any(os.path.splitext(name)[0] in texts for name in names):
            listing = _with_texts(folder, names, texts)
        else:
            listing = Listing(keys, {}, {})
        super().__init__(folder, folder, listing)
        if not len(self):
            raise UserError(f"none of the {len(names)} pictures below {self.path} has a caption: their texts are empty")

    def captions(self, rows: slice = slice(None)) -> Column:
        captions = self.fields("caption" if "caption" in self._listing.columns else "class")[rows]
        if "" in captions:
            missing = os.fsdecode(self.keys()[rows][captions.index("")])
            raise UserError(
                f"no caption for {self.path / missing}: put pictures in one subfolder a class, or give a CSV file with "
                f"the columns file_name and caption as data.captions or {self.path / CAPTION_FILE}"
            )
        return captions

    def fields(self, name: str) -> Column:
        columns = self._listing.columns
        if name in columns:
            return columns[name]
        if name != "class":
            known = ["class", *(column for column in columns if column not in ("class", "file_name"))]
            raise UserError(f"{self.path} has no field {name!r}: it has {', '.join(known)}{did_you_mean(name, known)}")
        return self._classes

    @cached_property
    def _classes(self) -> Column:
        return Column.of(os.path.dirname(key).decode(errors="replace") for key in self.keys())


def _with_texts(root: Path, names: list[bytes], texts: set[bytes]) -> Listing:
    """Pictures with a text file beside them that is not empty."""
    captions = {}
    for name in names:
        stem = os.path.splitext(name)[0]
        if stem in texts:
            text = (root / os.fsdecode(stem + b".txt")).read_text(encoding="utf-8-sig", errors="replace").strip()
            if text:
                captions[name] = text
    skipped = {"no caption": len(names) - len(captions)} if len(captions) < len(names) else {}
    return Listing(np.array(list(captions), dtype=np.bytes_), {"caption": Column.of(captions.values())}, skipped)


def _joined(keys: np.ndarray, table: TableFile) -> Listing:
    """Pictures with a caption in a table, joined once and kept in the cache as long as both stay the same."""
    if not {"file_name", "caption"} <= set(table.names):
        found = ", ".join(table.names) or "none"
        raise UserError(f"{table.path}: columns file_name and caption expected, found {found}")
    digest = hashlib.sha256(keys.tobytes()).hexdigest()
    return cached_listing(["folder", *table.identity(), keys.dtype.str, digest], partial(_join, keys, table))


def _join(keys: np.ndarray, table: TableFile, folder: Path) -> None:
    batches = [pa.record_batch(block, names=table.names) for block in table.blocks(table.names)]
    rows = pa.Table.from_batches(batches, pa.schema([(name, pa.string()) for name in table.names]))
    rows = rows.filter(pc.not_equal(rows["file_name"], ""))
    names = pa.chunked_array([normal_paths(chunk) for chunk in rows["file_name"].chunks], pa.string())
    counts = pc.value_counts(names)
    if len(twice := counts.filter(pc.greater(counts.field("counts"), 1))):
        raise several_rows(table, twice[0]["values"].as_py())
    place = pc.index_in(pa.array(keys), names.cast(pa.binary()))
    if place.null_count:
        missing = os.fsdecode(keys[np.flatnonzero(place.is_null())[0]])
        raise UserError(
            f"{table.path} has {len(rows)} rows for {len(keys)} pictures: none for {missing}"
            + (f" and {place.null_count - 1} more" if place.null_count > 1 else "")
            + "; add the rows or move the pictures away"
        )
    parts = (rows.take(place.slice(start, BLOCK)) for start in range(0, len(keys), BLOCK))
    blocks = ([part[name].combine_chunks() for name in table.names] for part in parts)
    write_listing(folder, table.names, blocks, table.path.name)
