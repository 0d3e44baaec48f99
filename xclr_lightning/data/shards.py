"""Tar shards as img2dataset writes them, read in any order through an index of byte ranges."""

import io
import json
import os
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

from xclr_lightning.data.source import IMAGE_SUFFIXES, Source, decode, existing
from xclr_lightning.errors import UserError

_MEMBER = np.dtype([("offset", np.int64), ("size", np.int64)])
_KINDS = ("image", "txt", "json")
# Descriptors a process keeps open; CC12M has 2,176 shards, more than most systems let a process open.
_MOST_OPEN = 128


class Shards(Source):
    """A folder of ``00000.tar``, ``00001.tar``, … with ``<key>.jpg``, ``<key>.txt`` and ``<key>.json``.

    Shards are indexed once; captions and metadata stay in the files. Fields are those of the JSON files.

    Args:
        root: The folder.

    Raises:
        UserError: There is no shard, a shard is no tar file, or it holds no picture.
    """

    def __init__(self, root: str | Path) -> None:
        self.path = existing(Path(root).expanduser())
        self._shards = sorted(self.path.glob("*.tar"))
        if not self._shards:
            raise UserError(f"no .tar file in {self.path}")
        indices = [_index(shard) for shard in self._shards]
        self._keys = np.concatenate([keys for keys, _ in indices])
        self._members = np.concatenate([members for _, members in indices])
        self._ends = np.cumsum([len(keys) for keys, _ in indices])
        self._open: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def image(self, index: int) -> Image.Image:
        return decode(io.BytesIO(self._read(index, "image")), self._name(index))

    def parts(self) -> dict[str, slice]:
        starts = [0, *self._ends[:-1].tolist()]
        return {
            shard.stem: slice(start, end)
            for shard, start, end in zip(self._shards, starts, self._ends.tolist(), strict=True)
        }

    def version(self, part: str) -> str:
        state = (self.path / f"{part}.tar").stat()
        return f"{state.st_size} bytes, {state.st_mtime_ns} ns"

    def keys(self) -> np.ndarray:
        return self._keys

    def captions(self, rows: slice = slice(None)) -> list[str]:
        numbers = range(len(self))[rows]
        absent = np.flatnonzero(self._members[rows]["txt"]["size"] == 0)
        if len(absent):
            raise UserError(
                f"{len(absent)} of {len(numbers)} pictures have no caption, first {self._name(numbers[absent[0]])}: "
                "expected a .txt beside each picture in the tar"
            )
        return [self._read(i, "txt").decode("utf-8", errors="replace").strip() for i in numbers]

    def fields(self, name: str) -> list[str]:
        values = []
        for i in range(len(self)):
            record = json.loads(self._read(i, "json") or b"{}")
            if name not in record:
                raise UserError(f"{self._name(i)}.json has no field {name!r}: it has {', '.join(record) or 'none'}")
            values.append(str(record[name]))
        return values

    def _name(self, index: int) -> str:
        shard = self._shards[int(np.searchsorted(self._ends, index, side="right"))]
        return f"{shard}/{os.fsdecode(self._keys[index])}"

    def _read(self, index: int, kind: str) -> bytes:
        shard = int(np.searchsorted(self._ends, index, side="right"))
        if shard not in self._open:
            if len(self._open) == _MOST_OPEN:
                os.close(self._open.pop(next(iter(self._open))))
            self._open[shard] = os.open(self._shards[shard], os.O_RDONLY)
        member = self._members[index][kind]
        # Forked workers share descriptors, and pread leaves their position alone.
        return os.pread(self._open[shard], int(member["size"]), int(member["offset"]))

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_open": {}}


def _index(shard: Path) -> tuple[np.ndarray, np.ndarray]:
    """Keys, ``(n,)`` bytes, and the byte range of each kind of member, ``(n,)``, of the pictures in a tar file."""
    samples: dict[str, dict[str, tuple[int, int]]] = {}
    try:
        with tarfile.open(shard, "r:") as tar:
            for member in tar:
                if member.isfile():
                    key, suffix = os.path.splitext(member.name)
                    kind = "image" if suffix.lower() in IMAGE_SUFFIXES else suffix[1:].lower()
                    samples.setdefault(key, {})[kind] = (member.offset_data, member.size)
            end = tar.offset
        with shard.open("rb") as file:
            file.seek(end)
            if file.read(tarfile.BLOCKSIZE).strip(b"\0"):  # tarfile takes a broken header for the end
                raise tarfile.ReadError(f"broken header at byte {end}")
    except tarfile.TarError as error:
        raise UserError(f"{shard} cannot be read as a tar file: {error}; fetch it again or move it away") from error
    pictures = {key: members for key, members in samples.items() if "image" in members}
    if not pictures:
        raise UserError(f"{shard} holds no picture: expected <key>.jpg, <key>.txt and <key>.json")
    members = np.zeros(len(pictures), dtype=[(kind, _MEMBER) for kind in _KINDS])
    for kind in _KINDS:
        members[kind] = [found.get(kind, (0, 0)) for found in pictures.values()]
    return np.array([os.fsencode(key) for key in pictures], dtype=np.bytes_), members
