"""ObjectNet: ImageNet's things in odd places, turned and seen from odd sides (Barbu et al. 2019)."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import LightningModule, Trainer
from PIL import Image
from torch import Tensor

from xclr_lightning.callbacks.classifier import ClassEvaluation
from xclr_lightning.columns import Column
from xclr_lightning.data import View, locate
from xclr_lightning.data.listed import Listed
from xclr_lightning.data.listing import Listing
from xclr_lightning.data.scan import scan
from xclr_lightning.errors import UserError
from xclr_lightning.evaluation.imagenet import imagenet_classes
from xclr_lightning.evaluation.objectnet import RELEASE, read_mapping

# The release marks every picture by a red border, so that nobody trains on it.
BORDER = 2


class ObjectNet(ClassEvaluation):
    """Accuracy on the pictures of the 113 classes that ObjectNet shares with ImageNet.

    Two rules are in use, and both are logged. Among all 1,000 classes, ``objectnet/top1_1000``: the best one is one of
    those that the picture's class stands for. Among the 113, ``objectnet/top1_113``: a class scores as the best of
    those that it stands for. ``top5_…`` is likewise of the five best. Pictures lose the border of 2 pixels that the
    release adds, and are then cropped as ``data.eval_view`` says.

    Args:
        root: The folder ``objectnet-1.0``, with ``images`` and ``mappings``, or the one that holds it.
        classifier: How classes are told, see :class:`ClassEvaluation`.

    Reference:
        Barbu et al., ObjectNet: A Large-Scale Bias-Controlled Dataset for Pushing the Limits of Object Recognition
        Models, NeurIPS 2019.
    """

    group = "objectnet"

    def __init__(self, root: str | None = None, **classifier: Any) -> None:
        super().__init__(**classifier)
        self.root = root

    def open(self) -> bool:
        if self.root is None:
            return False
        self.refuse_guessing()
        root = locate(self.root)
        root = root / "objectnet-1.0" if (root / "objectnet-1.0").is_dir() else root
        if not (root / "images").is_dir() or not (root / "mappings").is_dir():
            found = ", ".join(sorted(path.name for path in root.iterdir())[:5]) or "nothing"
            raise UserError(
                f"{root} must hold ObjectNet's folders images and mappings, and has {found} (get it at {RELEASE})"
            )
        self._mapping = read_mapping(root / "mappings")
        self._source = SharedPictures(root, set(self._mapping))
        number = {folder: i for i, folder in enumerate(self._mapping)}
        self._truth = torch.tensor([number[folder] for folder in self._source.fields("class")])
        return True

    def protocol(self) -> dict[str, Any]:
        return super().protocol() | {"border": BORDER}

    def check_classes(self) -> None:
        self.refuse_strangers(sorted({wnid for wnids in self._mapping.values() for wnid in wnids}))

    def evaluate(self, trainer: Trainer, module: LightningModule) -> dict[str, float]:
        view = WithoutBorder(trainer.datamodule.eval_view)  # type: ignore[attr-defined]
        asked = self.features(trainer, module, self._source, view)
        truth, whole = self._truth[asked.index], imagenet_classes()
        choices = [[wnid] for wnid in whole], list(self._mapping.values())
        best, shared = self.ranked(trainer, module, asked, *choices, k=5)
        among_shared = shared == truth[:, None]
        right = torch.zeros(len(self._mapping), len(whole) + 1, dtype=torch.bool)  # the last column is for no class
        for number, wnids in enumerate(self._mapping.values()):
            right[number, [whole.index(wnid) for wnid in wnids]] = True
        among_all = right[truth].gather(1, best.where(best >= 0, len(whole)))
        return {
            f"{self.group}/top{k}_{among}": hits[:, :k].any(dim=1).float().mean().item()
            for among, hits in (("1000", among_all), ("113", among_shared))
            for k in (1, 5)
        }


class SharedPictures(Listed):
    """The pictures below ``images`` that are in some of its folders.

    Args:
        root: The folder ``objectnet-1.0``.
        folders: Those whose pictures count.

    Raises:
        UserError: There is no such picture.
    """

    def __init__(self, root: Path, folders: set[str]) -> None:
        names = [name for name in scan(root / "images")[0] if os.fsdecode(os.path.dirname(name)) in folders]
        if not names:
            raise UserError(
                f"{root / 'images'} has no picture in a folder of a class that is ImageNet's too, such as "
                f"{min(folders)} (the release is at {RELEASE})"
            )
        super().__init__(root, root / "images", Listing(np.array(names, dtype=np.bytes_), {}, {}))

    def captions(self, rows: slice = slice(None)) -> Column:
        return self.fields("class")[rows]

    def fields(self, name: str) -> Column:
        if name != "class":
            raise UserError(f"{self.path} has no field {name!r}: it has class")
        return Column.of(os.fsdecode(os.path.dirname(key)) for key in self.keys())


class WithoutBorder(View):
    """A view of what is inside a picture's border.

    Args:
        view: The view.
        border: Width of the border, in pixels.
    """

    def __init__(self, view: View, border: int = BORDER) -> None:
        self.view, self.border = view, border

    def __call__(self, image: Image.Image) -> Tensor:
        return self.view(image.crop((self.border, self.border, image.width - self.border, image.height - self.border)))
