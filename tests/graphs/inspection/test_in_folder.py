"""Graphs opened from their folders: what is in them under which name, and what is refused."""

import json

import numpy as np
import pytest
from stored_graphs import CLASSES, TABLE, classes, embeddings, unit

from xclr_lightning.errors import UserError
from xclr_lightning.graphs.class_table import save_table
from xclr_lightning.graphs.inspection import subject_in_folder
from xclr_lightning.graphs.manifest import write_manifest
from xclr_lightning.graphs.neighbour_store import FORM


def test_embeddings(tmp_path):
    thing_of = [0, 1, 2, 3, 4, 5, 1, 4]
    captions = ["red", "green", "a\nb", "é $5", "", "blue"]
    subject = subject_in_folder(embeddings(tmp_path / "graph", unit(6), thing_of, captions))
    assert (subject.thing, subject.count, subject.samples) == ("caption", 6, 8)
    assert sorted(subject.thing_of) == sorted(thing_of)
    assert subject.names([5, 0, 3, 2, 4]) == ["blue", "red", "é $5", "a\nb", ""]
    nodes = subject.nodes([5, 1])
    np.testing.assert_allclose(subject.graph.similarity(nodes, nodes)[0, 1], unit(6)[5] @ unit(6)[1], atol=1e-3)


def test_a_class_table(tmp_path):
    subject = subject_in_folder(classes(tmp_path / "graph"))
    assert (subject.thing, subject.count, subject.samples, subject.thing_of) == ("class", 4, None, None)
    assert subject.names([3, 0]) == ["lorry", "cat"]
    np.testing.assert_allclose(subject.graph.similarity(subject.nodes(range(4)), subject.nodes([2])).T[0], TABLE[2])


def test_wnids_are_shown_as_names(tmp_path):
    save_table(tmp_path / "graph", np.eye(2), ["n01440764", "n02084071x"], {})
    assert subject_in_folder(tmp_path / "graph").names([0, 1]) == ["tench", "n02084071x"]


@pytest.mark.parametrize(("neighbour", "name"), [("origin", "caption 2"), ("gone", "embedding 2")])
def test_neighbour_lists_take_their_names_from_the_embeddings(tmp_path, neighbour, name):
    embeddings(tmp_path / "origin", unit(4), [0, 1, 2, 3, 0])
    folder = tmp_path / "lists"
    folder.mkdir()
    np.save(folder / "ids.npy", np.array([[1], [0], [3], [2]], np.int32))
    np.save(folder / "similarities.npy", np.array([[0.9], [0.9], [0.7], [0.7]], np.float32))
    np.save(folder / "vector.npy", np.array([0, 1, 2, 3, 0]))
    stated = {"count": 5, "distinct": 4, "neighbours": 1, "related": 1.0, "floor": {"value": 0.1}, "graph": neighbour}
    write_manifest(folder, {**FORM, **stated})
    subject = subject_in_folder(folder)
    assert (subject.count, subject.samples) == (4, 5)
    assert subject.names([2]) == [name]
    nodes = subject.nodes(range(4))
    np.testing.assert_allclose(subject.graph.similarity(nodes, nodes)[2], [0.1, 0.1, 1, 0.7], rtol=1e-6)


def test_batches_are_of_different_samples(tmp_path):
    subject = subject_in_folder(embeddings(tmp_path / "graph", unit(6), [0, 1, 2, 3, 4, 5, 1, 4]))
    batch = subject.draw(100, np.random.default_rng(0))
    assert sorted(batch) == [0, 1, 1, 2, 3, 4, 4, 5]
    table = subject_in_folder(classes(tmp_path / "table"))
    counts = np.bincount(table.draw(4000, np.random.default_rng(0)), minlength=4)
    assert counts.sum() == 4000
    assert counts.min() > 850


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("vectors/00001.npy", lambda content: content[:-1]),
        ("captions/00000.npy", lambda content: content[:-2] + b"x\0"),
        ("samples/00000.npy", lambda content: b""),
    ],
)
def test_damaged_files_are_refused(tmp_path, file, change):
    folder = embeddings(tmp_path / "graph", unit(6), range(6))
    (folder / file).write_bytes(change((folder / file).read_bytes()))
    with pytest.raises(UserError, match=rf"{file} is damaged") as caught:
        subject_in_folder(folder)
    assert "\n" not in str(caught.value)


def test_captions_that_do_not_fit_are_refused_when_read(tmp_path):
    folder = embeddings(tmp_path / "graph", unit(6), range(6))
    subject = subject_in_folder(folder)
    np.save(folder / "captions" / "00000.npy", np.frombuffer(b"one\0", dtype=np.uint8))
    with pytest.raises(UserError, match=r"00000.npy is missing or damaged \(1 captions for 3 vectors"):
        subject.names([0])
    assert subject.names([5]) == ["caption 5"]  # of another unit


@pytest.mark.parametrize("form", ["formula", "composed", None, 3])
def test_forms_that_need_their_data_point_to_the_config(tmp_path, form):
    write_manifest(tmp_path, {"form": form, "count": 3})
    with pytest.raises(UserError, match=rf"has form {form!r}, .* graph inspect --config NAME"):
        subject_in_folder(tmp_path)


def test_no_classes(tmp_path):
    folder = classes(tmp_path / "graph")
    facts = json.loads((folder / "graph.json").read_text())
    (folder / "graph.json").write_text(json.dumps(facts | {"classes": None}))
    with pytest.raises(UserError, match="does not list its classes"):
        subject_in_folder(folder)
    (folder / "graph.json").write_text(json.dumps(facts | {"classes": CLASSES[:3]}))
    with pytest.raises(UserError, match=r"does not belong|expected numbers of shape"):
        subject_in_folder(folder)
