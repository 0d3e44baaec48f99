"""ImageNet-9, the Backgrounds Challenge: how far recognition leans on the background (Xiao et al. 2020)."""

import re
from pathlib import Path

import torch
from lightning import LightningModule, Trainer

from xclr_lightning.callbacks.evaluation import Evaluation
from xclr_lightning.data import EvalView, ImageFolder, locate, open_source
from xclr_lightning.data.source import labels
from xclr_lightning.errors import UserError
from xclr_lightning.evaluation import knn_predict
from xclr_lightning.evaluation.imagenet9 import imagenet9_classes

VARIANTS = ("original", "mixed_same", "mixed_rand", "mixed_next", "only_fg", "no_fg", "only_bg_b", "only_bg_t")


class ImageNet9(Evaluation):
    """Weighted kNN accuracy on each variant of ``bg_challenge/<variant>/val/<NN_class>/*``.

    Logged as ``imagenet9/<variant>``, and ``imagenet9/bg_gap`` = mixed_same − mixed_rand. Nothing is trained: pictures
    of the bank with known classes vote, and a class of the bank that is none of the folders' counts as wrong.

    Args:
        root: The folder ``bg_challenge``.
        bank: Pictures whose classes are known.
        label: The bank's field with the class, whose values are ImageNet's wnids, of which all 1,000 vote, or the
            folders' names with or without their number.
        k: Number of neighbours.
        temperature: T of the weights exp(similarity / T).
        size: Side of the central crop.
        resize: Length of the shorter side before the crop; null, as released pictures are 224 × 224 already.
        every_n_epochs: How often it runs; 0 turns it off.

    Reference:
        Xiao et al., Noise or Signal: The Role of Image Backgrounds in Object Recognition, ICLR 2021.
    """

    def __init__(
        self,
        root: str | None = None,
        bank: str | None = None,
        label: str = "class",
        k: int = 20,
        temperature: float = 0.07,
        size: int = 224,
        resize: int | None = None,
        every_n_epochs: int = 1,
    ) -> None:
        super().__init__(every_n_epochs)
        self.root, self.bank, self.label = root, bank, label
        self.k, self.temperature = k, temperature
        self._view = EvalView(size, resize)

    def open(self) -> bool:
        if self.root is None:
            return False
        if self.bank is None:
            raise UserError("imagenet9.bank is not set: name the pictures whose classes are known")
        root = locate(self.root)
        self._variants = {variant: _open_variant(root, variant) for variant in VARIANTS}
        self._bank = open_source(self.bank)
        numbers, names = labels(self._bank, self.label)
        nine = imagenet9_classes(names)
        self._names = [known or _class_name(name) for known, name in zip(nine, names, strict=True)]
        self._numbers = torch.from_numpy(numbers)
        folders = {_class_name(folder) for folder in self._variants["original"].fields("class")}
        if not folders & set(self._names):
            raise UserError(
                f"no class of {root} is a value of {self.label!r} in {self._bank.path}: "
                f"{', '.join(sorted(folders)[:3])} … against {', '.join(self._names[:3])} …"
            )
        return True

    def evaluate(self, trainer: Trainer, module: LightningModule) -> dict[str, float]:
        number = {name: i for i, name in enumerate(sorted(set(self._names)))}
        named = torch.tensor([number[name] for name in self._names])
        bank = self.features(trainer, module, self._bank)
        results = {}
        for variant, source in self._variants.items():
            asked = self.features(trainer, module, source, self._view)
            truth = torch.tensor([number.get(_class_name(folder), -1) for folder in source.fields("class")])[
                asked.index
            ]
            bank_labels = self._numbers[bank.index]
            scores = knn_predict(bank.values, bank_labels, asked.values, len(named), (self.k,), self.temperature)
            results[f"imagenet9/{variant}"] = (named[scores[self.k].argmax(1)] == truth).float().mean().item()
        results["imagenet9/bg_gap"] = results["imagenet9/mixed_same"] - results["imagenet9/mixed_rand"]
        return results


def _open_variant(root: Path, variant: str) -> ImageFolder:
    folder = root / variant / "val"
    if not folder.is_dir():
        raise UserError(
            f"{folder} is missing: imagenet9.root {root} must hold {', '.join(VARIANTS)}, each with val/<NN_class>/ "
            "(the release is at https://github.com/MadryLab/backgrounds_challenge)"
        )
    return ImageFolder(folder)


def _class_name(folder: str) -> str:
    """``02_wheeled vehicle`` → ``wheeled vehicle``."""
    return re.sub(r"^\d+_", "", folder).lower()
