"""Which pictures there are and what is said of each: made once from a table, and kept in the cache."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xclr_lightning.cache import atomic_folder, cache_dir
from xclr_lightning.columns import BLOCK, Column, Columns, write_columns
from xclr_lightning.progress import progress_bar

# Part of a listing's name in the cache: to be raised when listings are made in another way.
RECIPE = 2
# Bytes: all file names are stored as wide as the longest.
_LONGEST_NAME = 1024


@dataclass
class Listing:
    """Pictures, their texts, and what was left out.

    Attributes:
        keys: Each picture's file name. Shape: ``(n,)``, bytes.
        columns: Texts by column.
        skipped: How many pictures were left out, by cause.
    """

    keys: np.ndarray
    columns: Mapping[str, Column]
    skipped: dict[str, int]


class StoredListing(Listing):
    """A listing in a folder of the cache, memory-mapped; pickles as the folder's path."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        columns = Columns(folder / "columns.arrow")
        keys = np.load(folder / "keys.npy", mmap_mode="r") if columns.rows else np.empty(0, "S1")
        super().__init__(keys, columns, json.loads((folder / "skipped.json").read_text()))

    def __reduce__(self) -> tuple[type["StoredListing"], tuple[Path]]:
        return StoredListing, (self._folder,)


def cached_listing(identity: list[object], write: Callable[[Path], None]) -> StoredListing:
    """Open the listing of an identity, written first where it is missing.

    Args:
        identity: All that the listing depends on, as JSON can hold it.
        write: Writes the listing into an empty folder.

    Raises:
        UserError: The cache cannot be written, or whatever ``write`` raises.
    """
    digest = hashlib.sha256(json.dumps([RECIPE, *identity]).encode()).hexdigest()
    folder = cache_dir() / "listings" / digest[:16]
    if not folder.is_dir():
        with atomic_folder(folder) as draft:
            write(draft)
    return StoredListing(folder)


def write_listing(folder: Path, names: Sequence[str], blocks: Iterable[Sequence[pa.Array]], origin: str) -> None:
    """Write a listing a block of rows at a time; rows without a file name or a caption are counted and left out.

    So are those whose file name has more than 1,024 bytes.

    Args:
        folder: Existing empty folder.
        names: Of the columns, ``file_name`` first; captions, where there are any, are the column ``caption``.
        blocks: The columns, an array of strings each.
        origin: Where the rows come from, for the progress bar.
    """
    skipped: dict[str, int] = {}
    checks = [(f"no {name}", name, _is_there) for name in names if name in ("file_name", "caption")]
    checks.append((f"file_name of more than {_LONGEST_NAME:,} bytes", "file_name", _is_short))

    def complete() -> Iterator[list[pa.Array]]:
        with progress_bar(None, f"reading {origin}", "row", delay=5) as bar:
            for block in blocks:
                bar.update(len(block[0]))
                columns = dict(zip(names, block, strict=True))
                if "caption" in columns:
                    columns["caption"] = pc.utf8_trim_whitespace(columns["caption"])
                for cause, name, fits in checks:
                    good = fits(columns[name])
                    if bad := len(good) - good.true_count:
                        skipped[cause] = skipped.get(cause, 0) + bad
                        columns = {column: values.filter(good) for column, values in columns.items()}
                yield [normal_paths(columns[name]) if name == "file_name" else columns[name] for name in names]

    write_columns(folder / "columns.arrow", names, complete())
    _write_keys(folder)
    (folder / "skipped.json").write_text(json.dumps(skipped))


def _is_there(texts: pa.Array) -> pa.BooleanArray:
    return pc.not_equal(texts, "")


def _is_short(texts: pa.Array) -> pa.BooleanArray:
    return pc.less_equal(pc.binary_length(texts), _LONGEST_NAME)


def normal_paths(paths: pa.Array) -> pa.Array:
    """Paths in one way of writing: ``./a//b.png`` is ``a/b.png``."""
    odd = pc.match_substring_regex(paths, r"(^|/)\.{0,2}(/|$)")
    if not odd.true_count:
        return paths
    return pa.array(map(os.path.normpath, paths.to_pylist()), pa.string())


def repeated(keys: np.ndarray) -> bytes | None:
    """A key that occurs twice, None where there is none; 16 bytes a key are held.

    Example:
        >>> repeated(np.array([b"a", b"b", b"a"]))
        b'a'
    """
    hashes = np.empty(len(keys), dtype=np.int64)
    for start in range(0, len(keys), BLOCK):
        block = keys[start : start + BLOCK].tolist()
        hashes[start : start + BLOCK] = np.fromiter(map(hash, block), np.int64, len(block))
    ordered = np.sort(hashes)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    seen: set[bytes] = set()
    for row in np.flatnonzero(np.isin(hashes, twice)) if len(twice) else ():
        if keys[row] in seen:
            return bytes(keys[row])
        seen.add(keys[row])
    return None


def _write_keys(folder: Path) -> None:
    """Write file names as an array, as wide as the longest, whose pages processes share."""
    names = Columns(folder / "columns.arrow")["file_name"].values
    if not len(names):
        return
    width = pc.max(pc.binary_length(names)).as_py()
    keys = np.lib.format.open_memmap(folder / "keys.npy", "w+", np.dtype(f"S{width}"), (len(names),))
    start = 0
    for chunk in names.chunks:
        keys[start : start + len(chunk)] = chunk.cast(pa.binary()).to_pylist()
        start += len(chunk)
