"""Similarities from lists against looking each pair up; numbers beyond float's, and what the lists leave out."""

import numpy as np
import pytest
import torch
from embedded import clustered, cosines

from xclr_lightning.graphs import NeighbourGraph
from xclr_lightning.graphs.unit_vectors import UnitVectors
from xclr_lightning.graphs.unlisted import related_samples, unlisted_similarity

FLOOR = 0.125


def random_graph(samples: int, vectors: int, k: int, seed: int = 0, first: int = 0) -> NeighbourGraph:
    """Lists without rhyme or reason, not symmetric, with empty places, and similarities below the floor too."""
    rng = np.random.default_rng(seed)
    ids = np.stack([rng.permutation(np.delete(np.arange(vectors), i))[:k] for i in range(vectors)]).astype(np.int32)
    ids[rng.random(ids.shape) < 0.2] = -1
    similarities = rng.uniform(-1, 1, ids.shape).astype(np.float32)
    return NeighbourGraph(rng.integers(vectors, size=samples), ids, similarities, FLOOR)


def looked_up(graph: NeighbourGraph, i: int, j: int) -> float:
    """What the two lists say of a pair, one entry after the other."""
    one, other = graph.vector[i], graph.vector[j]
    if one == other:
        return 1.0
    stated = [
        float(value)
        for a, b in ((one, other), (other, one))
        for number, value in zip(graph.ids[a], graph.similarities[a], strict=True)
        if number == b
    ]
    return max(stated, default=graph.floor)


def nodes(graph: NeighbourGraph, samples) -> torch.Tensor:
    return torch.stack([graph.nodes(i) for i in samples])


@pytest.mark.parametrize(("samples", "vectors", "k"), [(30, 12, 4), (20, 200, 60), (9, 2, 1), (25, 25, 24)])
def test_every_pair_is_what_its_lists_state(samples, vectors, k):
    graph = random_graph(samples, vectors, k)
    rng = np.random.default_rng(1)
    one, other = rng.integers(samples, size=17), rng.integers(samples, size=11)
    found = graph.similarity(nodes(graph, one), nodes(graph, other))
    expected = torch.tensor([[looked_up(graph, i, j) for j in other] for i in one])
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)
    assert len(found.unique()) >= 2


def test_blocks_and_transposes_agree():
    graph = random_graph(40, 15, 5)
    everything = nodes(graph, range(40))
    whole = graph.similarity(everything, everything)
    assert torch.equal(whole, whole.T)
    assert torch.equal(graph.similarity(everything[7:9], everything), whole[7:9])


def test_numbers_beyond_the_whole_numbers_of_float32():
    far = 2**24

    class Far:
        """Lists of vectors 2²⁴ and 2²⁴ + 1, which are one number in float32."""

        shape = (far + 3, 1)

        def __init__(self, rows: dict[int, np.ndarray]) -> None:
            self.rows = rows

        def __getitem__(self, row: int) -> np.ndarray:
            return self.rows[row]

    ids = Far({far: np.array([far + 1], np.int32), far + 1: np.array([5], np.int32), 5: np.array([far], np.int32)})
    values = Far(
        {far: np.array([0.9], np.float32), far + 1: np.array([0.8], np.float32), 5: np.array([0.3], np.float32)}
    )
    graph = NeighbourGraph(np.array([far, far + 1, 5]), ids, values, FLOOR)
    found = graph.similarity(nodes(graph, range(3)), nodes(graph, range(3)))
    expected = torch.tensor([[1, 0.9, 0.3], [0.9, 1, 0.8], [0.3, 0.8, 1]])
    assert torch.equal(found, expected)


def test_similarities_keep_every_bit_under_autocast():
    graph = random_graph(10, 10, 5)
    a = nodes(graph, range(10))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(graph.similarity(a, a), graph.similarity(a, a))
        found = graph.similarity(a, a)
    stated = graph.similarities[(graph.ids >= 0)]
    assert found.dtype == torch.float32
    assert set(found.flatten().tolist()) <= {1.0, FLOOR, *stated.tolist()}


def test_expected_neighbours_of_an_anchor():
    # The case of 12 million samples, a batch of 1024 and 64 neighbours.
    few = NeighbourGraph(np.empty(12_000_000, np.int8), np.empty((1, 64), np.int32), np.empty((1, 64)), 0.3)
    assert few.expected(1024) == pytest.approx(0.005456, rel=1e-3)


@pytest.mark.parametrize(("batch", "warned"), [(4, True), (40, False)])
def test_a_warning_where_neighbours_are_rare(batch, warned, caplog):
    graph = random_graph(40, 40, 2)
    graph.warn_if_rare(batch)
    assert ("finds 0.15 related samples in a random batch of 4" in caplog.text) is warned
    assert ("the floor 0.125" in caplog.text) is warned


def test_expected_is_what_random_batches_have():
    graph = random_graph(60, 20, 4)
    graph.related = related_samples(graph.vector, graph.ids)
    rng, found = np.random.default_rng(0), []
    lists = [set(row[row >= 0]) | {i} for i, row in enumerate(graph.ids)]
    for _ in range(2000):
        batch = graph.vector[rng.permutation(60)[:12]]
        found.append(sum(other in lists[batch[0]] for other in batch[1:]))
    assert np.mean(found) == pytest.approx(graph.expected(12), rel=0.05)


def test_the_floor_is_the_mean_of_what_no_list_holds():
    stored = clustered(50, clusters=5)
    vector = np.random.default_rng(2).integers(50, size=200)
    all_cosines = cosines(stored)
    ids = np.argsort(-all_cosines, axis=1)[:, :6].astype(np.int32)
    listed = np.eye(50, dtype=bool)
    listed[np.arange(50)[:, None], ids] = True
    listed |= listed.T
    pairs = all_cosines[vector][:, vector][~listed[vector][:, vector]]
    found = unlisted_similarity(UnitVectors([stored]), vector, ids, seed=0)
    assert found["value"] == pytest.approx(pairs.mean(), abs=0.005)
    assert found["std"] == pytest.approx(pairs.std(), abs=0.005)
    assert found["reason"].startswith("mean similarity of ")
    everything = np.argsort(-all_cosines, axis=1)[:, :49].astype(np.int32)
    assert unlisted_similarity(UnitVectors([stored]), vector, everything, 0)["reason"] == "no pair is unlisted"
