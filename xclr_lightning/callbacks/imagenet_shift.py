"""ImageNet's variants: new pictures of its classes, hard ones, renditions and sketches."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer

from xclr_lightning.callbacks.classifier import ClassEvaluation
from xclr_lightning.data import ImageFolder, locate
from xclr_lightning.errors import UserError
from xclr_lightning.evaluation.imagenet import imagenet_classes, variant_classes

RELEASES = {
    "v2": "https://github.com/modestyachts/ImageNetV2",
    "a": "https://github.com/hendrycks/natural-adv-examples",
    "r": "https://github.com/hendrycks/imagenet-r",
    "sketch": "https://github.com/HaohanWang/ImageNet-Sketch",
}


class ImageNetShift(ClassEvaluation):
    """Top-1 accuracy on ImageNet-V2, -A, -R and -Sketch, logged as ``imagenet_shift/v2`` and so on.

    As their authors have it, V2 and Sketch are classified among all 1,000 classes, A and R among the 200 that they
    have. Each root is the folder that holds one subfolder a class.

    Args:
        v2: One of ImageNet-V2's three sets, whose subfolders are the numbers 0 … 999 of ImageNet's classes.
        a: ImageNet-A, whose subfolders are wnids.
        r: ImageNet-R, likewise.
        sketch: ImageNet-Sketch, likewise.
        classifier: How classes are told, see :class:`ClassEvaluation`.

    Reference:
        Recht et al., Do ImageNet Classifiers Generalize to ImageNet?, ICML 2019.
        Hendrycks et al., Natural Adversarial Examples, CVPR 2021; The Many Faces of Robustness, ICCV 2021.
        Wang et al., Learning Robust Global Representations by Penalizing Local Predictive Power, NeurIPS 2019.
    """

    group = "imagenet_shift"

    def __init__(
        self,
        v2: str | None = None,
        a: str | None = None,
        r: str | None = None,
        sketch: str | None = None,
        **classifier: Any,
    ) -> None:
        super().__init__(**classifier)
        self.v2, self.a, self.r, self.sketch = v2, a, r, sketch

    def open(self) -> bool:
        roots = {"v2": self.v2, "a": self.a, "r": self.r, "sketch": self.sketch}
        given = {variant: root for variant, root in roots.items() if root is not None}
        if given:
            self.refuse_guessing()
        self._opened = {variant: _open_variant(variant, root) for variant, root in given.items()}
        for variant, (_, truth) in self._opened.items():
            if strays := int((truth < 0).sum()):
                self.warn(f"{strays:,} pictures of {variant} are in no folder of a class and do not count")
        return bool(given)

    def check_classes(self) -> None:
        self.refuse_strangers(sorted({wnid for variant in self._opened for wnid in _classes(variant)}))

    def evaluate(self, trainer: Trainer, module: LightningModule) -> dict[str, float]:
        results = {}
        for variant, (source, truth) in self._opened.items():
            asked = self.features(trainer, module, source)
            (best,) = self.ranked(trainer, module, asked, [[wnid] for wnid in _classes(variant)])
            own = truth[asked.index]
            results[f"{self.group}/{variant}"] = (best[:, 0] == own)[own >= 0].float().mean().item()
        return results


def _classes(variant: str) -> list[str]:
    return variant_classes(variant) if variant in ("a", "r") else imagenet_classes()  # type: ignore[arg-type]


def _folders(variant: str) -> Sequence[str]:
    """Names of the classes' folders, in the order of the classes."""
    # As text their order would be another: 0, 1, 10, 100, 101 …
    return [str(number) for number in range(1000)] if variant == "v2" else _classes(variant)


def _open_variant(variant: str, root: str) -> tuple[ImageFolder, torch.Tensor]:
    """The pictures of a variant and the number of each one's class, −1 for those outside of its classes' folders."""
    source = ImageFolder(locate(root))
    place = {folder: number for number, folder in enumerate(_folders(variant))}
    folders = source.fields("class")
    truth = torch.tensor([place.get(folder, -1) for folder in folders])
    if (truth < 0).all():
        raise UserError(
            f"imagenet_shift.{variant}: {source.path} must hold one subfolder a class, "
            f"{_folders(variant)[0]} … {_folders(variant)[-1]}, and has {Path(folders[0])}/… "
            f"(the release is at {RELEASES[variant]})"
        )
    return source, truth
