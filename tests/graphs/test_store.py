"""The embedding form on disk: half precision, a side file a part, joined by key, each distinct vector once."""

import json
import pickle

import numpy as np
import pytest
from captioned import CAPTIONS, Captions, LetterCounts, ManyParts

from xclr_lightning.graphs import store as module
from xclr_lightning.graphs.manifest import check_files, read_manifest
from xclr_lightning.graphs.store import StoredEmbeddings
from xclr_lightning.graphs.unit_files import vector_problem


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A stored graph of the five captions."""
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path))
    return LetterCounts().prepare(Captions())


def test_a_side_file_a_part_joins_keys_to_vectors(folder):
    first, second = (np.load(folder / "samples" / f"{name}.npy") for name in ("00000", "00001"))
    assert first["key"].tolist() == [b"000", b"001", b"002"]
    assert second["key"].tolist() == [b"000", b"001"]
    assert np.concatenate([first["vector"], second["vector"]]).tolist() == [0, 1, 2, 0, 3]


def test_vectors_are_stored_once_in_half_precision(folder):
    vectors = [np.load(folder / "vectors" / f"{name}.npy") for name in ("00000", "00001")]
    assert [(part.shape, part.dtype) for part in vectors] == [((3, 26), np.float16), ((1, 26), np.float16)]
    np.testing.assert_array_equal(
        np.concatenate(vectors), LetterCounts().encode(CAPTIONS[:3] + CAPTIONS[4:]).astype(np.float16)
    )


def test_the_description(folder):
    manifest = read_manifest(folder)
    stated = {"form": "embedding", "source": "captions", "count": 5, "distinct": 4, "dimension": 26, "dtype": "float16"}
    assert manifest.items() >= stated.items()
    assert manifest["units"] == ["00000", "00001"]
    assert sorted(manifest["files"]) == sorted(
        f"{kind}/{name}.npy" for kind in ("samples", "vectors", "captions") for name in ("00000", "00001")
    )
    check_files(folder, manifest, hashes=True)


def test_what_was_encoded_can_be_read_again(tmp_path, monkeypatch):
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path))
    texts = ["ein Zug\nfährt", "", "a", "", "犬"]
    stored = StoredEmbeddings(LetterCounts(template="t{}").prepare(Captions(texts)))
    assert stored.captions_of([3, 0, 1, 2, 0]) == ["t犬", "tein Zug\nfährt", "t", "ta", "tein Zug\nfährt"]
    with pytest.raises(IndexError):
        stored.captions_of([4])


def test_opening_looks_at_a_sample_of_the_vectors_only(tmp_path, monkeypatch):
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path))
    folder = LetterCounts().prepare(ManyParts())
    looked_at = []
    monkeypatch.setattr(module, "SPOT_CHECKS", 10)
    monkeypatch.setattr(module, "vector_problem", lambda vectors, unit: looked_at.append(len(vectors)))
    StoredEmbeddings(folder)
    assert sum(looked_at) == 10


@pytest.mark.parametrize("dimension", [2, 384, 4096])
def test_half_precision_is_no_problem(dimension):
    rows = np.random.default_rng(0).normal(size=(200, dimension)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    assert vector_problem(rows.astype(np.float16), unit=True) is None
    rows[7] *= 1.01
    assert vector_problem(rows.astype(np.float16), unit=True) == (7, "a vector has length 1.01, expected 1")
    assert vector_problem(rows.astype(np.float16), unit=False) is None


def test_files_are_described_last(folder):
    names = json.loads((folder / "graph.json").read_text())["files"]
    assert "graph.json" not in names


def test_an_open_graph_holds_nothing_a_sample(tmp_path, monkeypatch):
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path))

    def pickled(size: int) -> int:
        data = ManyParts(size=size)
        LetterCounts().prepare(data)
        graph = LetterCounts().open(data)
        graph.nodes(len(data) - 1)
        return len(pickle.dumps(graph))

    assert pickled(800) < pickled(40) + 100
