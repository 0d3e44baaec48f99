"""A graph that is damaged, or is not the data's, is refused before the first step, in one line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from captioned import CAPTIONS, Captions, LetterCounts

from xclr_lightning.errors import UserError
from xclr_lightning.graphs.manifest import check_files, read_manifest

DATA = Captions()
VECTORS, SAMPLES = Path("vectors/00000.npy"), Path("samples/00001.npy")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A stored graph."""
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path / "cache"))
    return LetterCounts().prepare(DATA)


def refusal(data: Captions = DATA) -> str:
    """The one line with which opening is refused."""
    with pytest.raises(UserError) as caught:
        LetterCounts().open(data)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def stated(folder: Path, **facts: object) -> None:
    """Change what ``graph.json`` says."""
    file = folder / "graph.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | facts))


def rewrite(change: Callable[[np.ndarray], np.ndarray], path: Path) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        np.save(folder / path, change(np.load(folder / path)), allow_pickle=False)

    return damage


def put(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(vectors: np.ndarray) -> np.ndarray:
        vectors[1, 2] = value
        return vectors

    return change


def vector(value: int) -> Callable[[np.ndarray], np.ndarray]:
    def change(table: np.ndarray) -> np.ndarray:
        table["vector"][0] = value
        return table

    return change


def renamed(table: np.ndarray) -> np.ndarray:
    table["key"][1] = b"009"
    return table


def cut(size: int, path: Path) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / path).write_bytes((folder / path).read_bytes()[:size])

    return damage


DAMAGE = {
    "NaN": (rewrite(put(np.nan), VECTORS), r"00000.npy is missing or damaged (a vector has values that are NaN or inf"),
    "infinite": (rewrite(put(np.inf), VECTORS), "a vector has values that are NaN or infinite"),
    "not normalised": (rewrite(put(2), VECTORS), "expected 1"),
    "all zero": (rewrite(np.zeros_like, VECTORS), "a vector has length 0, expected 1"),
    "cut vectors": (cut(-20, VECTORS), "vectors/00000.npy is damaged: it has 264 bytes, graph.json says 284"),
    "cut samples": (cut(60, SAMPLES), "samples/00001.npy is damaged: it has 60 bytes, graph.json says"),
    "empty file": (cut(0, VECTORS), "it has 0 bytes"),
    "rows missing": (rewrite(lambda rows: rows[:2], VECTORS), "vectors/00000.npy is damaged: it has 232 bytes"),
    "no vectors": (lambda folder: (folder / VECTORS).unlink(), "vectors/00000.npy is missing"),
    "no side file": (lambda folder: (folder / SAMPLES).unlink(), "samples/00001.npy is missing"),
    "other keys": (rewrite(renamed, SAMPLES), "at sample 4 the graph has '009', the data '001'"),
    "beyond the vectors": (rewrite(vector(4), SAMPLES), "numbers vectors up to 4, there are 4"),
    "negative number": (rewrite(vector(-1), SAMPLES), "numbers vectors from -1"),
    "wrong count": (lambda folder: stated(folder, count=6), "its count is 6, expected 5"),
    "wrong dimension": (lambda folder: stated(folder, dimension=27), "graph.json says {'count': 5, 'distinct': 4"),
    "other captions": (lambda folder: stated(folder, captions_sha256="0"), "its captions_sha256 is '0', expected '"),
    "other encoder": (lambda folder: stated(folder, model="x"), "its model is 'x', expected 'sentence-transformers/"),
    "newer form": (lambda folder: stated(folder, version=2), "form 'embedding', version 2, written by xclr_lightning"),
    "another form": (lambda folder: stated(folder, form="class table"), "has form 'class table', version 1"),
    "foreign graph.json": (lambda folder: (folder / "graph.json").write_text('{"x": []}'), "has form None, version"),
    "no object": (lambda folder: (folder / "graph.json").write_text("[]"), "holds a list, expected an object"),
    "cut graph.json": (cut(-9, Path("graph.json")), "graph.json is missing or damaged"),
    "no graph.json": (lambda folder: (folder / "graph.json").unlink(), "graph.json is missing or damaged"),
    "no graph": (shutil.rmtree, "no graph in"),
    "no units": (lambda folder: stated(folder, units=[]), "graph.json does not list its units"),
    "no files": (lambda folder: stated(folder, files=None), "graph.json does not list its files"),
}  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_refused(kind, folder):
    LetterCounts().open(DATA)
    damage, words = DAMAGE[kind]
    damage(folder)
    message = refusal()
    assert words in message
    assert str(folder) in message


def test_a_unit_that_is_not_listed_is_missed(folder):
    stated(folder, units=["00000"])
    assert "its files have {'count': 3, 'distinct': 3" in refusal()


def test_a_graph_of_other_keys_is_refused_with_both_sides(folder):
    other = Captions(CAPTIONS, [b"000", b"001", b"007", b"000", b"001"])
    wanted = LetterCounts().prepare(other)
    shutil.rmtree(wanted)
    shutil.copytree(folder, wanted)
    assert "does not belong to the data in some/data: its captions_sha256 is" in refusal(other)


def test_a_flipped_bit_that_keeps_vectors_plausible_is_found_by_the_hash(folder):
    rewrite(lambda rows: rows[::-1], VECTORS)(folder)
    LetterCounts().open(DATA)  # looks at sizes and at the vectors themselves
    with pytest.raises(UserError, match=r"vectors/00000.npy is damaged: its SHA-256 is \w+…, graph.json says \w+…"):
        check_files(folder, read_manifest(folder), hashes=True)


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return type(self.path).touch, (self.path,)


@pytest.mark.parametrize("dump", [np.ndarray.dump, lambda array, file: np.save(file, array)], ids=["pickle", "npy"])
@pytest.mark.parametrize("path", [VECTORS, SAMPLES])
def test_pickles_are_not_opened(dump, path, folder, tmp_path):
    dump(np.array([Bomb(tmp_path / "exploded")], dtype=object), folder / path)
    manifest = json.loads((folder / "graph.json").read_text())
    manifest["files"][path.as_posix()]["bytes"] = (folder / path).stat().st_size
    stated(folder, **manifest)
    assert f"{path} is missing or damaged (" in refusal()
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("path", "array"),
    [
        (VECTORS, np.zeros((3, 26))),
        (VECTORS, np.zeros(26, np.float16)),
        (SAMPLES, np.zeros(2, dtype=[("key", "S3")])),
        (SAMPLES, np.zeros((2, 2))),
    ],
    ids=["double precision", "one vector", "keys alone", "numbers"],
)
def test_arrays_of_another_form_are_refused(path, array, folder):
    np.save(folder / path, array)
    manifest = json.loads((folder / "graph.json").read_text())
    manifest["files"][path.as_posix()]["bytes"] = (folder / path).stat().st_size
    stated(folder, **manifest)
    assert f"{path} is missing or damaged (" in refusal()
