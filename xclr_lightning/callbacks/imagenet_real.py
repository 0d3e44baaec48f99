"""ImageNet-ReaL: accuracy by reassessed labels, beside that by the original ones (Beyer et al. 2020)."""

import os
from typing import Any

import torch
from lightning import LightningModule, Trainer

from xclr_lightning.callbacks.classifier import ClassEvaluation
from xclr_lightning.data import open_source
from xclr_lightning.errors import UserError
from xclr_lightning.evaluation.imagenet import imagenet_classes
from xclr_lightning.evaluation.real import picture_number, real_accuracy, real_labels


class ImageNetReal(ClassEvaluation):
    """Share of pictures of ImageNet's validation set that are taken for a class that people see in them.

    Logged as ``imagenet_real/top1``, and as ``imagenet_real/original_top1`` by the original labels where folders tell
    them. Labels are found by file name, in whatever folders; pictures for which people agreed on none do not count
    in the former.

    Args:
        root: The folder ``val``: pictures ``ILSVRC2012_val_00000001.JPEG`` …, in one subfolder a wnid or without.
        classifier: How classes are told, see :class:`ClassEvaluation`.

    Reference:
        Beyer et al., Are We Done with ImageNet?, 2020.
    """

    group = "imagenet_real"

    def __init__(self, root: str | None = None, **classifier: Any) -> None:
        super().__init__(**classifier)
        self.root = root

    def open(self) -> bool:
        if self.root is None:
            return False
        self.refuse_guessing()
        self._source = open_source(self.root)
        keys = list(map(os.fsdecode, self._source.keys()))
        numbers = [picture_number(key) for key in keys]
        if not any(number is not None for number in numbers):
            raise UserError(
                f"no picture of {self._source.path} is named as in ImageNet's validation set, such as "
                f"ILSVRC2012_val_00000001.JPEG, but {keys[0]}: imagenet_real.root is its folder val "
                "(https://www.image-net.org/download.php)"
            )
        lists = real_labels()
        self._lists = [[] if number is None else lists[number] for number in numbers]
        place = {wnid: i for i, wnid in enumerate(imagenet_classes())}
        self._original = torch.tensor([place.get(os.path.basename(os.path.dirname(key)), -1) for key in keys])
        skipped = sum(not right for right in self._lists)
        if skipped:
            self.warn(f"{skipped:,} of {len(keys):,} pictures have no label and are skipped")
        return True

    def check_classes(self) -> None:
        self.refuse_strangers(imagenet_classes())

    def evaluate(self, trainer: Trainer, module: LightningModule) -> dict[str, float]:
        asked = self.features(trainer, module, self._source)
        (best,) = self.ranked(trainer, module, asked, [[wnid] for wnid in imagenet_classes()])
        predicted = best[:, 0]
        original = self._original[asked.index]
        told = original >= 0
        results = {f"{self.group}/top1": real_accuracy(predicted, [self._lists[i] for i in asked.index.tolist()])}
        if told.any():
            results[f"{self.group}/original_top1"] = (predicted == original)[told].float().mean().item()
        return results
