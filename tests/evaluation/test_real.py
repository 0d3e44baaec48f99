"""ReaL: facts by count, and accuracy against timm's own evaluator."""

import math
import random

import pytest
import torch
from timm.data import RealLabelsImagenet

from xclr_lightning.evaluation import real_accuracy, real_labels
from xclr_lightning.evaluation.real import picture_number


def test_labels_of_the_validation_set() -> None:
    labels = real_labels()
    assert len(labels) == 50_000
    assert sum(len(right) > 0 for right in labels) == 46_837
    assert sum(len(right) > 1 for right in labels) == 7_443
    assert {number for right in labels for number in right} == set(range(1000))


def test_accuracy_is_timms_in_whatever_order() -> None:
    names = [f"val/n{i % 7}/ILSVRC2012_val_{i:08d}.JPEG" for i in range(1, 50_001)]
    random.Random(0).shuffle(names)
    lists = real_labels()
    labels = [lists[number] for name in names if (number := picture_number(name)) is not None]
    scores = torch.rand(50_000, 1000)
    for row, right in zip(scores[::3], labels[::3], strict=True):  # or one in a thousand would be right
        row[right] = 2.0
    reference = RealLabelsImagenet(names, topk=(1,))
    reference.add_result(scores)
    assert real_accuracy(scores.argmax(1), labels) == pytest.approx(reference.get_accuracy(1) / 100, abs=1e-12)


def test_no_picture_with_a_label() -> None:
    assert math.isnan(real_accuracy(torch.tensor([1, 2]), [[], []]))


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("ILSVRC2012_val_00050000.JPEG", 49_999),
        ("n03995372/ILSVRC2012_val_00000002.png", 1),
        ("ILSVRC2012_val_00000003_n02105855.JPEG", 2),
        ("ILSVRC2012_val_00000000.JPEG", None),
        ("ILSVRC2012_val_00050001.JPEG", None),
        ("ILSVRC2012_test_00000001.JPEG", None),
        ("ILSVRC2012_val_00000001/cat.jpg", None),
    ],
)
def test_a_pictures_number_is_in_its_file_name(name: str, number: int | None) -> None:
    assert picture_number(name) == number
