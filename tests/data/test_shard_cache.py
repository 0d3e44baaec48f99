"""Remote shards: fetched once, kept within a limit, tried again when the network fails, and done without."""

import functools
import http.server
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import fsspec
import pytest
from img2dataset import write_shards
from torch.utils.data import DataLoader, Dataset

from xclr_lightning.cache import cache_dir
from xclr_lightning.data import shard_cache, shard_place
from xclr_lightning.data.decode import BadImage
from xclr_lightning.data.shards import Shards
from xclr_lightning.errors import UserError

COUNTS = (2, 1, 3)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(shard_cache, "_BACK_OFF", (0, 0, 0))


@pytest.fixture
def root(tmp_path) -> Path:
    write_shards(tmp_path / "remote", COUNTS, fields={"class": list("abcabc")})
    return tmp_path / "remote"


@pytest.fixture
def served(root):
    """The address of a web server with the shards."""
    quiet = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(quiet, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def pixel(source: Shards, index: int) -> int:
    return source.image(index).getpixel((0, 0))[0]


def fetched() -> list[Path]:
    return sorted((cache_dir() / "shards" / "fetched").glob("*.tar"))


def counting(root: Path, log: Path) -> str:
    """A command that writes a shard and a line to a log."""
    return f"pipe:n={{00000..00002}}; echo $n >> {log}; cat {root}/$n.tar"


@pytest.mark.parametrize("kind", ["file", "memory", "http", "pipe"])
def test_every_kind_of_place_gives_what_the_folder_gives(kind, root, request):
    if kind == "memory":
        for path in root.glob("*.tar"):
            fsspec.filesystem("memory").pipe(f"/bucket/{path.name}", path.read_bytes())
    prefix = {"file": f"file://{root}", "memory": "memory://bucket", "pipe": f"pipe:cat {root}"}
    base = prefix[kind] if kind in prefix else request.getfixturevalue("served")
    source, local = Shards(base + "/{00000..00002}.tar"), Shards(root)
    assert [pixel(source, i) for i in range(6)] == list(range(6))
    assert (source.captions(), source.fields("class")) == (local.captions(), local.fields("class"))
    assert (source.keys().tolist(), source.parts()) == (local.keys().tolist(), local.parts())
    assert source.version("00001") == Shards(base + "/{00000..00002}.tar").version("00001")


def test_the_index_is_kept_for_good(root, tmp_path):
    place = f"file://{root}/{{00000..00002}}.tar"
    versions = [Shards(place).version(part) for part in ("00000", "00001")]
    for path in [*root.iterdir(), *fetched()]:
        path.unlink()
    source = Shards(place)
    assert source.captions() == [f"caption {i}" for i in range(6)]
    assert source.fields("class") == list("abcabc")
    assert [source.version(part) for part in ("00000", "00001")] == versions
    assert versions[0] != versions[1]
    with pytest.raises(BadImage, match=r"00000.tar/000000000: OSError: file://.* cannot be fetched: FileNotFoundError"):
        source.image(0)


def test_a_shard_that_changed_elsewhere_gives_bad_pictures(root):
    source = Shards(f"file://{root}/{{00000..00002}}.tar")
    for path in fetched():
        path.unlink()
    (root / "00001.tar").write_bytes((root / "00002.tar").read_bytes() + bytes(10240))
    assert pixel(source, 0) == 0
    with pytest.raises(BadImage, match="has changed since it was indexed; start again, or delete"):
        source.image(2)


def test_a_flaky_command_is_tried_again(root, tmp_path):
    log = tmp_path / "log"
    source = Shards(f"pipe:echo >> {log}; test $(wc -l < {log}) -gt 3 && cat {root}/00001.tar")
    assert (pixel(source, 0), source.skipped, len(log.read_text().splitlines())) == (2, {}, 4)


def test_a_shard_that_cannot_be_fetched_is_done_without(root, monkeypatch, tmp_path):
    place = counting(root, log := tmp_path / "log")
    moved = (root / "00001.tar").rename(root / "elsewhere")
    source = Shards(place)
    assert source.skipped == {"unreadable shard": 1}
    assert source.captions() == [f"caption {i}" for i in (0, 1, 3, 4, 5)]
    assert pixel(source, 2) == 3
    moved.rename(root / "00001.tar")
    attempts = log.read_text()
    assert len(Shards(place)) == 5  # as the run's other processes found it
    assert log.read_text() == attempts
    monkeypatch.setattr(shard_place, "_PATIENCE", -1)
    assert (len(Shards(place)), Shards(place).skipped) == (6, {})
    assert log.read_text() == attempts + "00001\n"


def test_an_attempt_that_was_killed_leaves_nothing_for_long(root):
    left = cache_dir() / "shards" / "fetched" / "partial" / "left"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    place = f"file://{root}/{{00000..00002}}.tar"
    Shards(place)
    assert left.exists()  # it may be one that another process fetches
    os.utime(left, (0, 0))
    fetched()[0].unlink()
    pixel(Shards(place), 0), pixel(Shards(place), 2), pixel(Shards(place), 3)
    assert not left.exists()


def test_nothing_can_be_fetched(root):
    with pytest.raises(UserError, match=r"pipe:false \{0..1\} holds no picture that can be used \(2 × unreadable"):
        Shards("pipe:false {0..1}")


def test_threads_fetch_a_shard_once(root, tmp_path):
    source = Shards(counting(root, log := tmp_path / "log"))
    for path in fetched():
        path.unlink()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda i: Shards.image(source, i % 6).getpixel((0, 0))[0], range(24))) == [*range(6)] * 4
    assert sorted(log.read_text().split()) == sorted(["00000", "00001", "00002"] * 2)


def opened(place: str) -> list[str]:
    return Shards(place).captions()


def test_processes_index_side_by_side(root, tmp_path):
    place = counting(root, log := tmp_path / "log")
    with get_context("fork").Pool(4) as pool:
        assert pool.map(opened, [place] * 8, chunksize=1) == [[f"caption {i}" for i in range(6)]] * 8
    assert sorted(log.read_text().split()) == ["00000", "00001", "00002"]


class Pixels(Dataset):
    def __init__(self, source: Shards) -> None:
        self.source = source

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> int:
        return pixel(self.source, index)


def test_forked_workers_fetch(served):
    """After the main process has used the network, which no forked process may go on using."""
    source = Shards(served + "/{00000..00002}.tar")
    for path in fetched():
        path.unlink()
    loader = DataLoader(Pixels(source), batch_size=2, num_workers=2, multiprocessing_context="fork", timeout=60)
    assert [value for batch in loader for value in batch.tolist()] == list(range(6))
    assert len(fetched()) == 3


def test_the_copies_unused_for_longest_make_room(root, monkeypatch):
    for path in root.glob("*.tar"):
        path.write_bytes(path.read_bytes().ljust(20_480, b"\0"))
    monkeypatch.setenv("XCLR_SHARD_CACHE_GB", str(52e3 / 1e9))  # room for two
    source = Shards(f"file://{root}/{{00000..00002}}.tar")
    assert len(fetched()) == 2
    for index in (0, 2, 3):  # one of each shard
        pixel(source, index)
    first = set(fetched())
    assert len(first) == 2
    assert pixel(source, 0) == 0  # removed, but open still
    copy = Shards(f"file://{root}/{{00000..00002}}.tar")
    assert [pixel(copy, i) for i in range(6)] == list(range(6))
    assert len(fetched()) == 2


@pytest.mark.parametrize("limit", ["much", "-1", "nan"])
def test_a_limit_that_is_no_number(limit, root, monkeypatch):
    monkeypatch.setenv("XCLR_SHARD_CACHE_GB", limit)
    with pytest.raises(UserError, match=f"XCLR_SHARD_CACHE_GB is '{limit}': expected gigabytes"):
        Shards(f"file://{root}/00000.tar")


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("nowhere://b/{0..1}.tar", r"nowhere://b/0.tar cannot be read: .*expected a URL that fsspec knows"),
        ("s3://b/{5..1}.tar", r"have the range \{5..1\}, which runs backwards"),
        ("s3://b/{0..1}/{a,b}.tar", r"have a brace that is no range: expected one such as \{00000..02175\}"),
    ],
)
def test_a_pattern_that_cannot_be_used(place, message):
    with pytest.raises(UserError, match=message):
        Shards(place)
