"""Vectors in parts: the right row for every number, and cosines in float32."""

import numpy as np
import pytest
import torch

from xclr_lightning.graphs import EmbeddingGraph


@pytest.mark.parametrize("sizes", [[5], [2, 3], [1, 0, 3, 1], [0, 5]])
def test_numbers_run_through_the_parts(sizes):
    rows = np.arange(10, dtype=np.float16).reshape(5, 2)
    graph = EmbeddingGraph(np.split(rows, np.cumsum(sizes)[:-1]))
    assert len(graph) == 5
    stacked = torch.stack([graph.nodes(i) for i in range(5)])
    assert stacked.dtype == torch.float16
    assert torch.equal(stacked, torch.from_numpy(rows))


def test_a_number_beyond_the_end_is_refused():
    with pytest.raises(IndexError):
        EmbeddingGraph([np.ones((2, 2))]).nodes(2)


def test_nodes_are_copies():
    rows = np.ones((2, 2), dtype=np.float32)
    EmbeddingGraph([rows]).nodes(0).zero_()
    assert rows.all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_similarity_is_the_cosine(dtype):
    a, b = torch.randn(4, 384).to(dtype), torch.randn(3, 384).to(dtype)
    expected = torch.nn.functional.cosine_similarity(a.double()[:, None], b.double()[None], dim=2)
    with torch.autocast("cpu", torch.bfloat16):
        similarity = EmbeddingGraph([]).similarity(a, b)
    assert similarity.dtype == torch.float32
    torch.testing.assert_close(similarity.double(), expected, rtol=0, atol=1e-6)
