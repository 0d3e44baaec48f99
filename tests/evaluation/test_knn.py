"""Weighted kNN against DINO's rule, one query at a time in float64, its own code, and FAISS."""

import math

import pytest
import torch

from xclr_lightning.evaluation import knn_predict
from xclr_lightning.evaluation.knn import knn_votes


def naive_scores(bank, labels, query, classes: int, k: int, temperature: float) -> list[float]:
    """``Σ exp(s / T)`` of the k most similar, by class, without shortcuts."""
    cosine = [float(row.double() @ query.double() / (row.double().norm() * query.double().norm())) for row in bank]
    scores = [0.0] * classes
    for j in sorted(range(len(bank)), key=lambda j: -cosine[j])[:k]:
        scores[labels[j]] += math.exp(cosine[j] / temperature)
    return scores


@pytest.mark.parametrize("block_size", [1, 7, 4096])
@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_all_k_from_one_call(temperature, block_size):
    bank, queries, labels = torch.randn(40, 6), torch.randn(15, 6), torch.randint(5, (40,))
    ks = (1, 3, 10, 40, 200)  # the last one is more than there are
    found = knn_predict(bank, labels, queries, 5, ks, temperature, block_size)
    assert tuple(found) == ks
    for k, scores in found.items():
        expected = torch.tensor([naive_scores(bank, labels, q, 5, k, temperature) for q in queries]).double()
        assert torch.equal(scores.argmax(1), expected.argmax(1))
        shares = scores.double() / scores.double().sum(1, keepdim=True)
        torch.testing.assert_close(shares, expected / expected.sum(1, keepdim=True), rtol=1e-4, atol=1e-6)


def dino(bank, labels, queries, classes: int, k: int, temperature: float) -> torch.Tensor:
    """Classes as DINO's eval_knn.py computes them, in float64: a one-hot vote of each of the k nearest."""
    bank, queries = (torch.nn.functional.normalize(x.double(), dim=1) for x in (bank, queries))
    distances, indices = torch.mm(queries, bank.T).topk(k, largest=True, sorted=True)
    votes = torch.nn.functional.one_hot(labels[indices], classes).double()
    return (votes * distances.div(temperature).exp()[:, :, None]).sum(1).argmax(1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_predictions_are_dinos_and_those_of_faiss(dtype):
    faiss = pytest.importorskip("faiss")
    centres = torch.randn(50, 32)
    labels, truth = torch.randint(50, (3000,)), torch.randint(50, (400,))
    bank, queries = (centres[y] + 1.5 * torch.randn(len(y), 32) for y in (labels, truth))
    bank, queries = bank.to(dtype), queries.to(dtype)
    found = knn_predict(bank, labels, queries, 50, k=(10, 20, 100, 200))
    index = faiss.IndexFlatIP(32)
    index.add(torch.nn.functional.normalize(bank.float(), dim=1).numpy())
    similarity, place = index.search(torch.nn.functional.normalize(queries.float(), dim=1).numpy(), 200)
    for k, scores in found.items():
        assert torch.equal(scores.argmax(1), dino(bank, labels, queries, 50, k, 0.07))
        weight = (torch.from_numpy(similarity[:, :k]) / 0.07).exp()
        votes = torch.zeros(400, 50).scatter_add_(1, labels[torch.from_numpy(place[:, :k])], weight)
        assert torch.equal(scores.argmax(1), votes.argmax(1))
    accuracy = (found[20].argmax(1) == truth).float().mean()
    assert 0.2 < accuracy < 0.98  # neither settled by chance nor beyond error


def test_each_k_alone_gives_the_same():
    bank, queries, labels = torch.randn(30, 4), torch.randn(9, 4), torch.randint(3, (30,))
    together = knn_predict(bank, labels, queries, 3, k=(20, 1, 5))
    for k, scores in together.items():
        torch.testing.assert_close(scores, knn_predict(bank, labels, queries, 3, k=(k,))[k])


@pytest.mark.parametrize(("labels", "winner"), [([0, 1, 1], 1), ([2, 2, 0], 2)])
def test_equal_neighbours_have_equal_votes(labels, winner):
    scores = knn_predict(torch.ones(3, 2), torch.tensor(labels), torch.ones(1, 2), 3, k=(3,))[3]
    assert scores.argmax().item() == winner
    assert sorted(scores.flatten().tolist()) == pytest.approx([0, 1, 2])


def test_a_tiny_temperature_is_the_nearest_neighbour():
    bank, queries, labels = torch.randn(50, 4), torch.randn(20, 4), torch.randint(6, (50,))
    scores = knn_predict(bank, labels, queries, 6, k=(1, 50), temperature=1e-6)
    assert scores[50].isfinite().all()
    assert torch.equal(scores[50].argmax(1), scores[1].argmax(1))


def test_length_of_features_does_not_matter():
    bank, queries, labels = torch.randn(20, 4), torch.randn(5, 4), torch.randint(3, (20,))
    plain = knn_predict(bank, labels, queries, 3)[20]
    stretched = knn_predict(bank * torch.rand(20, 1).add(0.1), labels, queries * 100, 3)[20]
    torch.testing.assert_close(plain, stretched)


def test_votes_count_as_many_neighbours_as_there_are():
    similarity, labels = torch.tensor([[0.9, 0.7]]), torch.tensor([[2, 0]])
    scores = knn_votes(similarity, labels, 3, k=(1, 5), temperature=0.1)
    assert scores[1].tolist() == [[0, 0, 1]]
    assert scores[5][0].tolist() == pytest.approx([math.exp(-2), 0, 1])


def test_no_queries_give_no_scores():
    assert knn_predict(torch.ones(2, 3), torch.tensor([0, 1]), torch.zeros(0, 3), 4)[20].shape == (0, 4)


@pytest.mark.parametrize(
    ("bank", "labels", "k", "words"),
    [
        (torch.zeros(0, 2), torch.zeros(0, dtype=int), (1,), r"got \(0, 2\), \(0,\)"),
        (torch.ones(3, 2), torch.zeros(2, dtype=int), (1,), r"got \(3, 2\), \(2,\)"),
        (torch.ones(3, 2), torch.zeros(3, dtype=int), (5, 0), r"at least 1, got \(5, 0\)"),
        (torch.ones(3, 2), torch.zeros(3, dtype=int), (), r"at least 1, got \(\)"),
        (torch.ones(3, 2), torch.tensor([0, 1, 2]), (1,), "labels from 0 to 1 expected, got 0 to 2"),
        (torch.ones(3, 2), torch.tensor([0, -1, 1]), (1,), "labels from 0 to 1 expected, got -1 to 1"),
        (torch.ones(3, 4), torch.zeros(3, dtype=int), (1,), r"got \(3, 4\), \(1, 2\), 1"),
    ],
)
def test_bad_input_is_named(bank, labels, k, words):
    with pytest.raises(ValueError, match=words):
        knn_predict(bank, labels, torch.ones(1, 2), 2, k)


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan])
def test_temperature_must_be_positive(temperature):
    with pytest.raises(ValueError, match="temperature above 0"):
        knn_predict(torch.ones(3, 2), torch.zeros(3, dtype=int), torch.ones(1, 2), 2, temperature=temperature)
