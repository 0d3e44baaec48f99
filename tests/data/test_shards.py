"""Tar shards as img2dataset writes them: any order, any process, what is skipped and counted, what is refused."""

import io
import json
import os
import pickle
import tarfile

import pytest
import torch
from img2dataset import write_shards
from torch.utils.data import DataLoader

from xclr_lightning.data import shards as module
from xclr_lightning.data.decode import BadImage
from xclr_lightning.data.shards import Shards
from xclr_lightning.data.source import labels
from xclr_lightning.errors import UserError


@pytest.fixture
def write_shard(tmp_path):
    """Write ``number.tar`` with members of given names and bytes."""

    def write(number: int, members: dict[str, bytes] | list[tuple[str, bytes]]):
        path = tmp_path / f"{number:05d}.tar"
        with tarfile.open(path, "w") as tar:
            for name, content in members.items() if isinstance(members, dict) else members:
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


def test_as_img2dataset_writes_them(tmp_path):
    """Failed rows are in the parquet file only, and each member has a pax header."""
    stored = write_shards(tmp_path, (3, 1, 2), failures={(0, 1), (1, 0)}, fields={"class": list("abcdef")})
    source = Shards(tmp_path)
    assert [(part, key.decode()) for part, rows in source.parts().items() for key in source.keys()[rows]] == stored
    assert values(source) == [0, 2, 4, 5]
    assert source.captions() == [f"caption {i}" for i in (0, 2, 4, 5)]
    assert source.fields("class") == ["a", "c", "e", "f"]
    assert list(source.parts()) == ["00000", "00002"]
    assert source.skipped == {"shard without pictures": 1}


@pytest.mark.parametrize(
    ("extra", "cause"), [({}, "no caption"), ({"b.txt": b""}, "empty caption"), ({"b.txt": b" \n"}, "empty caption")]
)
def test_a_picture_without_caption_is_skipped(extra, cause, write_shard, png):
    write_shard(0, {"a.png": png(1), "a.txt": b"x", "b.png": png(2), **extra, "c.png": png(3), "c.txt": b"z"})
    root = write_shard(1, {"d.png": png(4)}).parent
    source = Shards(root)
    assert source.captions() == ["x", "z"]
    assert values(source) == [1, 3]
    assert source.skipped == {"no caption": 1 + (cause == "no caption")} | ({cause: 1} if extra else {})


def test_an_unlabelled_set_opens(write_shard, png):
    root = write_shard(0, {"a.png": png(1), "a.json": b'{"class": "x"}', "b.png": png(2), "b.cls": b"7"}).parent
    source = Shards(root)
    assert (values(source), source.skipped) == ([1, 2], {})
    with pytest.raises(UserError, match=r"2 of 2 pictures have no caption, first .*00000.tar/a: expected a .txt"):
        source.captions()


def test_the_json_has_the_caption_where_there_is_no_txt(write_shard, png):
    json_files = {"a.json": b'{"caption": " said "}', "b.json": b'{"caption": null}', "c.json": b"{"}
    root = write_shard(0, {f"{key}.png": png() for key in "abcd"} | json_files).parent
    assert Shards(root).captions() == ["said"]
    assert Shards(root).skipped == {"no caption": 3}


def test_of_a_key_that_recurs_the_first_sample_is_kept(write_shard, png):
    members = [("a.png", png(1)), ("b.png", png(2)), ("b.txt", b"b"), ("a.png", png(3)), ("a.txt", b"second"),
               ("b.json", b"{}"), ("a.PNG", png(4)), ("c.png", b""), ("c.txt", b"c")]  # fmt: skip
    source = Shards(write_shard(0, members).parent)
    assert source.skipped == {"duplicate key": 2, "empty file": 1, "no caption": 1}
    assert (source.keys().tolist(), values(source)) == ([b"b"], [2])


@pytest.mark.parametrize(
    ("order", "captions", "skipped"),
    [
        # A digit is a picture of that key, a letter its caption: a of 1, b of 2.
        ("1a2b", "ab", {}),
        ("12ab", "ab", {}),
        ("a2b1", "ab", {}),
        ("12ba1", "b", {"duplicate key": 1, "no caption": 1}),
        ("12ba2b1", "b", {"duplicate key": 2, "no caption": 1}),
        ("1a2ba1", "ab", {"duplicate key": 1}),
        ("a2b11", "b", {"duplicate key": 2}),
        ("a2b1a", "b", {"duplicate key": 1}),
        ("112ba", "b", {"duplicate key": 1, "no caption": 1}),
        ("11a2b", "b", {"duplicate key": 1, "no caption": 1}),
        ("121ab", "b", {"duplicate key": 1, "no caption": 1}),
    ],
)
def test_a_picture_never_has_a_caption_of_another_sample(order, captions, skipped, write_shard, png):
    names = {"1": "1.png", "2": "2.png", "a": "1.txt", "b": "2.txt"}
    members = [(names[file], file.encode() if file in "ab" else png(int(file))) for file in order]
    source = Shards(write_shard(0, [*members, ("3.png", png(3)), ("3.txt", b"c")]).parent)
    assert "".join(source.captions()) == captions + "c"
    assert (
        dict(zip(source.keys().tolist(), source.captions(), strict=True)).items()
        <= {b"1": "a", b"2": "b", b"3": "c"}.items()
    )
    assert source.skipped == skipped


def test_hidden_files_are_no_samples(write_shard, png):
    hidden = {"._a.png": png(9), "._a.txt": b"x", "f/._b.png": png(9), ".png": png(9), "f/.png": png(9), "f/.txt": b"x"}
    root = write_shard(0, {**hidden, "a.png": png(1), "a.txt": b"a", "./.c/d.png": png(2), "./.c/d.txt": b"d"}).parent
    (root / "._00000.tar").write_bytes(b"Mac OS X")
    source = Shards(root)
    assert (values(source), list(source.captions()), source.skipped) == ([1, 2], ["a", "d"], {})


def test_compressed_shards_beside_others_are_told_once(root, caplog):
    for name in ("00004.tar.gz", "00003.tar.gz", "._00003.tar.gz"):
        (root / name).touch()
    assert len(Shards(root)) == len(Shards(root)) == 6
    (record,) = caplog.records
    assert f"2 compressed shards are left out, first {root}/00003.tar.gz: gunzip them" in record.message


def test_a_key_that_would_widen_all_others(write_shard, png):
    root = write_shard(0, {f"{'k' * 1025}.png": png(1), f"{'k' * 1025}.txt": b"x", f"{'k' * 1024}.png": png(2)}).parent
    source = Shards(root)
    assert (values(source), source.skipped) == ([2], {"key of more than 1,024 bytes": 1})


@pytest.mark.parametrize("extra", [{}, {"a.json": b'{"width": 1}'}])
def test_missing_field(extra, write_shard, png):
    root = write_shard(0, {"a.png": png(), **extra}).parent
    with pytest.raises(UserError, match=r"00000.tar/a.json has no field 'class': it has (none|width)"):
        Shards(root).fields("class")


def test_a_field_without_a_value_is_empty_and_no_label(write_shard, png):
    fields = {"a": b"null", "b": b"NaN", "c": b'""', "d": b'"null"', "e": b"0"}
    members = {f"{key}.{kind}": content for key, value in fields.items()
               for kind, content in (("png", png()), ("json", b'{"class": %s}' % value))}  # fmt: skip
    source = Shards(write_shard(0, members).parent)
    assert source.fields("class") == ["", "", "", "null", "0"]
    with pytest.raises(UserError, match=r"3 of 5 samples in .* have no 'class', first .*00000.tar/a: leave them out"):
        labels(source, "class")


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


@pytest.mark.parametrize(("start", "left"), [(600, 0), (1024 + 100, 0), (2048 + 100, 0), (3072 + 600, 1), (6144, 2)])
def test_a_truncated_shard_gives_its_whole_members(start, left, root):
    """A sample takes three members of 1,024 bytes, caption last."""
    path = root / "00002.tar"
    path.write_bytes(path.read_bytes()[:start])
    source = Shards(root)
    assert values(source) == [0, 1, 2, 3, 4, 5][: 3 + left]
    assert source.skipped == {"truncated shard": 1} | ({"no caption": 1} if start == 2048 + 100 else {})


@pytest.mark.parametrize(("start", "left"), [(0, 0), (1024, 0), (3072, 1)])
def test_a_damaged_shard_gives_what_is_before(start, left, root):
    path = root / "00002.tar"
    content = bytearray(path.read_bytes())
    content[start : start + 512] = b"x" * 512
    path.write_bytes(content)
    source = Shards(root)
    assert values(source) == [0, 1, 2, 3, 4, 5][: 3 + left]
    assert source.skipped == {"damaged shard" if start else "unreadable shard": 1}


@pytest.mark.parametrize("content", [b"", b"<html>404</html>" * 100])
def test_no_tar(content, root):
    (root / "00003.tar").write_bytes(content)
    source = Shards(root)
    assert (len(source), source.skipped) == (6, {"unreadable shard": 1})
    assert "00003" not in source.parts()


def test_nothing_but_a_broken_shard(tmp_path):
    (tmp_path / "00000.tar").write_bytes(b"<html>404</html>" * 100)
    with pytest.raises(UserError, match=r"00000.tar holds no picture that can be used \(1 × unreadable") as error:
        Shards(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("members", [{}, {"a.txt": b"x"}])
def test_shard_without_pictures(members, write_shard):
    with pytest.raises(UserError, match=r"00000.tar holds no picture that can be used .*: expected <key>.jpg"):
        Shards(write_shard(0, members).parent)


def test_a_shard_that_vanishes_or_changes_gives_bad_pictures(root, write_shard, png):
    source = Shards(root)
    (root / "00001.tar").unlink()
    write_shard(2, {"new.png": png(9)})
    with pytest.raises(BadImage, match=r"00001.tar/000010000: .*No such file"):
        source.image(2)
    with pytest.raises(BadImage, match=r"00002.tar/000020000: OSError: the shard has changed since it was indexed"):
        source.image(3)
    assert source.image(0).getpixel((0, 0))[0] == 0
    with pytest.raises(UserError, match=r"no such file or folder"):
        Shards(root / "{00001..00002}.tar")


def test_empty_and_missing_folder(tmp_path):
    with pytest.raises(UserError, match=r"no \.tar file in"):
        Shards(tmp_path)
    with pytest.raises(UserError, match=r"no such file or folder"):
        Shards(tmp_path / "gone")


def test_captions_of_a_run_of_samples(root):
    source = Shards(root)
    assert source.captions(slice(1, 4)) == source.captions()[1:4] == [f"caption é {i}" for i in (1, 2, 3)]
    assert [source.captions(rows) for rows in source.parts().values()][1] == ["caption é 2"]


def test_a_version_changes_with_its_shard(root, write_shard, png):
    source = Shards(root)
    before = [source.version(part) for part in source.parts()]
    assert before == [Shards(root).version(part) for part in source.parts()]
    write_shard(1, {"c.png": png(), "c.txt": b"another"})
    after = [source.version(part) for part in source.parts()]
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, True]
