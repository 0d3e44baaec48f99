"""How long exact neighbours take, beside FAISS's exact search in the same run with as many threads.

The ratio is the median over rounds in which each takes its turn; nothing here asserts a time. Alone:
``OMP_NUM_THREADS=2 pytest tests/benchmarks/test_knn_speed.py -s``.
"""

import time
from collections.abc import Callable

import pytest
import torch
from torch.nn.functional import normalize

from xclr_lightning.evaluation.neighbours import nearest

BANK, QUERIES, WIDTH, K, THREADS, ROUNDS = 200_000, 10_000, 512, 200, 2, 3


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def test_search() -> None:
    faiss = pytest.importorskip("faiss")
    threads = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    faiss.omp_set_num_threads(THREADS)
    bank, queries = normalize(torch.randn(BANK, WIDTH), dim=1), normalize(torch.randn(QUERIES, WIDTH), dim=1)
    index = faiss.IndexFlatIP(WIDTH)
    index.add(bank.numpy())
    half = bank.half()
    searches = {"float32": lambda: nearest(bank, queries, K), "half precision": lambda: nearest(half, queries, K)}
    try:
        found, expected = nearest(bank, queries[:1000], K)[1], index.search(queries[:1000].numpy(), K)[1]
        took: dict[str, list[tuple[float, float]]] = {name: [] for name in searches}
        for _ in range(ROUNDS):
            for name, search in searches.items():
                took[name].append((seconds(search), seconds(lambda: index.search(queries.numpy(), K))))
    finally:
        torch.set_num_threads(threads)
    agree = (found == torch.from_numpy(expected)).float().mean().item()
    print(f"\n{K} neighbours of {QUERIES:,} queries among {BANK:,} of {WIDTH} dimensions, {THREADS} threads; "
          f"{agree:.2%} in FAISS's very place, for it rounds otherwise")  # fmt: skip
    for name, times in took.items():
        ratio = sorted(own / other for own, other in times)[ROUNDS // 2]
        own = sorted(own for own, _ in times)[ROUNDS // 2]
        print(f"bank in {name}: {own:.1f} s, {ratio:.2f} × the time of FAISS's IndexFlatIP")
    assert agree > 0.99
