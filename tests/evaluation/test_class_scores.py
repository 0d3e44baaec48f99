"""Scores of groups of classes and the best of them, against loops."""

import math

import pytest
import torch

from xclr_lightning.evaluation import best_classes, scores_over

CLASSES = [f"c{i}" for i in range(9)]


def test_a_group_scores_as_its_best_class() -> None:
    scores = torch.randn(6, 9)
    wanted = [["c3"], ["c8", "c0", "c2"], ["unknown"], ["unknown", "c5"], ["c1", "c3"]]
    expected = [
        [max(row[CLASSES.index(name)].item() if name in CLASSES else -math.inf for name in group) for group in wanted]
        for row in scores
    ]
    assert scores_over(scores, CLASSES, wanted).tolist() == expected


@pytest.mark.parametrize("k", [1, 3, 9, 11])
def test_the_best_come_first_and_of_equals_the_first(k: int) -> None:
    scores = torch.randint(0, 4, (20, 9)).float()
    scores[scores == 0] = -torch.inf
    expected = []
    for row in scores.tolist():
        order = sorted(range(9), key=lambda i, row=row: (-row[i], i))  # type: ignore[misc]
        kept = [i for i in order if row[i] > -math.inf][:k]
        expected.append(kept + [-1] * (k - len(kept)))
    assert best_classes(scores, k).tolist() == expected


def test_scores_are_left_as_they_were() -> None:
    scores = torch.randn(3, 4)
    before = scores.clone()
    best_classes(scores, 2)
    assert torch.equal(scores, before)
