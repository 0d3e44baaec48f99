"""The samples of a whole set of shards in a few memory-mapped arrays, whose pages all processes share."""

import hashlib
import json
import shutil
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.lib.format import open_memmap

from xclr_lightning.cache import atomic_file, atomic_folder
from xclr_lightning.columns import BLOCK, Column
from xclr_lightning.data.shard_index import RECIPE, ShardFacts, index_file, load_rows
from xclr_lightning.data.shard_tar import UNREADABLE
from xclr_lightning.graphs.mapped import MappedRows

# A process that has just read which table is current may still be about to open it.
_KEPT_SECONDS = 24 * 3600
_ARRAYS = ("keys", "ranges", "texts")


class NoSamples(Exception):
    """A set of shards without a sample.

    Args:
        skipped: What was left out, by cause.
    """

    def __init__(self, skipped: dict[str, int]) -> None:
        self.skipped = skipped


class Entry(NamedTuple):
    """One shard of a table.

    Args:
        name: Of the shard.
        version: Of its file when it was indexed; None where it could not be read.
        length: Bytes of its file.
        samples: Of it in the table.
        tried: When it was found unreadable, in seconds since 1970; 0 where it was not.
    """

    name: str
    version: str | None
    length: int
    samples: int
    tried: float = 0


class Table:
    """The N samples of a set.

    Args:
        folder: Its files.
        entries: Its shards.
        captioned: Whether the set has captions; then every sample has.
        skipped: What is left out, by cause.

    Attributes:
        ranges: Where each picture is in its shard, first byte and number of bytes, and where its caption is among the
            texts, start and end. Shape: ``(N, 4)``, int64.
    """

    def __init__(self, folder: Path, entries: list[Entry], captioned: bool, skipped: dict[str, int]) -> None:
        self.entries, self.captioned, self.skipped = entries, captioned, skipped
        self.ends = np.cumsum([entry.samples for entry in entries], dtype=np.int64)
        self._keys, self.ranges, self._texts = (MappedRows(folder / f"{name}.npy") for name in _ARRAYS)

    def __len__(self) -> int:
        return len(self.ranges)

    def keys(self) -> np.ndarray:
        """Each sample's key, in the file. Shape: ``(N,)``, bytes."""
        return self._keys[:].view(f"S{self._keys.shape[1]}")[:, 0]

    def captions(self, rows: slice) -> Column:
        """Captions of a run of samples, in the file.

        Raises:
            ValueError: The rows are no run.
        """
        start, stop, step = rows.indices(len(self))
        if step != 1:
            raise ValueError(f"rows {rows}: captions are read in runs of rows, step 1")
        blocks = (slice(first, min(first + BLOCK, stop)) for first in range(start, stop, BLOCK))
        return Column(pa.chunked_array([self._block(block) for block in blocks], pa.string()))

    def _block(self, rows: slice) -> pa.StringArray:
        places = self.ranges[rows][:, 2:]
        first, last = places[0, 0], places[-1, 1]
        # Captions lie one behind the other, as Arrow has them: of a picture that is left out there is none, or no text.
        ends = pa.array(np.append(first, places[:, 1]) - first, pa.int32())
        return pa.StringArray.from_buffers(len(places), ends.buffers()[1], pa.py_buffer(self._texts[first:last]))

    def shard(self, index: int) -> int:
        """The number of the shard that holds a sample."""
        return int(np.searchsorted(self.ends, index, side="right"))


def current_table(root: Path) -> Table | None:
    """The table that was stored last; None where there is none that is whole."""
    try:
        stored = json.loads((root / "table.json").read_text())
        if stored.pop("recipe") != RECIPE:
            return None
        entries = [Entry(*entry) for entry in stored["entries"]]
        return Table(root / stored["folder"], entries, stored["captioned"], stored["skipped"])
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        return None


def write_table(root: Path, facts: dict[str, ShardFacts | None]) -> Table:
    """Join the shards' indices and make the result the current table.

    Args:
        root: The set's folder in the cache.
        facts: What the stored index of each shard says, by the shard's name; None where it cannot be read.

    Raises:
        UserError: The cache cannot be written.
        NoSamples: Nothing is left.
    """
    captioned = any(shard.captioned for shard in facts.values() if shard)
    skipped: Counter[str] = Counter()
    for shard in facts.values():
        skipped.update(shard.left_out(captioned) if shard else {UNREADABLE: 1})
    stored: dict[str, Any] = {
        "recipe": RECIPE,
        "entries": [_entry(name, shard, captioned) for name, shard in facts.items()],
        "captioned": captioned,
        "skipped": {cause: count for cause, count in skipped.items() if count},
    }
    used = {index_file(root, name): shard for name, shard in facts.items() if shard}
    if not any(shard.count(captioned) for shard in used.values()):
        raise NoSamples(stored["skipped"])
    folder = root / f"table-{_hash([RECIPE, captioned, [entry._replace(tried=0) for entry in stored['entries']]])}"
    if not _whole(folder):
        shutil.rmtree(folder, ignore_errors=True)
        with atomic_folder(folder) as draft:
            _write_arrays(draft, used, captioned)
    with atomic_file(root / "table.json", root) as file:
        file.write_text(json.dumps(stored | {"folder": folder.name}))
    _remove_old(root, folder)
    return Table(folder, stored["entries"], captioned, stored["skipped"])


def _entry(name: str, shard: ShardFacts | None, captioned: bool) -> Entry:
    if shard is None:
        return Entry(name, None, 0, 0, round(time.time()))
    return Entry(name, shard.version, shard.length, shard.count(captioned))


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def _whole(folder: Path) -> bool:
    with suppress(OSError, EOFError, ValueError):
        return all(MappedRows(folder / f"{name}.npy").shape for name in _ARRAYS)
    return False


def _write_arrays(folder: Path, shards: dict[Path, ShardFacts], captioned: bool) -> None:
    count = sum(shard.count(captioned) for shard in shards.values())
    width = max(shard.widest for shard in shards.values())
    keys = open_memmap(folder / "keys.npy", "w+", np.uint8, (count, width))
    ranges = open_memmap(folder / "ranges.npy", "w+", np.int64, (count, 4))
    texts = open_memmap(folder / "texts.npy", "w+", np.uint8, (sum(shard.text for shard in shards.values()), 1))
    row = text = 0
    for path, shard in shards.items():
        part, rows = load_rows(path), slice(row, row + shard.count(captioned))
        usable = part.usable(captioned)
        keys[rows] = part.keys[usable].astype(f"S{width}")[:, None].view(np.uint8)
        ends = text + np.cumsum(np.maximum(part.lengths, 0))
        ranges[rows] = np.column_stack([part.ranges, ends - np.maximum(part.lengths, 0), ends])[usable]
        texts[text : text + shard.text, 0] = part.texts
        row, text = rows.stop, text + shard.text


def _remove_old(root: Path, current: Path) -> None:
    for folder in root.glob("table-*"):
        with suppress(OSError):
            if folder != current and time.time() - folder.stat().st_mtime > _KEPT_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
