"""One pass over all pairs against loops over them."""

import numpy as np
import pytest
import torch
from stored_graphs import unit

from xclr_lightning.graphs import ClassTableGraph, EmbeddingGraph
from xclr_lightning.graphs.inspection import survey as module
from xclr_lightning.graphs.inspection.survey import BINS, survey


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(module, "ROWS", 7)


def cosines(count: int = 40) -> tuple[EmbeddingGraph, torch.Tensor, np.ndarray]:
    """A graph with three pairs of near-duplicates, two of which share a vector, and its similarities in float64."""
    vectors = unit(count)
    for one, other, by in ((3, 30, 0.01), (5, 6, 0.05), (6, 31, 0.02)):
        vectors[other] = vectors[one] + by * unit(count, seed=2)[other]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    graph = EmbeddingGraph([vectors.astype(np.float32)])
    return graph, torch.stack([graph.nodes(i) for i in range(count)]), vectors @ vectors.T


def test_pairs_are_counted_once_each_way():
    graph, nodes, similarity = cosines()
    found = survey(graph, nodes)
    values = [similarity[i, j] for i in range(40) for j in range(40) if i != j]
    assert found.mean == pytest.approx(np.mean(values), abs=1e-6)
    expected = np.histogram(values, bins=BINS, range=(-1, 1))[0]
    assert found.histogram.sum() == len(values)
    assert abs(found.histogram.numpy() - expected).sum() <= 4  # rounding at the edges of bins
    for share in (0.05, 0.5, 0.95):
        assert found.quantile(share) == pytest.approx(np.quantile(values, share), abs=2 / BINS)


def test_neighbours_are_the_most_similar_others():
    graph, nodes, similarity = cosines()
    found = survey(graph, nodes, k=4)
    for i in range(40):
        order = sorted((j for j in range(40) if j != i), key=lambda j: -similarity[i, j])
        assert found.neighbours[i].tolist() == order[:4]
        np.testing.assert_allclose(found.similarities[i], similarity[i, order[:4]], atol=1e-6)
    assert found.in_list.all()


def test_near_duplicates():
    graph, nodes, similarity = cosines()
    found = survey(graph, nodes, examples=2)
    pairs = [(i, j) for i in range(40) for j in range(i) if similarity[i, j] > 0.95]
    assert found.duplicate_pairs == len(pairs) >= 3
    assert found.duplicated == len({i for pair in pairs for i in pair})
    best = sorted(pairs, key=lambda pair: -similarity[pair])[:2]
    assert [set(pair) for pair in found.duplicates.tolist()] == [set(pair) for pair in best]


def test_of_equals_none_is_in_a_list():
    """A graph of labels: all others are as far, so who comes first means nothing."""
    found = survey(ClassTableGraph(torch.eye(9), torch.arange(9)), torch.arange(9))
    assert not found.in_list.any()
    assert found.mean == 0
    assert found.duplicate_pairs == 0


@pytest.mark.parametrize("count", [2, 3, 4])
def test_few(count):
    table = torch.eye(count) * 0.5 + 0.5
    found = survey(ClassTableGraph(table, torch.arange(count)), torch.arange(count))
    assert found.neighbours.shape == (count, 1)
    assert found.mean == pytest.approx(0.5)
