"""Measures of a ranking against torchmetrics' and scikit-learn's, one query at a time."""

import pytest
import torch
from torch.nn import functional as F

from xclr_lightning.evaluation import retrieval_scores
from xclr_lightning.evaluation.retrieval import average_precision_at_r

QUERIES, GALLERY, CLASSES = 12, 60, 6


@pytest.fixture
def ranked():
    """Features and labels, of which one query's is not in the gallery, and gains that follow neither."""
    return {
        "queries": torch.randn(QUERIES, 5),
        "gallery": torch.randn(GALLERY, 5),
        "query_labels": torch.cat([torch.tensor([-1]), torch.randint(CLASSES, (QUERIES - 1,))]),
        "gallery_labels": torch.cat([torch.arange(CLASSES), torch.randint(CLASSES, (GALLERY - CLASSES,))]),
    }


def each(ranked):
    """Similarities and relevance of each query, without the package."""
    cosine = F.normalize(ranked["queries"], dim=1) @ F.normalize(ranked["gallery"], dim=1).T
    return cosine, ranked["query_labels"][:, None] == ranked["gallery_labels"]


@pytest.mark.parametrize("k", [1, 7, 60])
def test_they_are_those_of_torchmetrics(k, ranked):
    functional = pytest.importorskip("torchmetrics.functional.retrieval")
    peers = {
        "map": functional.retrieval_average_precision,
        f"precision@{k}": lambda p, t: functional.retrieval_precision(p, t, k),
        f"recall@{k}": lambda p, t: functional.retrieval_recall(p, t, k),
        f"hit@{k}": lambda p, t: functional.retrieval_hit_rate(p, t, k),
    }
    found = retrieval_scores(**ranked, k=(k,))
    cosine, relevant = each(ranked)
    for name, peer in peers.items():
        assert found[name][0].isnan()
        # Plus 2, for what scores 0 or less counts as not found there.
        expected = torch.stack([peer(c + 2, r) for c, r in zip(cosine[1:], relevant[1:], strict=True)])
        torch.testing.assert_close(found[name][1:].float(), expected.float())


def test_average_precision_is_scikit_learns(ranked):
    sklearn = pytest.importorskip("sklearn.metrics")
    cosine, relevant = each(ranked)
    expected = [sklearn.average_precision_score(r, c) for c, r in zip(cosine[1:], relevant[1:], strict=True)]
    assert retrieval_scores(**ranked)["map"][1:].tolist() == pytest.approx(expected)


@pytest.mark.parametrize("k", [1, 5, 60, 100])
def test_ndcg_is_scikit_learns_with_graded_gains(k, ranked):
    sklearn = pytest.importorskip("sklearn.metrics")
    gain = torch.rand(QUERIES, GALLERY) - 0.2
    found = retrieval_scores(**ranked, k=(k,), gain=lambda rows: gain[rows])[f"ndcg@{k}"]
    cosine, _ = each(ranked)
    expected = [
        sklearn.ndcg_score(g.clamp_min(0)[None], c[None], k=k) for g, c in zip(gain.double(), cosine, strict=True)
    ]
    assert found.tolist() == pytest.approx(expected)
    assert gain.min() < 0  # the caller's own are left alone


def test_map_at_r_one_by_one(ranked):
    cosine, relevant = each(ranked)
    found = retrieval_scores(**ranked)["map_at_r"]
    for value, c, r in list(zip(found, cosine, relevant, strict=True))[1:]:
        hits = [bool(r[i]) for i in c.argsort(descending=True)][: int(r.sum())]
        precisions = [sum(hits[: i + 1]) / (i + 1) for i, hit in enumerate(hits) if hit]
        assert value.item() == pytest.approx(sum(precisions) / len(hits))


@pytest.mark.parametrize("relevant", [[1, 1, 1, 0, 0], [1, 1, 0, 0, 1], [0, 0, 0, 1, 1]])
def test_map_at_r_asks_for_the_head_alone(relevant):
    found = average_precision_at_r(torch.tensor([relevant]).bool()).item()
    assert found == pytest.approx({5: 1, 2: 2 / 3, 0: 0}[sum(relevant[:3]) + 2 * relevant[2]])


def test_a_query_is_left_out_of_its_own_ranking(ranked):
    features, labels = ranked["gallery"], ranked["gallery_labels"]
    gain = torch.rand(GALLERY, GALLERY).fill_diagonal_(1)
    found = retrieval_scores(
        features, features, labels, labels, (3,), own=torch.arange(GALLERY), gain=lambda rows: gain[rows]
    )
    for i in range(GALLERY):
        others = torch.arange(GALLERY) != i
        expected = retrieval_scores(
            features[[i]],
            features[others],
            labels[[i]],
            labels[others],
            (3,),
            gain=lambda rows, i=i, others=others: gain[[i]][:, others],
        )
        for name, values in expected.items():
            torch.testing.assert_close(found[name][[i]], values, equal_nan=True, msg=name)


def test_blocks_do_not_change_a_bit(ranked, monkeypatch):
    gain = torch.rand(QUERIES, GALLERY)
    whole = retrieval_scores(**ranked, gain=lambda rows: gain[rows])
    monkeypatch.setattr("xclr_lightning.evaluation.retrieval.RANKED", 5 * GALLERY)
    blocks = retrieval_scores(**ranked, gain=lambda rows: gain[rows])
    for name, values in whole.items():
        assert torch.equal(values.nan_to_num(-1), blocks[name].nan_to_num(-1))


def test_equal_pictures_come_in_the_order_of_their_numbers():
    gallery, labels = torch.ones(50, 3), torch.arange(50) % 2
    found = retrieval_scores(gallery[:1], gallery, torch.tensor([1]), labels, k=(1, 2))
    assert (found["precision@1"].item(), found["precision@2"].item()) == (0, 0.5)


def test_no_queries(ranked):
    empty = ranked | {"queries": torch.zeros(0, 5), "query_labels": torch.zeros(0, dtype=torch.int64)}
    assert all(values.shape == (0,) for values in retrieval_scores(**empty).values())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"gallery": torch.zeros(0, 5), "gallery_labels": torch.zeros(0)}, r"N ≥ 1.*\(0, 5\)"),
        ({"gallery_labels": torch.zeros(3)}, r"\(60, 5\).*\(3,\)"),
        ({"query_labels": torch.zeros(3)}, r"\(12, 5\).*\(3,\)"),
        ({"queries": torch.zeros(QUERIES, 4)}, r"\(12, 4\), \(60, 5\)"),
        ({"k": (1, 0)}, r"at least 1, got \(1, 0\)"),
        ({"k": ()}, r"at least 1, got \(\)"),
    ],
)
def test_bad_input_is_named(change, words, ranked):
    with pytest.raises(ValueError, match=words):
        retrieval_scores(**(ranked | change))
