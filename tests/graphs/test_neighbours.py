"""Searches for neighbours against sorting all cosines in float64; recall as it is measured."""

import numpy as np
import pytest
from embedded import clustered, cosines

from xclr_lightning.errors import UserError
from xclr_lightning.graphs import exact_search, ivf_search, neighbours
from xclr_lightning.graphs.exact_search import exact_neighbours
from xclr_lightning.graphs.ivf_search import Clusters
from xclr_lightning.graphs.neighbours import find_neighbours
from xclr_lightning.graphs.unit_vectors import UnitVectors


def lists(count: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Lists that nobody has filled."""
    return np.full((count, k), -7, dtype=np.int32), np.full((count, k), np.nan, dtype=np.float32)


def parts(stored: np.ndarray) -> UnitVectors:
    return UnitVectors([stored[:3], stored[:0], stored[3:]])


def assert_exact(ids: np.ndarray, found: np.ndarray, stored: np.ndarray, rows: np.ndarray) -> None:
    expected = cosines(stored)[rows]
    k = ids.shape[1]
    np.testing.assert_allclose(found, -np.sort(-expected, axis=1)[:, :k], atol=2e-6)
    np.testing.assert_allclose(np.take_along_axis(expected, ids.astype(np.int64), 1), found, atol=2e-6)
    assert all(len(set(row)) == k for row in ids.tolist())


@pytest.mark.parametrize("k", [1, 5, 299])
@pytest.mark.parametrize("keys", [7, 64, 1000])
def test_exact_search_is_a_sort_of_all_cosines(keys, k, monkeypatch):
    monkeypatch.setattr(exact_search, "KEYS", keys)
    stored, rows = clustered(300), np.array([299, 0, 3, 150])
    ids, found = exact_neighbours(parts(stored), rows, k)
    assert (ids.dtype, found.dtype) == (np.int32, np.float32)
    assert_exact(ids, found, stored, rows)


def test_vectors_are_read_in_any_order_and_scaled():
    stored = clustered(50)
    vectors = UnitVectors([stored[:20], stored[20:21], stored[:0], stored[21:]])
    rows = np.array([49, 0, 20, 20, 19, 21, 7])
    unit = stored.astype(np.float64) / np.linalg.norm(stored.astype(np.float64), axis=1, keepdims=True)
    np.testing.assert_allclose(vectors[rows], unit[rows], atol=1e-6)
    np.testing.assert_allclose(vectors[slice(18, 30)], unit[18:30], atol=1e-6)
    assert (len(vectors), vectors.dimension) == (50, 24)


def test_few_vectors_are_searched_exactly():
    stored = clustered(1100)
    ids, found = lists(1100, 6)
    assert find_neighbours(parts(stored), ids, found) == {"search": "exact", "recall_at_10": 1.0}
    assert_exact(ids, found, stored, np.arange(1100))


@pytest.fixture
def few_are_many(monkeypatch):
    monkeypatch.setattr(neighbours, "EXACT_UP_TO", 1000)
    monkeypatch.setattr(neighbours, "RECALL_SAMPLE", 200)


@pytest.mark.usefixtures("few_are_many")
@pytest.mark.parametrize("first", [1, 4])
def test_many_vectors_are_searched_among_clusters_and_their_recall_is_true(first, monkeypatch):
    pytest.importorskip("faiss")
    monkeypatch.setattr(ivf_search, "FIRST", first)
    stored = clustered(3000, dimension=48)
    ids, found = lists(3000, 12)
    facts = find_neighbours(parts(stored), ids, found, recall=0.9)
    expected = cosines(stored)
    assert facts["search"] == "ivf"
    assert 1 < facts["probed"] < facts["clusters"]
    # Whatever was found, its similarity is exact, and lists are in order and without their own vector.
    np.testing.assert_allclose(np.take_along_axis(expected, ids.astype(np.int64), 1), found, atol=2e-6)
    assert (np.diff(found, axis=1) <= 0).all()
    assert (ids != np.arange(3000)[:, None]).all()
    tenth = -np.sort(-expected, axis=1)[:, 9:10]
    true = (found[:, :10] >= tenth - 2e-6).mean()
    assert 0.9 <= true < 1
    assert facts["recall_at_10"] == pytest.approx(true, abs=0.02)
    assert facts["recall_sample"] == 200


@pytest.mark.usefixtures("few_are_many")
def test_a_higher_recall_looks_into_more_clusters_and_the_same_seed_finds_the_same():
    pytest.importorskip("faiss")
    vectors = parts(clustered(3000))
    found = []
    for recall in (0.7, 0.999, 0.999):
        ids, similarities = lists(3000, 10)
        found.append((ids, find_neighbours(vectors, ids, similarities, recall=recall)))
    assert found[0][1]["probed"] < found[1][1]["probed"]
    assert found[1][1]["recall_at_10"] > 0.995
    assert found[1][1] == found[2][1]
    assert np.array_equal(found[1][0], found[2][0])


@pytest.mark.usefixtures("few_are_many")
def test_clusters_with_too_few_members_leave_places_empty(monkeypatch):
    pytest.importorskip("faiss")
    monkeypatch.setattr(Clusters, "probes", lambda *arguments: 1)
    ids, found = lists(1200, 600)
    facts = find_neighbours(UnitVectors([clustered(1200)]), ids, found)
    assert facts["probed"] == 1
    missing = ids == -1
    assert missing.any(1).all()
    assert (found[missing] == -1).all()
    assert (ids[~missing] >= 0).all()


@pytest.mark.usefixtures("few_are_many")
def test_a_search_that_falls_short_says_so(monkeypatch, caplog):
    pytest.importorskip("faiss")
    monkeypatch.setattr(Clusters, "probes", lambda *arguments: 1)
    ids, found = lists(3000, 10)
    facts = find_neighbours(UnitVectors([clustered(3000, clusters=3)]), ids, found)
    assert facts["recall_at_10"] < 0.99
    assert facts["search"] == "ivf"
    assert f"found {facts['recall_at_10']:.4f} of the nearest ten, less than 0.99" in caplog.text


@pytest.mark.usefixtures("few_are_many")
def test_without_faiss_the_search_is_exact_and_says_what_would_be_faster(monkeypatch, caplog):
    for module in (neighbours, ivf_search):
        monkeypatch.setattr(module, "has_faiss", lambda: False)
    stored = clustered(1001)
    ids, found = lists(1001, 4)
    assert find_neighbours(parts(stored), ids, found)["search"] == "exact"
    assert "comparing all pairs of 1,001 vectors" in caplog.text
    assert "pip install 'xclr-lightning[faiss]'" in caplog.text
    assert_exact(ids, found, stored, np.arange(1001))
    with pytest.raises(UserError, match=r"needs FAISS: pip install 'xclr-lightning\[faiss\]'"):
        find_neighbours(parts(stored), ids, found, search="ivf")


@pytest.mark.usefixtures("few_are_many")
def test_where_neighbours_are_in_all_clusters_all_pairs_are_compared():
    pytest.importorskip("faiss")
    stored = np.random.default_rng(0).standard_normal((1500, 24)).astype(np.float16)  # no clusters
    ids, found = lists(1500, 10)
    assert find_neighbours(parts(stored), ids, found) == {"search": "exact", "recall_at_10": 1.0}
    assert_exact(ids, found, stored, np.arange(1500))
    assert find_neighbours(parts(stored), ids, found, search="ivf")["search"] == "ivf"
