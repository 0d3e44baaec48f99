"""A walk over the headers of a tar file that reads little else: ustar, GNU and pax, whole or cut off."""

import os
import zlib
from collections.abc import Iterator
from typing import NamedTuple

BLOCK = 512
TRUNCATED, DAMAGED, UNREADABLE = "truncated shard", "damaged shard", "unreadable shard"
# Enough for the JSON and text file behind a picture and the header of the next one, which one read then brings.
_CHUNK, _LONGEST = 8192, 1 << 17
_END = bytes(BLOCK)
_FILES, _LINKS = b"\x0007", b"123456"
_DIGITS, _TERMINATORS = b"01234567", b"\0 "
_ADLER_MODULUS = 65521


class BrokenTar(Exception):
    """A tar file that ends early, is damaged in the middle, or is none; its text is which of these."""


class Member(NamedTuple):
    """A regular file in a tar: its name, and where its bytes are."""

    name: bytes
    offset: int
    size: int


class ChunkReader:
    """Bytes of a file at any place, a chunk at a time.

    Args:
        descriptor: The open file; its position is neither used nor moved.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._start, self._chunk, self._ahead = descriptor, 0, b"", _CHUNK

    def read(self, offset: int, size: int) -> bytes:
        """Bytes from ``offset`` on, fewer where the file ends.

        Raises:
            OSError: The file cannot be read.
        """
        start = offset - self._start
        if start < 0 or start + size > len(self._chunk):
            gap = start - len(self._chunk)
            self._ahead = min(2 * self._ahead, _LONGEST) if gap < _CHUNK else _CHUNK  # small pictures are read over
            self._start, self._chunk = offset, os.pread(self._descriptor, max(size, self._ahead), offset)
            start = 0
        return self._chunk[start : start + size]


def members(reader: ChunkReader, length: int) -> Iterator[Member]:
    """The regular files of a tar, in order, for as long as they are whole.

    Args:
        reader: The file.
        length: Its bytes.

    Raises:
        BrokenTar: After the last whole member: the file ends early or is damaged behind it.
        OSError: The file cannot be read.

    Reference:
        POSIX.1-2017, ``pax``: "pax Interchange Format", "ustar Interchange Format". GNU tar's manual: "Basic Tar
        Format".
    """
    offset = 0
    common: dict[bytes, bytes] = {}
    own: dict[bytes, bytes] = {}
    while (header := reader.read(offset, BLOCK)) != _END:
        if not _valid(header):
            raise BrokenTar(UNREADABLE if offset == 0 else TRUNCATED if len(header) < BLOCK else DAMAGED)
        kind, start = header[156:157], offset + BLOCK
        attributes = {**common, **own} if common else own
        size = _size(header, attributes)
        offset = start if kind in _LINKS else start + -(-size // BLOCK) * BLOCK
        if start + size > length and kind not in _LINKS:
            raise BrokenTar(TRUNCATED)
        if kind == b"x":
            own = own | _records(reader.read(start, size))
        elif kind == b"g":
            common = common | _records(reader.read(start, size))
        elif kind == b"L":
            own = own | {b"path": reader.read(start, size).rstrip(b"\0")}
        elif kind != b"K":  # a long target of a link says nothing of what follows
            if kind in _FILES:
                yield Member(attributes.get(b"path") or _name(header), start, size)
            own = {}


def _valid(header: bytes) -> bool:
    """Whether the header's bytes have the sum it states, its own field counted as spaces."""
    if len(header) < BLOCK:
        return False
    field = header[148:156]
    try:
        total = _number(field[:7]) + sum(field) - 8 * ord(" ")
    except ValueError:
        return False
    # The lower half of Adler-32 is one more than the sum, modulo a prime: it costs a tenth of summing in Python.
    return zlib.adler32(header) & 0xFFFF == (total + 1) % _ADLER_MODULUS


def _size(header: bytes, attributes: dict[bytes, bytes]) -> int:
    try:
        size = int(attributes[b"size"]) if b"size" in attributes else _number(header[124:136])
    except ValueError as error:
        raise BrokenTar(DAMAGED) from error
    if size < 0:
        raise BrokenTar(DAMAGED)
    return size


def _number(field: bytes) -> int:
    if field[-1] in _TERMINATORS and field[0] in _DIGITS:  # as nearly all are
        return int(field[:-1], 8)
    if field[0] & 0x80:  # GNU's form for files of 8 GiB and more
        return int.from_bytes(field[1:], "big")
    return int(field.partition(b"\0")[0].strip() or b"0", 8)


def _name(header: bytes) -> bytes:
    name = header[:100].partition(b"\0")[0]
    if header[345] and header[257:263] == b"ustar\0":
        return header[345:500].partition(b"\0")[0] + b"/" + name
    return name


def _records(content: bytes) -> dict[bytes, bytes]:
    """Keywords and values of a pax header: ``LENGTH KEYWORD=VALUE`` and a line feed, the length being the record's."""
    found: dict[bytes, bytes] = {}
    if b"path=" not in content and b"size=" not in content:
        return found  # most often there is but a time with its fraction
    while content:
        length, _, _ = content.partition(b" ")
        if not length.isdigit() or not 0 < int(length) <= len(content):
            raise BrokenTar(DAMAGED)
        keyword, _, value = content[len(length) + 1 : int(length) - 1].partition(b"=")
        found[keyword] = value
        content = content[int(length) :]
    return found
