"""Neighbour lists: how much faster than comparing all pairs, at which recall; and what planning an epoch costs.

Nothing here asserts a time; ``make bench`` prints it.
"""

import time
from collections.abc import Callable

import numpy as np
import pytest

from xclr_lightning.data.neighbour_order import neighbour_order
from xclr_lightning.graphs.exact_search import exact_neighbours
from xclr_lightning.graphs.neighbours import EXACT_BLOCK, find_neighbours
from xclr_lightning.graphs.unit_vectors import UnitVectors

K = 64


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


def test_plan() -> None:
    near = (np.arange(1_000_000)[:, None] + np.random.default_rng(0).integers(1, 100, size=(1_000_000, 4))) % 1_000_000
    took = seconds(lambda: neighbour_order(np.arange(1_000_000), near, 0.5, 1024, np.random.default_rng(0)), 1)
    print(f"\nAn epoch of a million samples with neighbours, planned in {took:.1f} s")
