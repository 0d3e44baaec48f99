"""Pictures as people look at them: small, and with what is said of them."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from lightning import Trainer
from torch import Tensor
from torchvision.transforms.v2.functional import resize

from xclr_lightning.data import BadImage, Source
from xclr_lightning.errors import UserError

# What stands in for a picture that cannot be read.
MISSING = 187


def said_of(source: Source, numbers: Iterable[int]) -> list[str]:
    """The captions of some pictures, each on one line; the file's name of one that has none."""
    return [one_line(_said_of(source, number)) for number in numbers]


def _said_of(source: Source, number: int) -> str:
    try:
        return source.captions(slice(number, number + 1))[0]
    except UserError:
        return Path(source.name(number)).name


def one_line(text: str) -> str:
    """A text without tabs and line breaks, and without what UTF-8 cannot write, as names of files may have.

    Example:
        >>> one_line("a dog\\tand\\n a cat")
        'a dog and a cat'
    """
    return " ".join(text.encode(errors="replace").decode().split())


def as_evaluated(trainer: Trainer, source: Source, number: int) -> np.ndarray:
    """A picture by the evaluation's crop, grey where it cannot be read. Shape: ``(H, W, 3)``, uint8."""
    try:
        view: Tensor = trainer.datamodule.eval_view(source.image(number))  # type: ignore[attr-defined]
    except BadImage:
        return np.full((1, 1, 3), MISSING, dtype=np.uint8)
    return view.permute(1, 2, 0).numpy()


def thumbnails(trainer: Trainer, source: Source, numbers: Sequence[int], side: int) -> Tensor:
    """Many pictures by the evaluation's crop, scaled down, read as the DataModule reads them.

    Args:
        trainer: Whose DataModule reads.
        source: The pictures.
        numbers: Which of them, ascending.
        side: Of a thumbnail, in pixels.

    Returns:
        Those that cannot be read are grey. Shape: ``(n, 3, side, side)``, uint8.
    """
    found = torch.full((len(numbers), 3, side, side), MISSING, dtype=torch.uint8)
    place = {number: row for row, number in enumerate(numbers)}
    for batch in trainer.datamodule.picture_loader(source, None, numbers):  # type: ignore[attr-defined]
        if len(batch["image"]):
            rows = [place[number] for number in batch["index"].tolist()]
            found[rows] = resize(batch["image"], [side, side], antialias=True)
    return found
