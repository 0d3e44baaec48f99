"""ImageNet-ReaL: every class that people see in a picture of ImageNet's validation set."""

import json
import re
from collections.abc import Sequence
from importlib.resources import files

from torch import Tensor

_PICTURE = re.compile(r"ILSVRC2012_val_(\d{8})")


def real_labels() -> list[list[int]]:
    """The classes that are right for each picture of the validation set, in the order of the numbers in their names.

    Of the 50,000 pictures 46,837 have one or more, 7,443 several. Classes are numbered as in
    :func:`xclr_lightning.evaluation.imagenet.imagenet_classes`.

    Reference:
        Beyer et al., Are We Done with ImageNet?, 2020.

    Example:
        >>> labels = real_labels()
        >>> len(labels), labels[0], labels[1]
        (50000, [], [970, 795])
    """
    labels: list[list[int]] = json.loads(
        (files("timm.data") / "_info" / "imagenet_real_labels.json").read_text(encoding="utf-8")
    )
    return labels


def picture_number(name: str) -> int | None:
    """The place of a picture in :func:`real_labels`, by its file name; None for any other name.

    Example:
        >>> picture_number("n01751748/ILSVRC2012_val_00000001.JPEG"), picture_number("cat.jpg")
        (0, None)
    """
    found = _PICTURE.match(name.rpartition("/")[2])
    return int(found[1]) - 1 if found and 1 <= int(found[1]) <= 50_000 else None


def real_accuracy(predicted: Tensor, labels: Sequence[Sequence[int]]) -> float:
    """Share of pictures whose predicted class is in their list; those with an empty list do not count.

    Args:
        predicted: A class a picture. Shape: ``(n,)``, int64.
        labels: The right classes of each picture.

    Returns:
        In [0, 1]; NaN where all lists are empty.

    Example:
        >>> import torch
        >>> real_accuracy(torch.tensor([3, 1, 2]), [[3, 7], [7], []])
        0.5
    """
    hits = [number in right for number, right in zip(predicted.tolist(), labels, strict=True) if right]
    return sum(hits) / len(hits) if hits else float("nan")
