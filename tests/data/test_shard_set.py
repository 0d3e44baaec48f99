"""The index on disk: made once a shard, again where a shard has changed, and mapped instead of read."""

import itertools
import os
import pickle
import shutil

import numpy as np
import pytest
from img2dataset import write_shards

from xclr_lightning.cache import cache_dir
from xclr_lightning.columns import Column
from xclr_lightning.data import shard_place, shard_set, shard_table
from xclr_lightning.data.shard_index import RECIPE
from xclr_lightning.data.shards import Shards
from xclr_lightning.errors import UserError


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path):
    write_shards(tmp_path / "set", (2, 1, 3))
    return tmp_path / "set"


@pytest.fixture
def indexed(monkeypatch):
    """Versions of the shards that are read to be indexed, in any order."""
    seen, read = [], shard_set.read_shard
    monkeypatch.setattr(shard_set, "read_shard", lambda fd, version: (seen.append(version), read(fd, version))[1])
    return seen


def folder():
    (found,) = (path for path in (cache_dir() / "shards").iterdir() if path.is_dir())
    return found


def test_only_what_changed_is_indexed_again(root, indexed):
    assert len(Shards(root)) == 6
    assert len(indexed) == 3
    assert Shards(root).keys().tolist() == Shards(str(root) + "/").keys().tolist()
    assert len(indexed) == 3
    os.utime(root / "00002.tar", (0, 0))
    assert len(Shards(root)) == 6
    assert indexed[3:] == [Shards(root).version("00002")]
    write_shards(root, (2, 1, 3, 4))
    (root / "00001.tar").unlink()
    assert len(Shards(root)) == 9
    assert Shards(root).captions() == [f"caption {i}" for i in (0, 1, *range(3, 10))]


@pytest.mark.parametrize("pattern", ["table.json", "index/00001.npz", "table-*/ranges.npy", "table-*/texts.npy"])
@pytest.mark.parametrize("damage", [0, 0.6])
@pytest.mark.parametrize("changed", [False, True])
def test_a_damaged_index_is_made_again(pattern, damage, changed, root):
    Shards(root)
    (path,) = folder().glob(pattern)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * damage)])
    if changed:
        os.utime(root / "00000.tar", (0, 0))
    source = Shards(root)
    assert [source.image(i).getpixel((0, 0))[0] for i in range(6)] == list(range(6))
    assert source.captions() == [f"caption {i}" for i in range(6)]


def test_an_index_of_another_recipe_is_made_again(root, indexed, monkeypatch):
    Shards(root)
    for path in folder().glob("index/*.npz"):
        with np.load(path) as stored:
            arrays = dict(stored)
        facts = arrays["facts"].tobytes().replace(b'"recipe": %d' % RECIPE, b'"recipe": 0')
        np.savez(path, **(arrays | {"facts": np.frombuffer(facts, dtype=np.uint8)}))
    table = folder() / "table.json"
    table.write_text(table.read_text().replace(f'"recipe": {RECIPE}', '"recipe": 0'))
    assert len(Shards(root)) == 6
    assert len(indexed) == 6


def test_a_link_to_nowhere_is_an_unreadable_shard_at_every_start(root, tmp_path, indexed, monkeypatch):
    (root / "00001.tar").rename(tmp_path / "elsewhere.tar")
    (root / "00001.tar").symlink_to(tmp_path / "gone.tar")
    for _ in range(2):
        assert (len(Shards(root)), Shards(root).skipped) == (5, {"unreadable shard": 1})
    assert len(indexed) == 2
    (tmp_path / "elsewhere.tar").rename(tmp_path / "gone.tar")
    monkeypatch.setattr(shard_place, "_PATIENCE", -2)
    assert (len(Shards(root)), Shards(root).skipped) == (6, {})


def test_a_source_pickles_small_whatever_was_read(tmp_path):
    write_shards(tmp_path / "many", (300,))
    write_shards(tmp_path / "few", (3,))
    sources = [Shards(tmp_path / name) for name in ("many", "few")]
    for source in sources:
        source.captions(), source.keys(), source.image(1)
    many, few = (len(pickle.dumps(source)) for source in sources)
    assert abs(many - few) < 20


def test_captions_of_runs_of_samples(tmp_path, monkeypatch):
    captions = ["été", "", "犬 runs", "a" * 300, "c", "  ", "d", "e"]
    write_shards(tmp_path / "set", (4, 4), captions=captions)
    source, kept = Shards(tmp_path / "set"), [caption for caption in captions if caption.strip()]
    for block in (65_536, 4, 1):
        monkeypatch.setattr(shard_table, "BLOCK", block)
        for start, stop in itertools.combinations_with_replacement(range(7), 2):
            assert source.captions(slice(start, stop)) == kept[start:stop]
    with pytest.raises(ValueError, match="in runs of rows"):
        source.captions(slice(5, None, -2))


def test_captions_are_read_where_they_lie(root):
    source = Shards(root)
    captions = source.captions()
    stored = source._table._texts[:]
    for chunk in captions.values.chunks:
        assert stored.ctypes.data <= chunk.buffers()[2].address < stored.ctypes.data + stored.nbytes
    assert isinstance(source.fields("url"), Column)


def test_many_shards_are_indexed_by_processes(root, monkeypatch):
    written = {"threads": folders_written(root, monkeypatch, 10), "processes": folders_written(root, monkeypatch, 1)}
    assert written["threads"] == written["processes"]


def folders_written(root, monkeypatch, few: int) -> dict[str, bytes]:
    monkeypatch.setattr(shard_set, "_FEW", few)
    Shards(root)
    content = {path.name: path.read_bytes() for path in folder().rglob("*.npy")}
    shutil.rmtree(folder())
    return content


def test_metadata_that_does_not_fit_any_more(root):
    source = Shards(root)
    os.utime(root / "00001.tar", (0, 0))
    Shards(root)
    with pytest.raises(UserError, match=r"00001.tar has changed since it was opened: start again"):
        source.fields("url")
    shutil.rmtree(folder() / "index")
    with pytest.raises(UserError, match=r"00000.tar has changed since it was opened: start again"):
        source.fields("url")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere")
def test_a_cache_that_cannot_be_written(root, tmp_path, monkeypatch):
    (tmp_path / "sealed").mkdir(mode=0o500)
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path / "sealed"))
    with pytest.raises(UserError, match=r"cannot write to the cache .*sealed.*; set XCLR_CACHE"):
        Shards(root)
