"""ImageNet-9, the Backgrounds Challenge: how far recognition leans on the background (Xiao et al. 2020)."""

from collections import Counter
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer

from xclr_lightning.callbacks.adversarial import AdversarialBackgrounds
from xclr_lightning.callbacks.charts import draw_backgrounds
from xclr_lightning.callbacks.classifier import ClassEvaluation
from xclr_lightning.callbacks.features import Features
from xclr_lightning.callbacks.figures import after_epoch, show
from xclr_lightning.data import EvalView, ImageFolder, locate
from xclr_lightning.errors import UserError
from xclr_lightning.evaluation.imagenet import imagenet_classes
from xclr_lightning.evaluation.imagenet9 import class_name, imagenet9_classes

VARIANTS = ("original", "mixed_same", "mixed_rand", "mixed_next", "only_fg", "no_fg", "only_bg_b", "only_bg_t")


class ImageNet9(ClassEvaluation):
    """Accuracy on each variant of ``bg_challenge/<variant>/val/<NN_class>/*``.

    Logged as ``imagenet9/<variant>``, and ``imagenet9/bg_gap`` = mixed_same − mixed_rand. Nothing is trained on them:
    a picture is taken for one of all classes that are known, such as ImageNet's 1,000, and what is none of the nine
    counts as wrong. The known classes are ImageNet's by wnid, or have the folders' names with or without their number.
    The figure ``imagenet9/variants`` has the accuracies beside each other and beside that of guessing.

    Args:
        root: The folder ``bg_challenge``.
        size: Side of the central crop.
        resize: Length of the shorter side before the crop; null, as released pictures are 224 × 224 already.
        adversarial: Also log ``imagenet9/adversarial``, the share of foregrounds that are recognised on every one of
            the ``only_bg_t`` backgrounds; it needs ``fg_mask`` and classifies up to 4,050² pictures, fewer with
            ``subset``.
        classifier: How classes are told, see :class:`ClassEvaluation`.

    Reference:
        Xiao et al., Noise or Signal: The Role of Image Backgrounds in Object Recognition, ICLR 2021.
    """

    group = "imagenet9"

    def __init__(
        self,
        root: str | None = None,
        size: int = 224,
        resize: int | None = None,
        adversarial: bool = False,
        **classifier: Any,
    ) -> None:
        super().__init__(**classifier)
        self.root, self.size, self.resize, self.adversarial = root, size, resize, adversarial
        self._view = EvalView(size, resize)

    def open(self) -> bool:
        if self.root is None:
            return False
        self.refuse_guessing()
        root = locate(self.root)
        self._variants = {variant: _open_variant(root, variant) for variant in VARIANTS}
        self._truth = {variant: _truth(source) for variant, source in self._variants.items()}
        if self.adversarial:
            self._adversary = AdversarialBackgrounds(
                root, self._variants["original"], self._variants["only_bg_t"], self._view, self.subset
            )
        return True

    def protocol(self) -> dict[str, Any]:
        return super().protocol() | {"crop": repr(self._view)}

    def check_classes(self) -> None:
        nine = imagenet9_classes(self.classes)
        self._names = [known or class_name(name) for known, name in zip(nine, self.classes, strict=True)]
        folders = {name for names in self._truth.values() for name in names if name}
        if not folders & set(self._names):
            raise UserError(
                f"no class of {self.root} is among those {self._whose()}: "
                f"{', '.join(sorted(folders)[:3])} … against {', '.join(self._names[:3])} …"
            )
        # A head may know more than ImageNet's 1,000, which are then the ones that compete.
        whole = imagenet_classes()
        self._competing = whole if set(whole) <= set(self.classes) else self.classes
        self._name_of = dict(zip(self.classes, self._names, strict=True))

    def evaluate(self, trainer: Trainer, module: LightningModule) -> dict[str, float]:
        def taken_for(asked: Features) -> list[str | None]:
            (best,) = self.ranked(trainer, module, asked, [[name] for name in self._competing])
            return [self._name_of[self._competing[number]] if number >= 0 else None for number in best[:, 0].tolist()]

        accuracy = {}
        for variant, source in self._variants.items():
            asked = self.features(trainer, module, source, self._view)
            truth = [self._truth[variant][number] for number in asked.index.tolist()]
            hits = [name == right for name, right in zip(taken_for(asked), truth, strict=True) if right]
            accuracy[variant] = torch.tensor(hits).float().mean().item()
        if trainer.is_global_zero:
            figure = draw_backgrounds(accuracy, self._chance(), f"ImageNet-9{after_epoch(trainer)}")
            show(trainer, "imagenet9/variants", figure)
        results = {f"imagenet9/{variant}": value for variant, value in accuracy.items()}
        results["imagenet9/bg_gap"] = results["imagenet9/mixed_same"] - results["imagenet9/mixed_rand"]
        if self.adversarial:
            results["imagenet9/adversarial"] = self._adversary.accuracy(trainer, module, taken_for)
        return results

    def _chance(self) -> float:
        """Accuracy on the originals of taking any of the competing classes, each as often."""
        names = Counter(self._name_of[name] for name in self._competing)
        truth = [name for name in self._truth["original"] if name]
        return sum(names[name] for name in truth) / max(len(truth) * len(self._competing), 1)


def _open_variant(root: Path, variant: str) -> ImageFolder:
    folder = root / variant / "val"
    if not folder.is_dir():
        raise UserError(
            f"{folder} is missing: imagenet9.root {root} must hold {', '.join(VARIANTS)}, each with val/<NN_class>/ "
            "(the release is at https://github.com/MadryLab/backgrounds_challenge)"
        )
    return ImageFolder(folder)


def _truth(source: ImageFolder) -> list[str | None]:
    """The class of each picture; None for those that are in no class's folder."""
    return [class_name(folder) if folder else None for folder in source.fields("class")]
