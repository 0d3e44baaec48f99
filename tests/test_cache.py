"""Where the cache is, and that a folder arrives there whole or not at all."""

from pathlib import Path

import pytest

from xclr_lightning.cache import atomic_file, atomic_folder, cache_dir
from xclr_lightning.errors import UserError


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"XCLR_CACHE": "/a", "XDG_CACHE_HOME": "/b"}, "/a"),
        ({"XCLR_CACHE": "~/a"}, "/home/user/a"),
        ({"XCLR_CACHE": "", "XDG_CACHE_HOME": "/b"}, "/b/xclr_lightning"),
        ({"XDG_CACHE_HOME": "/b"}, "/b/xclr_lightning"),
        ({"XDG_CACHE_HOME": ""}, "/home/user/.cache/xclr_lightning"),
        ({}, "/home/user/.cache/xclr_lightning"),
    ],
)
def test_cache_dir(variables, expected, monkeypatch):
    for name in ("XCLR_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/user", **variables}.items():
        monkeypatch.setenv(name, value)
    assert cache_dir() == Path(expected)


def test_folder_appears_when_the_block_ends(tmp_path):
    target = tmp_path / "a" / "b"
    with atomic_folder(target) as draft:
        (draft / "file").write_text("whole")
        assert not target.exists()
    assert (target / "file").read_text() == "whole"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_nothing_stays_after_an_exception(error, tmp_path):
    def fail() -> None:
        with atomic_folder(tmp_path / "target") as draft:
            (draft / "file").write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_the_first_to_finish_wins(tmp_path):
    target = tmp_path / "target"
    with atomic_folder(target) as slow:
        (slow / "file").write_text("second")
        with atomic_folder(target) as fast:
            (fast / "file").write_text("first")
    assert (target / "file").read_text() == "first"
    assert list(tmp_path.iterdir()) == [target]


def test_unwritable_parent_is_one_user_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot write to the cache .*file.*; set XCLR_CACHE"):
        atomic_folder(tmp_path / "file" / "target").__enter__()


def test_a_file_appears_when_the_block_ends(tmp_path):
    target = tmp_path / "below" / "file"
    with atomic_file(target, tmp_path / "scratch") as draft:
        draft.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"
    interrupted = atomic_file(target, tmp_path / "scratch")
    interrupted.__enter__().write_text("half")
    assert not interrupted.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert target.read_text() == "new"
    assert list((tmp_path / "scratch").iterdir()) == []
