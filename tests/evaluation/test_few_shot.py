"""Few-shot classification: which examples are drawn, and what is made of them."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from xclr_lightning.evaluation import few_shot_accuracy, ridge_probe
from xclr_lightning.evaluation.few_shot import drawn_examples, nearest_mean

CLASSES = 5


def problem(count: int, noise: float = 1.0) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(count)
    labels = torch.randint(0, CLASSES, (count,), generator=draw)
    centres = torch.randn(CLASSES, 8, generator=torch.Generator().manual_seed(1))
    return centres[labels] + noise * torch.randn(count, 8, generator=draw), labels


def slowly(bank: Tensor, labels: Tensor, queries: Tensor) -> Tensor:
    """Each query's class, class by class and query by query."""
    means = []
    for c in range(CLASSES):
        units = [row / row.norm() for row, label in zip(bank, labels, strict=True) if label == c]
        means.append(sum(units) / len(units))
    cosines = [[cosine_similarity(query, mean, dim=0) for mean in means] for query in queries]
    return torch.tensor(cosines).argmax(1)


@pytest.mark.parametrize("shots", [1, 3, 10])
def test_so_many_of_each_class_are_drawn(shots: int) -> None:
    _, labels = problem(200)
    rows = drawn_examples(labels, shots, seed=0)
    assert len(rows.unique()) == len(rows)
    assert labels[rows].bincount().tolist() == [shots] * CLASSES


def test_draws_are_nested_repeatable_and_differ() -> None:
    _, labels = problem(200)
    one, five, again, other = (set(drawn_examples(labels, *a).tolist()) for a in ((1, 0), (5, 0), (5, 0), (5, 1)))
    assert one < five
    assert five == again != other


def test_every_example_is_drawn_as_often() -> None:
    labels = torch.arange(10) % 2
    drawn = torch.cat([drawn_examples(labels, 2, seed) for seed in range(500)]).bincount(minlength=10)
    assert 150 < drawn.min() <= drawn.max() < 250  # of 200; deviation 11


def test_small_and_absent_classes_give_what_they_have() -> None:
    labels = torch.tensor([0, 0, 0, 2])
    assert sorted(labels[drawn_examples(labels, 2, 0)].tolist()) == [0, 0, 2]
    head = nearest_mean(torch.eye(3)[[0, 0, 0, 2]], labels, 4)
    assert set(head(torch.randn(100, 3)).argmax(1).tolist()) == {0, 2}


def test_nearest_mean_agrees_with_the_slow_one() -> None:
    (bank, labels), (queries, _) = problem(60), problem(80)
    assert torch.equal(nearest_mean(bank, labels, CLASSES)(queries).argmax(1), slowly(bank, labels, queries))


@pytest.mark.parametrize("classifier", ["mean", "ridge"])
def test_accuracy_is_that_of_each_draw(classifier: str) -> None:
    (bank, labels), (queries, truth) = problem(100), problem(150)
    found = few_shot_accuracy(bank, labels, queries, truth, CLASSES, 4, 3, seed=5, classifier=classifier)
    for number, accuracy in enumerate(found.tolist()):
        rows = drawn_examples(labels, 4, 5 + number)
        if classifier == "mean":
            predicted = slowly(bank[rows], labels[rows], queries)
        else:
            predicted = ridge_probe(bank[rows], labels[rows], CLASSES)[0](queries).argmax(1)
        assert accuracy == pytest.approx((predicted == truth).double().mean().item())
    assert found.std() > 0


@pytest.mark.parametrize("classifier", ["mean", "ridge"])
def test_more_examples_help_and_noise_hurts(classifier: str) -> None:
    (bank, labels), (queries, truth) = problem(400), problem(500)
    means = [
        few_shot_accuracy(bank, labels, queries, truth, CLASSES, shots, classifier=classifier).mean()
        for shots in (1, 5, 40)
    ]
    assert 0.3 < means[0] < means[1] < means[2] < 1
    chance = few_shot_accuracy(torch.randn(400, 8), labels, queries, truth, CLASSES, 5, classifier=classifier).mean()
    assert abs(chance - 1 / CLASSES) < 0.1


def test_length_of_features_does_not_matter_to_the_mean() -> None:
    (bank, labels), (queries, truth) = problem(100), problem(150)
    plain, scaled = (
        few_shot_accuracy(b, labels, q, truth, CLASSES, 3)
        for b, q in ((bank, queries), (bank * (1 + torch.rand(100, 1)), queries * (1 + torch.rand(150, 1))))
    )
    assert torch.equal(plain, scaled)


def test_half_precision_and_unknown_classes() -> None:
    (bank, labels), (queries, truth) = problem(100, 0.1), problem(150, 0.1)
    assert few_shot_accuracy(bank.half(), labels, queries.half(), truth, CLASSES, 2).min() == 1
    truth[:75] = -1
    assert few_shot_accuracy(bank, labels, queries, truth, CLASSES, 2, 1).item() == 0.5
