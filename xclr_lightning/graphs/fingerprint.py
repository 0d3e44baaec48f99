"""What data a graph belongs to: a hash of its parts, keys and captions, remembered while the files stay as they are."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from xclr_lightning.cache import atomic_file, cache_dir
from xclr_lightning.columns import BLOCK, string_array
from xclr_lightning.errors import UserError
from xclr_lightning.graphs.base import Captioned

# Part of the name under which hashes are remembered: to be raised when they are computed in another way.
RECIPE = 1


def fingerprint(data: Captioned) -> str:
    """SHA-256 over the data's parts, keys and captions, in order, in hexadecimal.

    Captions are read a part at a time, and not again while the part's version stays the same.
    """
    digest = hashlib.sha256()
    for name, part in _parts(data):
        digest.update(f"{name}\0{part}\0".encode())
    return digest.hexdigest()


def _parts(data: Captioned) -> Iterator[tuple[str, str]]:
    place = hashlib.sha256(f"{RECIPE} {data.path.absolute()}".encode()).hexdigest()[:16]
    memory = cache_dir() / "captions" / f"{place}.json"
    known = _remembered(memory)
    seen = {}
    for name, rows in data.parts().items():
        version = data.version(name)
        if version is None:
            yield name, _digest(data, rows)
            continue
        if known.get(name, [None])[0] != version:
            known[name] = [version, _digest(data, rows)]
        seen[name] = known[name]
        yield name, seen[name][1]
    if seen and seen != _remembered(memory):
        with suppress(OSError, UserError), atomic_file(memory, memory.parent) as path:  # only time is lost without it
            path.write_text(json.dumps(seen))


def _remembered(memory: Path) -> dict[str, list[str]]:
    try:
        entries = json.loads(memory.read_text())
        return {name: [str(version), str(digest)] for name, (version, digest) in entries.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _digest(data: Captioned, rows: slice) -> str:
    digest = hashlib.sha256()
    keys, captions = data.keys()[rows], data.captions(rows)
    for start in range(0, len(keys), BLOCK):
        block = slice(start, start + BLOCK)
        texts = string_array(captions[block]).cast(pa.binary())
        terminated = pc.binary_join_element_wise(pa.array(keys[block]), texts, b"", b"\0")  # key, 0, caption, 0
        digest.update(memoryview(terminated.buffers()[2])[: pc.sum(pc.binary_length(terminated)).as_py()])
    return digest.hexdigest()
