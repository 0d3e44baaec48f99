"""A graph on disk is whole, belongs to the data it is opened with, and is never a pickle."""

import json

import numpy as np
import pytest
from captioned import Captions

from xclr_lightning.errors import UserError
from xclr_lightning.graphs.store import fingerprint, load_embeddings, save_embeddings

FACTS = {"source": "test"}


@pytest.fixture
def stored(tmp_path):
    """A graph's folder, its data and its vectors."""
    data, vectors = Captions(), np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    save_embeddings(tmp_path / "graph", data, vectors, FACTS)
    return tmp_path / "graph", data, vectors


def refused(folder, data, words, facts=FACTS) -> None:
    """Opening raises one line that names the folder."""
    with pytest.raises(UserError, match=words) as caught:
        load_embeddings(folder, data, facts)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_round_trip(stored):
    folder, data, vectors = stored
    parts = load_embeddings(folder, data, FACTS)
    assert [len(part) for part in parts] == [3, 2]
    assert all(isinstance(part, np.memmap) for part in parts)
    np.testing.assert_array_equal(np.concatenate(parts), vectors.astype(np.float16))
    manifest = json.loads((folder / "graph.json").read_text())
    assert manifest.items() >= {"form": "embedding", "count": 5, "dimension": 4, "dtype": "float16", **FACTS}.items()


def test_other_count(stored):
    folder, data, _ = stored
    refused(folder, Captions(data.text[:4], data.names[:4]), "its count is 5, expected 4; delete the graph")


def test_other_facts(stored):
    folder, data, _ = stored
    refused(folder, data, "its source is 'test', expected 'other'", {"source": "other"})


@pytest.mark.parametrize("names", [[b"001", b"000", b"002", b"000", b"001"], [b"x", b"001", b"002", b"000", b"001"]])
def test_other_keys_or_another_order(names, stored):
    folder, data, _ = stored
    refused(folder, Captions(data.text, names), r"the 3 keys in .*00000.npy are not the data's 3")


def test_other_parts(stored):
    folder, data, _ = stored
    refused(folder, Captions(data.text, data.names, first_part=2), r"the 3 keys in .*00000.npy are not the data's 2")


@pytest.mark.parametrize("size", [0, 5, 60, -1])
def test_truncated_array(size, stored):
    folder, data, _ = stored
    file = folder / "00001.npy"
    file.write_bytes(file.read_bytes()[:size])
    refused(folder, data, r"00001.npy is missing or damaged \(.*\): delete")


@pytest.mark.parametrize("array", [np.zeros((2, 4)), np.zeros(2, dtype=[("key", "S3")])])
def test_array_of_another_form(array, stored):
    folder, data, _ = stored
    np.save(folder / "00001.npy", array)
    refused(folder, data, r"00001.npy is missing or damaged")


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path) -> None:
        self.path = path

    def __reduce__(self):
        return type(self.path).touch, (self.path,)


@pytest.mark.parametrize("dump", [np.ndarray.dump, lambda array, file: np.save(file, array)])
def test_pickles_are_not_opened(dump, stored, tmp_path):
    folder, data, _ = stored
    dump(np.array([Bomb(tmp_path / "exploded")], dtype=object), folder / "00001.npy")
    refused(folder, data, "00001.npy is missing or damaged")
    assert not (tmp_path / "exploded").exists()


def test_missing_array(stored):
    folder, data, _ = stored
    (folder / "00001.npy").unlink()
    refused(folder, data, "00001.npy is missing or damaged")


@pytest.mark.parametrize("text", [None, "", '{"count": 5'])
def test_missing_or_damaged_manifest(text, stored):
    folder, data, _ = stored
    (folder / "graph.json").unlink()
    if text is not None:
        (folder / "graph.json").write_text(text)
    refused(folder, data, "no graph in .*: graph.json is missing or damaged")


def test_an_interrupted_save_leaves_nothing(tmp_path, monkeypatch):
    saved = []

    def save_once(*args, **kwargs) -> None:
        if saved:
            raise KeyboardInterrupt
        saved.append(args)

    monkeypatch.setattr(np, "save", save_once)
    with pytest.raises(KeyboardInterrupt):
        save_embeddings(tmp_path / "graph", Captions(), np.zeros((5, 4)), FACTS)
    assert saved
    assert list(tmp_path.iterdir()) == []


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
def test_fingerprint_tells_data_apart(change):
    base = {"text": list("abcde"), "names": [b"0", b"1", b"2", b"3", b"4"]}
    known, other = Captions(**base), Captions(**{**base, **change})
    assert fingerprint(known, known.text) == fingerprint(Captions(**base), base["text"])
    assert fingerprint(known, known.text) != fingerprint(other, other.text)
