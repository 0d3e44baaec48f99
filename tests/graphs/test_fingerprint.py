"""Data are told apart by parts, keys and captions, and read once as long as their files stay the same."""

import pytest
from captioned import Captions

from xclr_lightning.graphs.fingerprint import fingerprint

BASE = {"text": list("abcde"), "names": [b"0", b"1", b"2", b"3", b"4"]}


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    "change",
    [
        {"text": ["another dog", *"bcde"]},
        {"names": [b"0", b"1", b"2", b"3", b"5"]},
        {"text": list("bacde")},
        {"first_part": 2},
        {"text": list("abcd"), "names": [b"0", b"1", b"2", b"3"]},
        {"text": ["", "ab", *"cde"]},
    ],
)
@pytest.mark.parametrize("versions", [{}, {"00000": "1", "00001": "1"}], ids=["unversioned", "versioned"])
def test_data_are_told_apart(change, versions):
    other = versions and dict.fromkeys(versions, "2")
    known, changed = Captions(**BASE, versions=versions), Captions(**{**BASE, **change}, versions=other)
    assert fingerprint(known) == fingerprint(Captions(**BASE))
    assert fingerprint(known) != fingerprint(changed)
    assert fingerprint(known) == fingerprint(Captions(**BASE))


class Counted(Captions):
    """Notes which captions are read."""

    def captions(self, rows: slice = slice(None)) -> list[str]:
        self.read.append(rows)
        return super().captions(rows)


def test_only_a_changed_part_is_read_again():
    data = Counted(**BASE, versions={"00000": "1", "00001": "1"})
    data.read = []
    first = fingerprint(data)
    assert data.read == [slice(0, 3), slice(3, 5)]
    assert fingerprint(data) == first
    data.versions["00001"], data.text[4] = "2", "f"
    assert fingerprint(data) != first
    assert data.read[2:] == [slice(3, 5)]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"00000": 3, "00001": ["1", "x"]}', '{"00000": ["1"]}'])
def test_a_damaged_memory_is_ignored(text, tmp_path):
    data = Captions(**BASE, versions={"00000": "1", "00001": "1"})
    first = fingerprint(data)
    (memory,) = (tmp_path / "cache" / "captions").iterdir()
    memory.write_text(text)
    assert fingerprint(data) == first


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path / "file" / "cache"))
    data = Captions(**BASE, versions={"00000": "1", "00001": "1"})
    assert fingerprint(data) == fingerprint(Captions(**BASE))
