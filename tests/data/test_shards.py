"""Tar shards as img2dataset writes them: any order, any process, and what is refused in one line."""

import io
import json
import os
import pickle
import tarfile

import pytest
import torch
from torch.utils.data import DataLoader

from xclr_lightning.data import shards as module
from xclr_lightning.data.shards import Shards
from xclr_lightning.data.source import BadImage
from xclr_lightning.errors import UserError


@pytest.fixture
def write_shard(tmp_path):
    """Write ``number.tar`` with members of given names and bytes."""

    def write(number: int, members: dict[str, bytes]):
        path = tmp_path / f"{number:05d}.tar"
        with tarfile.open(path, "w") as tar:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        return path

    return write


@pytest.fixture
def root(write_shard, png, tmp_path):
    """Three shards of 2, 1 and 3 samples, numbered through; ``.parquet`` and ``_stats.json`` beside them."""
    number = 0
    for shard, count in enumerate((2, 1, 3)):
        members = {}
        for i in range(count):
            key = f"{shard:05d}{i:04d}"
            members |= {
                f"{key}.json": json.dumps({"class": f"c{number % 2}", "width": 12}).encode(),
                f"{key}.png": png(number),
                f"{key}.txt": f" caption é {number}\n".encode(),
            }
            number += 1
        write_shard(shard, members)
        (tmp_path / f"{shard:05d}.parquet").touch()
        (tmp_path / f"{shard:05d}_stats.json").touch()
    return tmp_path


def values(source: Shards) -> list[int]:
    return [source.image(i).getpixel((0, 0))[0] for i in range(len(source))]


def test_samples_run_through_the_shards(root):
    source = Shards(root)
    assert values(source) == list(range(6))
    assert source.captions() == [f"caption é {i}" for i in range(6)]
    assert source.fields("class") == ["c0", "c1"] * 3
    assert source.fields("width") == ["12"] * 6
    assert source.parts() == {"00000": slice(0, 2), "00001": slice(2, 3), "00002": slice(3, 6)}
    assert source.keys().tolist()[1:4] == [b"000000001", b"000010000", b"000020000"]


def test_few_descriptors_stay_open(root, monkeypatch):
    monkeypatch.setattr(module, "_MOST_OPEN", 2)
    before = len(os.listdir("/dev/fd"))
    source = Shards(root)
    assert values(source) + values(source) == [*range(6), *range(6)]
    assert len(os.listdir("/dev/fd")) == before + 2


def test_a_pickled_copy_reads(root):
    source = Shards(root)
    source.image(0)  # opens a descriptor, which no other process has
    copy = pickle.loads(pickle.dumps(source))
    assert copy._open == {}
    assert values(copy) == list(range(6))


class FirstPixels(torch.utils.data.Dataset):
    def __init__(self, source: Shards) -> None:
        self.source = source

    def __len__(self) -> int:
        return 60

    def __getitem__(self, index: int) -> int:
        return self.source.image(index * 5 % 6).getpixel((0, 0))[0]


def test_forked_workers_read_side_by_side(root):
    source = Shards(root)
    source.image(0)  # open before the fork
    loader = DataLoader(FirstPixels(source), batch_size=5, num_workers=2, multiprocessing_context="fork")
    assert torch.cat(list(loader)).tolist() == [i * 5 % 6 for i in range(60)]


def test_key_beyond_ascii(write_shard, png):
    root = write_shard(0, {"été.png": png(), "été.txt": b"summer"}).parent
    assert Shards(root).keys().tolist() == ["été".encode()]
    assert Shards(root).captions() == ["summer"]


@pytest.mark.parametrize("extra", [{}, {"b.txt": b""}])
def test_missing_caption(extra, write_shard, png):
    root = write_shard(0, {"a.png": png(), "a.txt": b"x", "b.png": png(), **extra}).parent
    with pytest.raises(UserError, match=r"1 of 2 pictures have no caption, first .*00000.tar/b: expected a .txt"):
        Shards(root).captions()


@pytest.mark.parametrize("extra", [{}, {"a.json": b'{"width": 1}'}])
def test_missing_field(extra, write_shard, png):
    root = write_shard(0, {"a.png": png(), **extra}).parent
    with pytest.raises(UserError, match=r"00000.tar/a.json has no field 'class': it has (none|width)"):
        Shards(root).fields("class")


def test_members_without_a_picture_do_not_count(write_shard, png):
    root = write_shard(0, {"a.txt": b"lost", "b.PNG": png(7), "b.txt": b"kept"}).parent
    assert Shards(root).captions() == ["kept"]
    assert values(Shards(root)) == [7]


def test_broken_picture_is_named(write_shard, png):
    root = write_shard(0, {"a.png": png()[:40], "b.png": png(3)}).parent
    source = Shards(root)
    with pytest.raises(BadImage, match=r"00000.tar/a: "):
        source.image(0)
    assert source.image(1).getpixel((0, 0)) == (3, 3, 3)


@pytest.mark.parametrize("start", [600, 1024 + 100, 2048 + 100])
def test_truncated_shard(start, root):
    """In the first member, in the header of the second, in that of the third."""
    path = root / "00001.tar"
    path.write_bytes(path.read_bytes()[:start])
    with pytest.raises(UserError, match=r"00001.tar cannot be read as a tar file: .*fetch it again") as error:
        Shards(root)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("start", [0, 1024])
def test_overwritten_header(start, root):
    path = root / "00002.tar"
    content = bytearray(path.read_bytes())
    content[start : start + 512] = b"x" * 512
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"00002.tar cannot be read as a tar file"):
        Shards(root)


@pytest.mark.parametrize("content", [b"", b"<html>404</html>" * 100])
def test_no_tar(content, root):
    (root / "00003.tar").write_bytes(content)
    with pytest.raises(UserError, match=r"00003.tar cannot be read as a tar file"):
        Shards(root)


@pytest.mark.parametrize("members", [{}, {"a.txt": b"x"}])
def test_shard_without_pictures(members, write_shard):
    with pytest.raises(UserError, match=r"00000.tar holds no picture: expected <key>.jpg"):
        Shards(write_shard(0, members).parent)


def test_empty_and_missing_folder(tmp_path):
    with pytest.raises(UserError, match=r"no \.tar file in"):
        Shards(tmp_path)
    with pytest.raises(UserError, match=r"no such file or folder"):
        Shards(tmp_path / "gone")


def test_captions_of_a_run_of_samples(root):
    source = Shards(root)
    assert source.captions(slice(1, 4)) == source.captions()[1:4] == [f"caption é {i}" for i in (1, 2, 3)]
    assert [source.captions(rows) for rows in source.parts().values()][1] == ["caption é 2"]


def test_a_missing_caption_matters_to_its_own_run_only(root, write_shard, png):
    write_shard(3, {"a.png": png(), "a.txt": b"a", "b.png": png()})
    source = Shards(root)
    assert len(source.captions(slice(0, 7))) == 7
    with pytest.raises(UserError, match=r"1 of 2 pictures have no caption, first .*00003.tar/b"):
        source.captions(source.parts()["00003"])


def test_a_version_changes_with_its_shard(root, write_shard, png):
    source = Shards(root)
    before = [source.version(part) for part in source.parts()]
    assert before == [Shards(root).version(part) for part in source.parts()]
    write_shard(1, {"c.png": png(), "c.txt": b"another"})
    after = [source.version(part) for part in source.parts()]
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, True]
