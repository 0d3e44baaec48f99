"""Neighbour lists as a graph on disk: what is stored, what they are over, and what is refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from embedded import Given, Numbered, clustered, cosines

from xclr_lightning.errors import UserError
from xclr_lightning.graphs import NeighbourGraph, NeighbourListGraph, ProjectedGraph, neighbours
from xclr_lightning.graphs.base import Built
from xclr_lightning.graphs.manifest import file_sha256

STORED = clustered(30, clusters=4)
VECTOR = np.random.default_rng(0).integers(30, size=70)
DATA = Numbered(70)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path))


def source(**settings) -> NeighbourListGraph:
    return NeighbourListGraph(Given(STORED, VECTOR), **{"k": 5, **settings})


def whole(graph: NeighbourGraph) -> torch.Tensor:
    nodes = torch.stack([graph.nodes(i) for i in range(len(graph))])
    return graph.similarity(nodes, nodes)


def manifest(folder: Path) -> dict:
    return json.loads((folder / "graph.json").read_text())


def test_listed_pairs_have_their_cosine_and_all_others_the_floor():
    listed = source()
    folder = listed.prepare(DATA)
    assert listed.prepare(DATA) == folder
    facts = manifest(folder)
    expected = cosines(STORED)
    near = np.zeros((30, 30), dtype=bool)
    near[np.arange(30)[:, None], np.argsort(-expected, axis=1)[:, :5]] = True
    by_vector = np.where(near | near.T, expected, facts["floor"]["value"])
    np.fill_diagonal(by_vector, 1)
    np.testing.assert_allclose(whole(listed.open(DATA)), by_vector[VECTOR][:, VECTOR], atol=2e-6)
    unlisted = expected[VECTOR][:, VECTOR][(by_vector == facts["floor"]["value"])[VECTOR][:, VECTOR]]
    assert facts["floor"]["value"] == pytest.approx(unlisted.mean(), abs=0.01)


def test_graph_json_says_what_the_lists_are():
    facts = manifest(source().prepare(DATA))
    expected = {"form": "neighbour_list", "count": 70, "distinct": 30, "neighbours": 5, "dimension": 24}
    assert {name: facts[name] for name in expected} == expected
    assert (facts["search"], facts["recall_at_10"]) == ("exact", 1.0)
    assert facts["floor"]["reason"].endswith("random pairs that no list holds")
    assert set(facts["files"]) == {"ids.npy", "similarities.npy", "vector.npy"}


def test_recall_is_recorded(monkeypatch):
    pytest.importorskip("faiss")
    monkeypatch.setattr(neighbours, "EXACT_UP_TO", 100)
    stored, data = clustered(3000), Numbered(3000)
    facts = manifest(NeighbourListGraph(Given(stored), k=12, recall=0.95).prepare(data))
    assert facts["search"] == "ivf"
    assert facts["asked"] == {"search": "auto", "recall": 0.95, "seed": 0}
    assert 0.95 <= facts["recall_at_10"] <= 1
    assert facts["recall_sample"] == 1000


def test_a_floor_of_ones_own_needs_no_new_search():
    folder = source().prepare(DATA)
    assert source(floor=0.0).prepare(DATA) == folder
    assert whole(source(floor=0.0).open(DATA)).eq(0).any()
    assert not whole(source().open(DATA)).eq(0).any()


@pytest.mark.parametrize("changed", [{"k": 6}, {"search": "exact"}, {"recall": 0.9}, {"seed": 1}])
def test_other_settings_are_other_lists(changed):
    assert source(**changed).prepare(DATA) != source().prepare(DATA)


def test_no_more_neighbours_than_there_are():
    graph = NeighbourListGraph(Given(STORED[:4]), k=64).open
    data = Numbered(4)
    NeighbourListGraph(Given(STORED[:4]), k=64).prepare(data)
    assert graph(data).nodes(0).shape == (4, 2)


def test_lists_over_a_projection_are_those_of_the_projected_vectors(tmp_path):
    matrix = np.random.default_rng(0).standard_normal((6, 24)).astype(np.float32)
    np.save(tmp_path / "w.npy", matrix)
    data = Numbered(30)
    listed = NeighbourListGraph(ProjectedGraph(Given(STORED), str(tmp_path / "w.npy")), k=29)
    listed.prepare(data)
    expected = cosines(
        STORED.astype(np.float64) / np.linalg.norm(STORED.astype(np.float64), axis=1)[:, None] @ matrix.T
    )
    np.fill_diagonal(expected, 1)
    np.testing.assert_allclose(whole(listed.open(data)), expected, atol=1e-5)


class Classes(Given):
    """Nodes that are numbers of classes."""

    def open(self, data):
        class Table:
            def nodes(self, index):
                return torch.tensor(index)

        return Table()


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (
            Given(STORED, bandwidth=2.0),
            "Given has similarities that are not cosines of its embeddings .* metric cosine",
        ),
        (Classes(STORED), r"Classes has nodes of shape \(\) torch.int64: neighbours are sought among embeddings"),
        (Given(STORED[:1], [0] * 70), "all samples in some/data have one embedding"),
    ],
)
def test_what_has_no_neighbours_by_cosine(graph, words, tmp_path):
    with pytest.raises(UserError, match=words):
        NeighbourListGraph(graph).prepare(Numbered(len(STORED)) if graph.vector is None else DATA)
    assert not (tmp_path / "graphs").exists() or not list((tmp_path / "graphs").glob("*/graph.json"))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"k": 0}, "graph.k 0: at least 1"),
        ({"floor": 1.5}, "graph.floor 1.5 is no similarity"),
        ({"recall": 0.0}, "graph.recall 0.0 is not a share"),
    ],
)
def test_settings_out_of_range(settings, words):
    with pytest.raises(UserError, match=words):
        source(**settings)


def rewrite(folder: Path, name: str, array: np.ndarray) -> None:
    """Replace a file, and its entry in ``graph.json``, as a faulty program would."""
    np.save(folder / name, array)
    facts = manifest(folder)
    facts["files"][name] = {"bytes": (folder / name).stat().st_size, "sha256": file_sha256(folder / name)}
    (folder / "graph.json").write_text(json.dumps(facts))


def flip_a_bit(folder: Path) -> None:
    content = bytearray((folder / "ids.npy").read_bytes())
    content[-3] ^= 1
    (folder / "ids.npy").write_bytes(content)


def cut(folder: Path) -> None:
    content = (folder / "similarities.npy").read_bytes()
    (folder / "similarities.npy").write_bytes(content[:-8])


def restate(folder: Path, **facts) -> None:
    (folder / "graph.json").write_text(json.dumps(manifest(folder) | facts))


DAMAGES = {
    "no folder": (shutil.rmtree, "graph.json is missing"),
    "no file": (lambda f: (f / "ids.npy").unlink(), "ids.npy is missing"),
    "cut": (cut, "similarities.npy is damaged: it has"),
    "a bit": (flip_a_bit, "ids.npy is damaged: its SHA-256"),
    "NaN": (lambda f: rewrite(f, "similarities.npy", np.full((30, 5), np.nan, np.float32)), "a similarity is nan"),
    "above 1": (lambda f: rewrite(f, "similarities.npy", np.full((30, 5), 1.5, np.float32)), "a similarity is 1.5"),
    "no such vector": (lambda f: rewrite(f, "ids.npy", np.full((30, 5), 30, np.int32)), "has the number 30"),
    "wrong type": (lambda f: rewrite(f, "ids.npy", np.zeros((30, 5), np.int64)), "values of int64, expected int32"),
    "wrong shape": (lambda f: rewrite(f, "ids.npy", np.zeros((30, 4), np.int32)), r"its files have \(30, 4\)"),
    "wrong samples": (lambda f: rewrite(f, "vector.npy", np.full(70, 30)), "numbers 30 to 30 of 30 vectors"),
    "pickle": (lambda f: rewrite(f, "vector.npy", np.array([{}], dtype=object)), "vector.npy is missing or damaged"),
    "another form": (lambda f: restate(f, form="embedding"), "its form is 'embedding', expected 'neighbour_list'"),
    "another count": (lambda f: restate(f, count=71), "its count is 71, expected 70"),
    "no floor": (lambda f: restate(f, floor=None), "floor None, expected numbers"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_lists_are_refused_in_one_line(name):
    damage, words = DAMAGES[name]
    listed = source()
    folder = listed.prepare(DATA)
    listed.open(DATA)
    damage(folder)
    with pytest.raises(UserError, match=words) as caught:
        listed.open(DATA)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


def test_lists_of_other_embeddings_are_refused():
    other = NeighbourListGraph(Given(STORED[::-1].copy(), VECTOR), k=5)
    folder, wanted = source().prepare(DATA), other.prepare(DATA)
    shutil.rmtree(wanted)
    folder.rename(wanted)
    with pytest.raises(UserError, match=r"does not belong to the data in some/data: its graph is"):
        other.open(DATA)


class Shared(Given):
    """Embeddings that two processes build together."""

    finished: tuple[int, ...] = ()

    def build(self, data, rank, world):
        self.finished += (rank,)
        return Built(self.prepare(data) if len(self.finished) == world else None, encoded=15)


@pytest.mark.parametrize("ranks", [(0, 1), (1, 0)])
def test_whoever_finishes_the_embeddings_last_makes_the_lists(ranks):
    listed = NeighbourListGraph(Shared(STORED, VECTOR), k=5)
    first, last = (listed.build(DATA, rank, 2) for rank in ranks)
    assert (first.folder, first.encoded) == (None, 15)
    assert last.folder == listed.prepare(DATA)
    assert (last.folder / "ids.npy").exists()
