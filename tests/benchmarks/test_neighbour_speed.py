"""Neighbour lists: how much faster than comparing all pairs, at which recall; and what looking them up costs.

Nothing here asserts a time; ``make bench`` prints it.
"""

import time
from collections.abc import Callable

import numpy as np
import pytest
import torch

from xclr_lightning.data.neighbour_order import neighbour_order
from xclr_lightning.graphs import EmbeddingGraph, NeighbourGraph
from xclr_lightning.graphs.exact_search import exact_neighbours
from xclr_lightning.graphs.neighbours import EXACT_BLOCK, find_neighbours
from xclr_lightning.graphs.unit_vectors import UnitVectors
from xclr_lightning.objectives import SimCLR

BATCH, K = 1024, 64


def seconds(function: Callable[[], object], repeats: int) -> float:
    """The median of some timed calls, after one that warms up."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return sorted(times[1:])[repeats // 2]


def test_search() -> None:
    pytest.importorskip("faiss")
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((2000, 384), dtype=np.float32)
    vectors = centres[rng.integers(2000, size=200_000)] + 0.7 * rng.standard_normal((200_000, 384), dtype=np.float32)
    stored = UnitVectors([vectors.astype(np.float16)])
    block = seconds(lambda: exact_neighbours(stored, rng.permutation(200_000)[:EXACT_BLOCK], K), 3)
    exact = block / EXACT_BLOCK * len(stored)
    ids, cosines = np.empty((200_000, K), np.int32), np.empty((200_000, K), np.float32)
    start = time.perf_counter()
    facts = find_neighbours(stored, ids, cosines, search="ivf")
    took = time.perf_counter() - start
    print(f"\n{K} neighbours of each of 200,000 vectors: {took:.0f} s, {exact / took:.1f} × faster than all pairs, "
          f"recall at 10 {facts['recall_at_10']:.4f} ({facts['probed']} of {facts['clusters']} clusters)")  # fmt: skip


def test_lookup() -> None:
    """Beside a training step of the demo's small network, the least that a step costs here."""
    settings = {"backbone": "resnet10t", "backbone_kwargs": {"channels": [32, 64, 128, 192], "stem_width": 8}}
    module, rng = SimCLR(projector=(1024, 128), **settings), np.random.default_rng(0)
    views = torch.randint(0, 256, (2, BATCH, 3, 32, 32), dtype=torch.uint8)
    batch = {"index": torch.arange(BATCH)}

    def step() -> None:
        module.batch_loss(module.project(module(views.flatten(0, 1))).unflatten(0, (2, BATCH)), batch).backward()

    near = (np.arange(20_000)[:, None] + rng.integers(1, 2000, size=(20_000, K))) % 20_000
    lists = NeighbourGraph(np.arange(20_000), near.astype(np.int32), rng.random(near.shape, dtype=np.float32), 0.1)
    embeddings = EmbeddingGraph([rng.standard_normal((20_000, 384), dtype=np.float32)])
    took = seconds(step, 3)
    for name, graph in (("neighbour lists", lists), ("embeddings", embeddings)):
        nodes = torch.stack([graph.nodes(int(i)) for i in rng.permutation(20_000)[:BATCH]])
        lookup = seconds(lambda graph=graph, nodes=nodes: graph.similarity(nodes, nodes), 15)
        print(f"\n{name}, {BATCH} × {BATCH}: {1000 * lookup:.1f} ms, {lookup / took:.2%} of a step")


def test_plan() -> None:
    near = (np.arange(1_000_000)[:, None] + np.random.default_rng(0).integers(1, 100, size=(1_000_000, 4))) % 1_000_000
    took = seconds(lambda: neighbour_order(np.arange(1_000_000), near, 0.5, 1024, np.random.default_rng(0)), 1)
    print(f"\nAn epoch of a million samples with neighbours, planned in {took:.1f} s")
