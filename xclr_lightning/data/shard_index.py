"""What is remembered of a tar shard: keys, where the pictures are, captions and metadata; one file a shard."""

import json
import os
import tempfile
import zipfile
import zlib
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xclr_lightning.data.shard_tar import BrokenTar, ChunkReader, members
from xclr_lightning.data.source import IMAGE_SUFFIXES
from xclr_lightning.errors import UserError

# To be raised when what is stored, or how it is found, changes.
RECIPE = 2
_KINDS = {suffix[1:].encode(): "image" for suffix in IMAGE_SUFFIXES} | {b"txt": "txt", b"json": "json"}
_NO_CAPTION, _EMPTY_CAPTION = -1, 0
# All keys of a set of shards are stored as wide as its longest.
_LONGEST_KEY = 1024
_DAMAGED = (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile)


@dataclass(frozen=True)
class ShardFacts:
    """What a shard adds to its set.

    Args:
        version: Of the file that was read.
        length: Its bytes.
        pictures: In the index, those without a caption included.
        uncaptioned: Pictures that have none.
        empty: Pictures whose caption is empty.
        text: Bytes of all captions.
        widest: Bytes of the longest key.
        skipped: What is not in the index, by cause.
        recipe: How the index was made.
    """

    version: str
    length: int
    pictures: int
    uncaptioned: int
    empty: int
    text: int
    widest: int
    skipped: dict[str, int]
    recipe: int = RECIPE

    @property
    def captioned(self) -> bool:
        """Whether any picture has a caption, were it an empty one."""
        return self.uncaptioned < self.pictures

    def count(self, captioned: bool) -> int:
        """How many of the pictures are samples of a set with captions, or without."""
        return self.pictures - (self.uncaptioned + self.empty if captioned else 0)

    def left_out(self, captioned: bool) -> dict[str, int]:
        """What is no sample of such a set, by cause."""
        return self.skipped | ({"no caption": self.uncaptioned, "empty caption": self.empty} if captioned else {})


@dataclass(frozen=True)
class ShardRows:
    """A shard's n pictures.

    Args:
        keys: Shape: ``(n,)``, bytes.
        ranges: First byte of each picture and number of bytes. Shape: ``(n, 2)``, int64.
        lengths: Bytes of each caption, −1 where there is none. Shape: ``(n,)``, int64.
        texts: The captions one after the other, stripped, as UTF-8. Shape: ``(text,)``, uint8.
    """

    keys: np.ndarray
    ranges: np.ndarray
    lengths: np.ndarray
    texts: np.ndarray

    def usable(self, captioned: bool) -> np.ndarray:
        """Which pictures are samples of a set with captions, or without. Shape: ``(n,)``, bool."""
        return self.lengths > _EMPTY_CAPTION if captioned else np.ones(len(self.keys), dtype=bool)


@dataclass(frozen=True)
class ShardIndex:
    """All that is stored of a shard.

    Args:
        facts: What it adds to its set.
        rows: Its pictures.
        records: Their JSON files with a zero byte between them, compressed.
    """

    facts: ShardFacts
    rows: ShardRows
    records: bytes


def read_shard(descriptor: int, version: str) -> ShardIndex:
    """Index an open tar file.

    A caption is a picture's ``.txt``; in a shard without any, the field ``caption`` of its ``.json``.

    Args:
        descriptor: The file; its position is not used.
        version: Of the file, to be remembered.

    Raises:
        OSError: It cannot be read.
    """
    length = os.fstat(descriptor).st_size
    samples, skipped = _samples(ChunkReader(descriptor), length)
    pictures = {key: parts for key, parts in samples.items() if "image" in parts}
    full = {key: parts for key, parts in pictures.items() if parts["image"][1]}
    skipped["shard without pictures"] = int(not pictures and not skipped)
    skipped["empty file"] = len(pictures) - len(full)
    captions = _captions(list(full.values()))
    rows = ShardRows(
        np.array(list(full), dtype=np.bytes_),
        np.array([parts["image"] for parts in full.values()], dtype=np.int64).reshape(-1, 2),
        np.array([_NO_CAPTION if caption is None else len(caption) for caption in captions], dtype=np.int64),
        np.frombuffer(b"".join(caption for caption in captions if caption), dtype=np.uint8),
    )
    facts = ShardFacts(
        version,
        length,
        pictures=len(full),
        uncaptioned=int((rows.lengths == _NO_CAPTION).sum()),
        empty=int((rows.lengths == _EMPTY_CAPTION).sum()),
        text=len(rows.texts),
        widest=rows.keys.dtype.itemsize,
        skipped={cause: count for cause, count in skipped.items() if count},
    )
    records = zlib.compress(b"\0".join(parts.get("json", b"") for parts in full.values()), 1)
    return ShardIndex(facts, rows, records)


def index_file(root: Path, name: str) -> Path:
    """Where a shard's index is stored, in the folder of its set."""
    return root / "index" / f"{name}.npz"


def write_index(path: Path, index: ShardIndex) -> None:
    """Store an index as an ``.npz`` file, whose check sums tell whether it is whole.

    Raises:
        OSError: It cannot be written.
    """
    facts = np.frombuffer(json.dumps(asdict(index.facts)).encode(), dtype=np.uint8)
    # Without the wait for the disk of cache.atomic_file, which for thousands of shards takes longer than all the rest.
    handle, draft = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, facts=facts, records=np.frombuffer(index.records, dtype=np.uint8), **vars(index.rows))
        os.replace(draft, path)
    finally:
        Path(draft).unlink(missing_ok=True)


def load_facts(path: Path) -> ShardFacts | None:
    """What a stored index says of its shard; None where there is none that is whole and made by this recipe."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            facts = ShardFacts(**json.loads(stored["facts"].tobytes()))
            return facts if facts.recipe == RECIPE else None
    except _DAMAGED:
        return None


def load_rows(path: Path) -> ShardRows:
    """The pictures of a stored index.

    Raises:
        UserError: It is damaged.
    """
    return ShardRows(*_load(path, "keys", "ranges", "lengths", "texts"))


def load_records(path: Path) -> list[bytes]:
    """The JSON file of each picture of a stored index, empty where there is none.

    Raises:
        UserError: It is damaged.
    """
    (records,) = _load(path, "records")
    return zlib.decompress(records.tobytes()).split(b"\0")


def _load(path: Path, *names: str) -> list[np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return [stored[name] for name in names]
    except _DAMAGED as error:
        raise UserError(f"{path} is missing or damaged ({error}): delete it to index the shard again") from error


def _samples(reader: ChunkReader, length: int) -> tuple[dict[bytes, dict[str, Any]], Counter[str]]:
    """Files by key and kind: the range of a picture, the content of the others; and what was skipped."""
    samples: dict[bytes, dict[str, Any]] = {}
    apart: dict[bytes, dict[str, Any]] = {}  # what other samples' files separate from the first of the key
    repeated: set[bytes] = set()
    skipped: Counter[str] = Counter()
    last = b""
    try:
        for name, offset, size in members(reader, length):
            key, _, suffix = name.rpartition(b".")
            kind = _KINDS.get(suffix.lower())
            if kind is None or not key or name.rpartition(b"/")[2].startswith(b"."):
                continue
            if len(key) > _LONGEST_KEY:
                skipped[f"key of more than {_LONGEST_KEY:,} bytes"] += kind == "image"
                continue
            parts = (apart if key in apart or (key in samples and key != last) else samples).setdefault(key, {})
            last = key
            if kind in parts or key in repeated:
                repeated.add(key)  # whatever follows under this key is another sample's
                skipped["duplicate key"] += kind == "image"
            elif kind == "image":
                parts[kind] = (offset, size)
            else:
                parts[kind] = reader.read(offset, size).replace(b"\0", b"")
    except BrokenTar as broken:
        skipped[str(broken)] += 1
    for key, parts in apart.items():
        if key in repeated or parts.keys() & samples[key].keys():
            skipped["duplicate key"] += "image" in parts  # none of it need be the first sample's
        else:
            samples[key] |= parts
    return samples, skipped


def _captions(samples: list[dict[str, Any]]) -> list[bytes | None]:
    if any("txt" in parts for parts in samples):
        return [_stripped(parts["txt"].decode(errors="replace")) if "txt" in parts else None for parts in samples]
    return [_stripped(_caption_field(parts.get("json", b""))) for parts in samples]


def _stripped(caption: Any) -> bytes | None:
    return caption.strip().encode(errors="replace") if isinstance(caption, str) else None


def _caption_field(record: bytes) -> Any:
    try:
        return json.loads(record)["caption"]
    except (ValueError, KeyError, TypeError):
        return None
