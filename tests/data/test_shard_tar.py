"""The walk over tar headers finds what tarfile finds, whoever wrote the file."""

import io
import os
import random
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from xclr_lightning.data.shard_tar import BrokenTar, ChunkReader, Member, members

NAMES = ("000000000.jpg", "a/b/é.txt", "x" * 100, "n" * 99 + "/" + "m" * 60 + ".jpg", "deep/" * 60 + "picture.jpg")


def found(path: Path) -> list[Member]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return list(members(ChunkReader(descriptor), os.fstat(descriptor).st_size))
    finally:
        os.close(descriptor)


def expected(path: Path) -> list[Member]:
    with tarfile.open(path, "r:") as tar:
        return [Member(os.fsencode(info.name), info.offset_data, info.size) for info in tar if info.isfile()]


def add(tar: tarfile.TarFile, name: str, content: bytes, **attributes: object) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for attribute, value in attributes.items():
        setattr(info, attribute, value)
    tar.addfile(info, io.BytesIO(content))


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("mtime", [0, 1.5])
def test_what_python_writes(form, mtime, tmp_path):
    path, rng = tmp_path / "0.tar", random.Random(0)
    with tarfile.open(path, "w", format=form, pax_headers={"comment": "for all"}) as tar:
        for name in NAMES[: 4 if form == tarfile.USTAR_FORMAT else 5]:
            add(tar, name, rng.randbytes(rng.choice([0, 1, 511, 512, 513, 9000, 30_000])), mtime=mtime)
        add(tar, "folder", b"", type=tarfile.DIRTYPE)
        add(tar, "hard.jpg", b"", type=tarfile.LNKTYPE, linkname="t" * 150 if form != tarfile.USTAR_FORMAT else "t")
        add(tar, "soft.jpg", b"", type=tarfile.SYMTYPE, linkname="000000000.jpg")
        add(tar, "last.txt", b"the end")
    assert found(path) == expected(path)
    assert len(found(path)) > 4


@pytest.mark.skipif(shutil.which("tar") is None, reason="no tar program")
@pytest.mark.parametrize("form", ["v7", "oldgnu", "gnu", "ustar", "pax"])
def test_what_tar_writes(form, tmp_path):
    for number, name in enumerate(NAMES[: {"v7": 1, "ustar": 2}.get(form, 5)]):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(bytes(number * 700))
    done = subprocess.run(["tar", f"--format={form}", "-cf", "0.tar", "in"], cwd=tmp_path, capture_output=True)
    if done.returncode:
        pytest.skip("not GNU tar")
    assert sorted(found(tmp_path / "0.tar")) == sorted(expected(tmp_path / "0.tar"))
    assert found(tmp_path / "0.tar")


def test_sizes_beyond_eight_gibibytes(tmp_path):
    """In GNU's binary form and in a pax header; the files have holes for content."""
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        info = tarfile.TarInfo("huge.jpg")
        info.size = 9 << 30
        path = tmp_path / f"{form}.tar"
        header = info.tobuf(form)
        path.write_bytes(header)
        with path.open("r+b") as file:
            file.seek(info.size + len(header))
            file.write(bytes(1024))
        assert found(path) == [Member(b"huge.jpg", len(header), 9 << 30)] == expected(path)


def test_cut_anywhere_it_gives_the_whole_members_and_says_so(tmp_path):
    path, cut = tmp_path / "0.tar", tmp_path / "1.tar"
    with tarfile.open(path, "w") as tar:
        for number, name in enumerate(NAMES):
            add(tar, name, bytes(number * 400), mtime=0.5)
    whole, content = expected(path), path.read_bytes()
    end = whole[-1].offset + whole[-1].size
    for length in range(1, end, 97):
        cut.write_bytes(content[:length])
        seen = []
        with pytest.raises(BrokenTar, match="truncated shard" if length >= 512 else "unreadable shard"):
            seen.extend(walk_into(seen, cut))
        assert seen == [member for member in whole if member.offset + member.size <= length]


def walk_into(seen: list[Member], path: Path) -> list[Member]:
    """Collect members that come before an error."""
    with path.open("rb") as file:
        for member in members(ChunkReader(file.fileno()), path.stat().st_size):
            seen.append(member)
    return []


@pytest.mark.parametrize("records", [b"0 size=5\n", b"99 size=5\n", b"size=5\n", b"11 size=-9\n", b"10 size=x\n"])
def test_damaged_pax_records_end_the_walk(records, tmp_path):
    path = tmp_path / "0.tar"
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, len(records)
    path.write_bytes(header.tobuf() + records.ljust(512, b"\0") + tarfile.TarInfo("a.jpg").tobuf() + bytes(1024))
    with pytest.raises(BrokenTar, match="damaged shard"):
        found(path)


def test_a_flipped_bit_in_a_header_is_seen(tmp_path):
    path = tmp_path / "0.tar"
    with tarfile.open(path, "w") as tar:
        for name in ("a.jpg", "b.jpg"):
            add(tar, name, b"x")
    content = path.read_bytes()
    for place in range(1024, 1536, 7):
        damaged = bytearray(content)
        damaged[place] ^= 4
        path.write_bytes(damaged)
        with pytest.raises(BrokenTar, match="damaged shard"):
            found(path)
