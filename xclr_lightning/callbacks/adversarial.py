"""The Backgrounds Challenge proper: is a thing recognised on whatever background (Xiao et al. 2020, section 4)?"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.utilities import move_data_to_device
from PIL import Image
from torch import Tensor

from xclr_lightning.callbacks.features import Features, chosen, evaluating
from xclr_lightning.data import BadImage, ImageFolder
from xclr_lightning.data.views import View
from xclr_lightning.distributed import gather_rows, rank, world_size
from xclr_lightning.errors import UserError
from xclr_lightning.evaluation.imagenet9 import class_name
from xclr_lightning.progress import progress_bar


@dataclass
class Foreground:
    """A picture of the challenge, by its number, and the mask of what it shows."""

    picture: int
    mask: Path
    name: str


class AdversarialBackgrounds:
    """Every foreground on every background: one that is taken for another class on any of them is lost.

    As in the authors' ``challenge_eval.py``: a foreground is a picture of ``original`` where its mask
    ``fg_mask/val/<NN_class>/<picture>.npy`` is not 0, the backgrounds are all pictures of ``only_bg_t``.

    Args:
        root: The folder ``bg_challenge``.
        originals: The pictures of ``original``.
        backgrounds: Those of ``only_bg_t``.
        view: How all of them are cropped, masks included.
        subset: At most so many foregrounds and backgrounds, drawn at random but alike in every run.

    Raises:
        UserError: There are no masks, or one has no picture.
    """

    def __init__(
        self, root: Path, originals: ImageFolder, backgrounds: ImageFolder, view: View, subset: int | None
    ) -> None:
        self._originals, self._backgrounds, self._view = originals, backgrounds, view
        self._foregrounds = _foregrounds(root, originals)
        self._used = chosen(len(self._foregrounds), subset)
        # Mixed, or those of the foreground's own class would come first, which mislead least.
        self._order = np.random.default_rng(0).permutation(chosen(len(backgrounds), subset))
        self._pixels: Tensor | None = None

    def accuracy(
        self, trainer: Trainer, module: LightningModule, taken_for: Callable[[Features], list[str | None]]
    ) -> float:
        """Share of the foregrounds that are recognised on all backgrounds; unreadable pictures do not count.

        Args:
            trainer: Whose run it is.
            module: The model.
            taken_for: What pictures are taken for, by their features; called in all processes at once.
        """
        if self._pixels is None:  # 610 MB in each process, for reading them for each foreground would take days
            loader = trainer.datamodule.picture_loader(self._backgrounds, self._view, self._order.tolist())  # type: ignore[attr-defined]
            self._pixels = torch.cat([batch["image"] for batch in loader if len(batch["image"])])
        recognised = []
        with progress_bar(
            len(self._used), "foregrounds on all backgrounds", "foreground", delay=5, disable=rank() > 0
        ) as bar:
            for number in self._used:
                foreground = self._foregrounds[number]
                if (cut := self._cut(foreground)) is not None:
                    batches = self._batches(trainer, module, *cut)
                    recognised.append(all(set(taken_for(batch)) == {foreground.name} for batch in batches))
                bar.update()
        return sum(recognised) / len(recognised) if recognised else float("nan")

    def _batches(self, trainer: Trainer, module: LightningModule, picture: Tensor, mask: Tensor) -> Iterator[Features]:
        """Features of a foreground on the backgrounds, for each process a batch at a time, the same in all of them."""
        assert self._pixels is not None
        size = trainer.datamodule.batch_size  # type: ignore[attr-defined]
        for start in range(0, len(self._pixels), size * world_size()):
            own = start + size * rank()
            ground = self._pixels[own : own + size]
            values = torch.zeros(0)
            if len(ground):
                with evaluating(module), trainer.precision_plugin.forward_context():
                    values = module(move_data_to_device(torch.where(mask, picture, ground), module.device))
            values = gather_rows(values.float().cpu(), module.device)
            yield Features(values, torch.arange(len(values)), [])

    def _cut(self, foreground: Foreground) -> tuple[Tensor, Tensor] | None:
        """Pixels and mask of a foreground, cropped; None where the picture cannot be read."""
        try:
            image = self._originals.image(foreground.picture)
        except BadImage:
            return None  # named where the originals are evaluated
        mask = _read_mask(foreground.mask)
        if mask.shape != (image.height, image.width):
            raise UserError(
                f"{foreground.mask} is {mask.shape}, its picture {(image.height, image.width)}: get both of one release"
            )
        cover = self._view(Image.fromarray(mask.astype(np.uint8) * 255).convert("RGB"))
        return self._view(image), cover[:1] > 127


def _foregrounds(root: Path, originals: ImageFolder) -> list[Foreground]:
    folder = root / "fg_mask" / "val"
    masks = sorted(folder.glob("*/*.npy"))
    if not masks:
        raise UserError(
            f"{folder} holds no masks <NN_class>/<picture>.npy, which imagenet9.adversarial needs "
            "(the release at https://github.com/MadryLab/backgrounds_challenge has fg_mask)"
        )
    number = {Path(originals.name(i)).relative_to(originals.path).with_suffix(""): i for i in range(len(originals))}
    found = []
    for mask in masks:
        name = mask.relative_to(folder).with_suffix("")
        if name not in number:
            raise UserError(
                f"{mask} has no picture {originals.path / name}.JPEG: get original and fg_mask of one release"
            )
        found.append(Foreground(number[name], mask, class_name(mask.parent.name)))
    return found


def _read_mask(file: Path) -> np.ndarray:
    try:
        mask: np.ndarray = np.load(file, allow_pickle=False) != 0
        return mask
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{file} cannot be read as a mask: {error}") from error
