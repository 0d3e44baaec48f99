"""Graphs made of other graphs: projected embeddings and weighted sums."""

import json
import pickle

import numpy as np
import pytest
import torch
from classed import Classed, similarities
from safetensors.numpy import save_file

from xclr_lightning.errors import UserError
from xclr_lightning.graphs import (
    EmbeddingGraph,
    GraphSource,
    LabelGraph,
    MetadataGraph,
    ProjectedGraph,
    RandomGraph,
    WeightedSum,
)
from xclr_lightning.graphs.base import Built
from xclr_lightning.graphs.projected import read_matrix
from xclr_lightning.graphs.weighted_sum import OpenSum

VECTORS = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)


class Given(GraphSource):
    """Vectors that are at hand."""

    def __init__(self, folder) -> None:
        self.folder = folder

    def prepare(self, data):
        self.folder.mkdir(exist_ok=True)
        return self.folder

    def open(self, data):
        return EmbeddingGraph([VECTORS])


@pytest.fixture
def given(tmp_path, monkeypatch) -> Given:
    """A graph of five vectors."""
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path / "cache"))
    return Given(tmp_path / "given")


@pytest.fixture
def matrix(tmp_path):
    """A matrix from 6 to 4 dimensions, in both kinds of file."""
    values = np.random.default_rng(1).normal(size=(4, 6))
    np.save(tmp_path / "w.npy", values)
    save_file({"anything": values.astype(np.float16)}, tmp_path / "w.safetensors")
    return tmp_path, values


@pytest.mark.parametrize(("file", "tolerance"), [("w.npy", 1e-6), ("w.safetensors", 2e-3)])
def test_a_projection_is_the_cosine_of_projected_vectors(given, matrix, file, tolerance):
    folder, values = matrix
    found = similarities(ProjectedGraph(given, str(folder / file)), Classed())
    projected = torch.from_numpy(VECTORS.astype(np.float64) @ values.T)
    expected = torch.nn.functional.cosine_similarity(projected[:, None], projected[None], dim=2)
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=tolerance)


def test_the_identity_changes_nothing(given, tmp_path):
    np.save(tmp_path / "eye.npy", np.eye(6))
    projected = similarities(ProjectedGraph(given, str(tmp_path / "eye.npy")), Classed())
    torch.testing.assert_close(projected, similarities(given, Classed()))


def test_a_projection_is_stored_with_its_matrix(given, matrix):
    folder, values = matrix
    graph = ProjectedGraph(given, str(folder / "w.npy"))
    stored = graph.prepare(Classed())
    np.testing.assert_allclose(np.load(stored / "matrix.npy"), values, rtol=1e-6)
    assert json.loads((stored / "graph.json").read_text())["parts"] == ["given"]
    content = bytearray((stored / "matrix.npy").read_bytes())
    content[-1] ^= 1
    (stored / "matrix.npy").write_bytes(bytes(content))
    with pytest.raises(UserError, match=r"matrix\.npy is damaged"):
        graph.open(Classed())
    np.save(folder / "w.npy", values + 1)
    assert graph.prepare(Classed()) != stored


@pytest.mark.parametrize("shape", [(4, 5), (6, 4)])
def test_a_matrix_of_another_width(given, tmp_path, shape):
    np.save(tmp_path / "w.npy", np.ones(shape))
    graph = ProjectedGraph(given, str(tmp_path / "w.npy"))
    graph.prepare(Classed())
    with pytest.raises(UserError, match=rf"has the shape \({shape[0]}, {shape[1]}\): a node of Given is \(6,\)"):
        graph.open(Classed())


def test_nodes_that_are_no_vectors(given, matrix):
    graph = ProjectedGraph(LabelGraph(), str(matrix[0] / "w.npy"))
    graph.prepare(Classed())
    with pytest.raises(UserError, match=r"a node of LabelGraph is \(\) torch.int64, expected a vector of 6 numbers"):
        graph.open(Classed())


@pytest.mark.parametrize(
    "write",
    [
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(b"\x93NUMPY"),
        lambda file: file.write_bytes(pickle.dumps([1])),
        lambda file: np.save(file, np.array([[{}]], dtype=object), allow_pickle=True),
        lambda file: np.save(file, np.array([["a"]])),
    ],
)
@pytest.mark.parametrize("suffix", [".npy", ".safetensors"])
def test_no_matrix_file(tmp_path, write, suffix):
    file = tmp_path / f"w{suffix}"
    with file.open("wb") as _:
        write(tmp_path / "w.npy")
    (tmp_path / "w.npy").rename(file)
    with pytest.raises(UserError, match=r"w.* cannot be read as one matrix in \.npy or \.safetensors") as caught:
        read_matrix(file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("values", [np.ones(6), np.ones((2, 0)), np.full((2, 2), np.nan), np.ones((1, 2, 3))])
def test_no_finite_matrix(tmp_path, values):
    np.save(tmp_path / "w.npy", values)
    with pytest.raises(UserError, match=r"expected a matrix of finite numbers \(d_out, d\)"):
        read_matrix(tmp_path / "w.npy")


def test_no_file_or_two_tensors(given, tmp_path):
    with pytest.raises(UserError, match=r"data\.graph\.matrix .* cannot be read: No such file"):
        ProjectedGraph(given, str(tmp_path / "nowhere.npy")).prepare(Classed())
    save_file({"a": np.ones((2, 6)), "b": np.ones((2, 6))}, tmp_path / "two.safetensors")
    with pytest.raises(UserError, match="cannot be read as one matrix"):
        ProjectedGraph(given, str(tmp_path / "two.safetensors")).prepare(Classed())


def test_a_sum_is_the_weighted_mean(given):
    data = Classed(other={"lat": list("01234")})
    parts = [given, LabelGraph(), RandomGraph("sample"), MetadataGraph(["lat"], ["class"])]
    found = similarities(WeightedSum(parts, [1, 2, 0, 5]), data)
    each = [similarities(part, data) for part in parts]
    torch.testing.assert_close(found, (each[0] + 2 * each[1] + 5 * each[3]) / 8)
    torch.testing.assert_close(found.diagonal(), torch.ones(5))


def test_sums_of_sums(given):
    inner = WeightedSum([given, LabelGraph()], [1, 1])
    found = similarities(WeightedSum([RandomGraph(), inner], [1, 3]), Classed())
    expected = (
        similarities(RandomGraph(), Classed()) / 4
        + 3 * similarities(given, Classed()) / 8
        + 3 * similarities(LabelGraph(), Classed()) / 8
    )
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bool, torch.uint8, torch.int64])
def test_nodes_of_any_type_and_shape_arrive_as_they_were(dtype):
    class Noting:
        """Similarity 0, of nodes that it notes."""

        def __init__(self, values: torch.Tensor) -> None:
            self.values = values

        def nodes(self, index):
            return self.values[index]

        def similarity(self, a, b):
            self.seen = a, b
            return torch.zeros(len(a), len(b))

    first = Noting((torch.randn(5, 3) * 100).to(dtype))
    others = [Noting(torch.randn(5, 2, 2)), Noting(torch.randint(-(2**62), 2**62, (5,))), Noting(torch.rand(5, 0))]
    graph = OpenSum([first, *others], [1, 1, 1, 1])
    nodes = torch.stack([graph.nodes(i) for i in range(5)])
    assert nodes.dtype == torch.uint8
    graph.similarity(nodes[1:3], nodes[torch.tensor([4, 0])])
    for part in (first, *others):
        assert part.seen[0].dtype == part.values.dtype
        assert torch.equal(part.seen[0], part.values[1:3])
        assert torch.equal(part.seen[1], part.values[[4, 0]])


@pytest.mark.parametrize("weights", [[1], [1, 2, 3], [1, -1], [0, 0], [1, float("nan")], [1, float("inf")]])
def test_no_weights(weights, given):
    with pytest.raises(
        UserError, match=r"data\.graph\.weights .* for 2 graphs: expected a number ≥ 0 for each, not all 0"
    ):
        WeightedSum([given, LabelGraph()], weights)


def test_no_graphs():
    with pytest.raises(UserError, match="for 0 graphs"):
        WeightedSum([], [])


def test_other_weights_are_another_graph(given):
    folders = {WeightedSum([given, LabelGraph()], weights).prepare(Classed()) for weights in ([1, 1], [2, 2], [1, 2])}
    assert len(folders) == 2


def test_several_processes_build_the_parts_together(given):
    class Shared(Given):
        """A graph that is whole once two processes have built their share."""

        def build(self, data, rank, world):
            return Built(self.prepare(data) if rank == world - 1 else None, encoded=3, seconds=0.5)

    graph = WeightedSum([Shared(given.folder), Shared(given.folder)], [1, 1])
    assert graph.build(Classed(), 0, 2) == Built(None, 6, 1.0)
    assert graph.build(Classed(), 1, 2) == Built(graph.prepare(Classed()), 6, 1.0)
