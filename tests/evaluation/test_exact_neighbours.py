"""Exact nearest neighbours against a sort of all cosines in float64, and what may not change a bit of them."""

import subprocess
import sys

import pytest
import torch
from torch.nn import functional as F

from xclr_lightning.evaluation import candidates, nearest
from xclr_lightning.evaluation.fixed_point import cosines
from xclr_lightning.evaluation.neighbours import SPARE, merge_nearest


def slowly(bank, queries, k):
    """All cosines in float64, sorted; equal ones by number."""
    cosine = F.normalize(queries.double(), dim=1) @ F.normalize(bank.double(), dim=1).T
    found = cosine.sort(dim=1, descending=True, stable=True)
    return found.values[:, :k], found.indices[:, :k]


def same(found, expected):
    return all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("shape", ["isotropic", "narrow cone", "best last", "best first"])
def test_it_is_a_sort_of_all_cosines(shape, dtype):
    bank, queries = torch.randn(3001, 24), torch.randn(37, 24)
    if shape == "narrow cone":
        bank, queries = 0.05 * bank + 1, 0.05 * queries + 1
    if shape.startswith("best"):
        queries = queries[:1] + 0.1 * queries
        order = (bank @ queries[0]).argsort(descending=shape == "best first")
        bank = bank[order]
    bank, queries = bank.to(dtype), queries.to(dtype)
    similarity, index = nearest(bank, queries, 50, query_block=16, key_block=200)
    expected, numbers = slowly(bank, queries, 50)
    torch.testing.assert_close(similarity.double(), expected, rtol=0, atol=5e-7)
    if shape != "narrow cone":  # there cosines are closer than their rounding, and either may be first
        assert torch.equal(index, numbers)
    cosine = F.normalize(queries.double(), dim=1) @ F.normalize(bank.double(), dim=1).T
    torch.testing.assert_close(cosine.gather(1, index), expected, rtol=0, atol=5e-7)


@pytest.mark.parametrize("kind", ["at random", "few are near", "most are alike"])
def test_a_bank_that_is_large_enough_to_be_sampled(kind, monkeypatch):
    """What a sample promises is not what the last bank holds, which is searched again."""
    bank, queries = torch.randn(20_000, 8), torch.randn(40, 8)
    if kind == "few are near":
        bank[:300] = queries[:1] + 0.1 * torch.randn(300, 8)
    if kind == "most are alike":
        bank[50:] = queries[0]
    searched = []
    above = candidates._above
    monkeypatch.setattr(candidates, "_above", lambda *a: searched.append(len(a[1])) or above(*a))
    similarity, index = nearest(bank, queries, 20, query_block=16, key_block=333)
    expected, numbers = slowly(bank, queries, 20)
    torch.testing.assert_close(similarity.double(), expected, rtol=0, atol=5e-7)
    if kind == "most are alike":
        assert len(searched) == 2  # of rows that are all equal none exceeds the others
    else:
        assert searched == [40]
        assert torch.equal(index, numbers)
    cosine = F.normalize(queries.double(), dim=1) @ F.normalize(bank.double(), dim=1).T
    torch.testing.assert_close(cosine.gather(1, index), expected, rtol=0, atol=5e-7)


def copies():
    """Few different rows, each many times, more than are kept in spare; and such that float32 products differ."""
    rows = torch.randn(7, 33)
    return rows[torch.randint(7, (1000,))], rows[:5] * torch.rand(5, 1)


@pytest.mark.parametrize("k", [1, 30, 400])
def test_copies_come_in_the_order_of_their_numbers(k):
    bank, queries = copies()
    similarity, index = nearest(bank, queries, k, key_block=64)
    for query, values, numbers in zip(queries, similarity, index, strict=True):
        alike = cosines(query[None], bank)[0]
        expected = sorted(range(len(bank)), key=lambda i: (-alike[i].item(), i))[:k]
        assert numbers.tolist() == expected
        assert torch.equal(values, alike[numbers])
    assert (similarity[:, : min(k, 50)].diff(dim=1) == 0).all()


def test_near_copies_are_told_apart():
    """More than are kept in spare, and nearer to each other than float32 products can be relied on."""
    query = F.normalize(torch.randn(1, 256, dtype=torch.float64), dim=1)
    others = torch.randn(4 * SPARE, 256, dtype=torch.float64)
    others = F.normalize(others - (others @ query.T) * query, dim=1)
    angles = 0.5 + 1e-6 * torch.randperm(len(others))[:, None]
    bank = torch.cat([torch.randn(500, 256, dtype=torch.float64), angles.cos() * query + angles.sin() * others])
    found = nearest(bank, query, 20)[1][0] - 500
    assert set(found.tolist()) == set(angles[:, 0].topk(20, largest=False).indices.tolist())


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("alike", [False, True])
def test_blocks_threads_and_parts_do_not_change_a_bit(alike, half):
    bank, queries = copies() if alike else (torch.randn(1001, 65), torch.randn(43, 65))
    bank = bank.half() if half else bank
    whole = nearest(bank, queries, 50)
    for blocks in ((1, 37), (7, 1000), (64, 64)):
        assert same(nearest(bank, queries, 50, query_block=blocks[0], key_block=blocks[1]), whole)
    one_by_one = [nearest(bank, query[None], 50) for query in queries]
    assert same((torch.cat([s for s, _ in one_by_one]), torch.cat([i for _, i in one_by_one])), whole)
    torch.set_num_threads(2)
    try:
        assert same(nearest(bank, queries, 50), whole)
    finally:
        torch.set_num_threads(1)
    for count in (2, 3, 40):  # the last has parts with fewer rows than neighbours are asked for
        numbers = [torch.arange(len(bank))[part::count] for part in range(count)]
        parts = [nearest(bank[own], queries, 50, key_block=32) for own in numbers]
        parts = [(similarity, own[index]) for (similarity, index), own in zip(parts, numbers, strict=True)]
        assert same(merge_nearest(parts[::-1], 50), whole)


def test_precision_of_the_surroundings_does_not_change_a_bit():
    bank, queries = torch.randn(5000, 64), torch.randn(64, 64)
    whole = nearest(bank, queries, 20)
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert same(nearest(bank, queries, 20), whole)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")


def test_rows_without_direction_are_similar_by_nothing():
    bank = torch.tensor([[0.0, 0.0], [torch.nan, 1.0], [1.0, 0.0], [torch.inf, 0.0], [-1.0, 0.0]])
    similarity, index = nearest(bank, torch.tensor([[2.0, 0.0], [torch.nan, 0.0]]), 5)
    assert similarity.tolist() == [[1, 0, 0, 0, -1], [0, 0, 0, 0, 0]]
    assert index.tolist() == [[2, 0, 1, 3, 4], [0, 1, 2, 3, 4]]


@pytest.mark.parametrize("rows", [0, 3])
@pytest.mark.parametrize("queries", [0, 2])
def test_more_neighbours_than_rows(rows, queries):
    similarity, index = nearest(torch.randn(rows, 4), torch.randn(queries, 4), 5)
    assert similarity.shape == index.shape == (queries, rows)
    assert (similarity.dtype, index.dtype) == (torch.float32, torch.int64)
    assert index.sort(dim=1).values.tolist() == [list(range(rows))] * queries


@pytest.mark.parametrize(("bank", "queries", "k"), [((3, 2), (1, 4), 1), ((3,), (1, 3), 1), ((3, 2), (1, 2), 0)])
def test_shapes_that_do_not_fit(bank, queries, k):
    with pytest.raises(ValueError, match=rf"got .*, {k}$"):
        nearest(torch.ones(bank), torch.ones(queries), k)


PEAK = """
import resource, torch
from xclr_lightning.evaluation import knn_predict
torch.set_num_threads(1)
bank, queries, labels = torch.randn(100_000, 8).half(), torch.randn(2048, 8).half(), torch.arange(100_000) % 10
knn_predict(bank[:5000], labels[:5000], queries[:10], 10)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
knn_predict(bank, labels, queries, 10)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the unit of ru_maxrss is the system's")
def test_memory_is_far_below_all_pairs():
    """All pairs in float32 are 0.8 GB, in half precision 0.4."""
    peak = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, check=True).stdout
    assert int(peak) / 1e6 < 0.2
