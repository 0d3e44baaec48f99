"""Vectors in parts: the right row for every number, and cosines in float32."""

import numpy as np
import pytest
import torch

from xclr_lightning.graphs import EmbeddingGraph


@pytest.mark.parametrize("sizes", [[5], [2, 3], [1, 0, 3, 1], [0, 5]])
def test_numbers_run_through_the_parts(sizes):
    angle = np.arange(5) / 5
    rows = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float16)
    graph = EmbeddingGraph(np.split(rows, np.cumsum(sizes)[:-1]))
    assert len(graph) == 5
    stacked = torch.stack([graph.nodes(i) for i in range(5)])
    assert stacked.dtype == torch.float32
    torch.testing.assert_close(stacked, torch.from_numpy(rows).float(), rtol=1e-3, atol=0)
    torch.testing.assert_close(stacked.norm(dim=1), torch.ones(5))


def test_a_number_beyond_the_end_is_refused():
    with pytest.raises(IndexError):
        EmbeddingGraph([np.ones((2, 2))]).nodes(2)


def test_nodes_are_copies():
    rows = np.ones((2, 2), dtype=np.float32)
    EmbeddingGraph([rows]).nodes(0).zero_()
    assert rows.all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_similarity_is_the_cosine(dtype):
    rows = torch.randn(7, 384).to(torch.from_numpy(np.empty(0, dtype)).dtype)
    graph = EmbeddingGraph([rows.numpy()])
    nodes = torch.stack([graph.nodes(i) for i in range(7)])
    expected = torch.nn.functional.cosine_similarity(rows[:4].double()[:, None], rows[4:].double()[None], dim=2)
    with torch.autocast("cpu", torch.bfloat16):
        similarity = graph.similarity(nodes[:4], nodes[4:])
    assert similarity.dtype == torch.float32
    torch.testing.assert_close(similarity.double(), expected, rtol=0, atol=1e-6)
