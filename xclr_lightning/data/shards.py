"""Tar shards as img2dataset writes them, local or remote, read in any order through an index on disk."""

import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from xclr_lightning.columns import Column
from xclr_lightning.data.decode import opened, reading
from xclr_lightning.data.shard_index import index_file, load_facts, load_records, load_rows
from xclr_lightning.data.shard_place import find_shards, is_pattern
from xclr_lightning.data.shard_set import open_table
from xclr_lightning.data.source import Source
from xclr_lightning.errors import UserError
from xclr_lightning.progress import progress_bar

# Descriptors a process keeps open; CC12M has 2,176 shards, more than most systems let a process open.
_MOST_OPEN = 128


class Shards(Source):
    """Tar files ``00000.tar``, ``00001.tar``, … with ``<key>.jpg``, ``<key>.txt`` and ``<key>.json``.

    Each shard is indexed once; the index has keys, captions and metadata, and is kept in the cache. Of samples that
    cannot be used the others are served, and ``skipped`` counts them. Fields are those of the JSON files.

    A remote shard is fetched whole into the cache when a picture of it is asked for; ``$XCLR_SHARD_CACHE_GB`` limits
    what these copies take, 50 by default. Its index is kept for good, and is used whatever becomes of the original.

    Args:
        root: A folder of ``.tar`` files; or a path, a URL of any kind that fsspec opens, or ``pipe:`` and a command
            that writes a shard to its output, with ranges in braces: ``s3://bucket/cc12m/{00000..02175}.tar``.

    Attributes:
        skipped: Samples, and shards, that are left out, wholly or behind a damaged place: their number by cause.

    Raises:
        UserError: There is no shard, or none holds a picture that can be used.
    """

    def __init__(self, root: str | Path) -> None:
        place = str(root)
        self.path = Path(place) if is_pattern(place) else Path(place).expanduser()
        self._shards = find_shards(place)
        self._root, self._table = open_table(place, self._shards)
        self._numbers = {shard.name: number for number, shard in enumerate(self._shards)}
        self.skipped = self._table.skipped
        self._open: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._table)

    def open(self, index: int) -> Image.Image:
        with reading():
            return opened(self._read(index))

    def name(self, index: int) -> str:
        return f"{self._shards[self._table.shard(index)]}/{os.fsdecode(self.keys()[index])}"

    def parts(self) -> dict[str, slice]:
        ends = self._table.ends.tolist()
        return {
            entry.name: slice(end - entry.samples, end)
            for entry, end in zip(self._table.entries, ends, strict=True)
            if entry.samples
        }

    def version(self, part: str) -> str:
        number = self._numbers[part]
        shard, known = self._shards[number], self._table.entries[number].version
        return known if known and shard.is_now(known) else shard.version()

    def keys(self) -> np.ndarray:
        return self._table.keys()

    def captions(self, rows: slice = slice(None)) -> Column:
        numbers = range(len(self))[rows]
        if numbers and not self._table.captioned:
            raise UserError(
                f"{len(numbers)} of {len(numbers)} pictures have no caption, first {self.name(numbers[0])}: "
                "expected a .txt beside each picture in the tar"
            )
        return self._table.captions(rows)

    def fields(self, name: str) -> Column:
        return Column.of(self._values(name))

    def _values(self, name: str) -> Iterator[str]:
        with progress_bar(len(self), f"reading {name} of shards", "sample", delay=5) as bar:
            for number, entry in enumerate(self._table.entries):
                if entry.samples:
                    yield from self._part_values(number, name)
                    bar.update(entry.samples)

    def _part_values(self, number: int, name: str) -> Iterator[str]:
        entry, path = self._table.entries[number], index_file(self._root, self._table.entries[number].name)
        facts = load_facts(path)
        if facts is None or facts.version != entry.version:
            raise UserError(f"{self._shards[number]} has changed since it was opened: start again")
        usable = load_rows(path).usable(self._table.captioned)
        first = int(self._table.ends[number]) - entry.samples
        for row, content in enumerate(itertools.compress(load_records(path), usable)):
            record = _record(content)
            if name not in record:
                found = ", ".join(record) or "none"
                raise UserError(f"{self.name(first + row)}.json has no field {name!r}: it has {found}")
            value = record[name]
            yield "" if value is None or value != value else str(value)  # NaN alone is not itself

    def _read(self, index: int) -> bytes:
        number = self._table.shard(index)
        offset, size = self._table.ranges[index][:2].tolist()
        # Forked workers share descriptors, and pread leaves their position alone.
        return os.pread(self._descriptor(number), size, offset)

    def _descriptor(self, number: int) -> int:
        if number not in self._open:
            if len(self._open) == _MOST_OPEN:
                os.close(self._open.pop(next(iter(self._open))))
            shard, entry = self._shards[number], self._table.entries[number]
            descriptor = shard.open()
            if os.fstat(descriptor).st_size != entry.length or not shard.is_now(str(entry.version)):
                os.close(descriptor)
                raise OSError(f"the shard has changed since it was indexed; start again, or delete {self._root}")
            self._open[number] = descriptor
        return self._open[number]

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_open": {}}


def _record(content: bytes) -> dict[str, object]:
    try:
        record = json.loads(content)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}
