"""Features for TensorBoard's projector: a cloud of pictures to walk through."""

import os
import sys
from pathlib import Path

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor
from torch.nn import functional as F

from xclr_lightning.callbacks.evaluation import Evaluation
from xclr_lightning.callbacks.excerpt import excerpt
from xclr_lightning.callbacks.features import features_of
from xclr_lightning.callbacks.pictures import one_line, said_of, thumbnails
from xclr_lightning.callbacks.projector_files import write_projection
from xclr_lightning.data import open_source

# Directions that are kept; the page shows three of them, or what t-SNE or UMAP makes of all.
DIRECTIONS = 64
# Side of a thumbnail in pixels: 2,000 make a sprite of 1,440 × 1,440, far from the 8,192 that browsers draw.
SIDE = 32
LAST_ALONE = sys.maxsize


class EmbeddingProjector(Evaluation):
    """Features as unit vectors, with thumbnails, captions and classes, for TensorBoard's projector.

    Of features of more than 64 dimensions the 64 directions are kept that tell most of their cosines.

    Args:
        pictures: Whose features: ``data.val`` by default, else ``data.train``.
        columns: Metadata fields to colour by, besides ``data.label``.
        every_n_epochs: How often it runs; 0 turns it off, null is after the last epoch alone.
        subset: At most so many pictures, drawn at random but alike in every run, of few shards.
    """

    def __init__(
        self,
        pictures: str | None = None,
        columns: list[str] | None = None,
        every_n_epochs: int | None = None,
        subset: int = 2000,
    ) -> None:
        super().__init__(LAST_ALONE if every_n_epochs is None else every_n_epochs, subset)
        self.pictures, self.columns, self.most = pictures, columns or [], subset

    def open(self) -> bool:
        return True

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        data = trainer.datamodule  # type: ignore[attr-defined]
        dataset = data.dataset("val", "train")
        self._on = self._on and (self.pictures is not None or dataset is not None) and bool(_tensorboards(trainer))
        if not self._on:
            return
        self._source = excerpt(open_source(self.pictures) if self.pictures else dataset.source, self.most)
        names = dict.fromkeys([*([] if self.pictures or not data.label else [data.label]), *self.columns])
        self._fields = {name: self._source.fields(name) for name in names}

    def evaluate(self, trainer: Trainer, module: LightningModule) -> dict[str, float]:
        features = features_of(trainer, module, self._source)
        if trainer.is_global_zero:
            numbers = features.index.tolist()
            name, vectors = f"features-{trainer.global_step:05d}", strongest_directions(features.values)
            images = thumbnails(trainer, self._source, numbers, SIDE)
            for logger in _tensorboards(trainer):
                write_projection(Path(logger.log_dir), name, vectors, self._metadata(numbers), images)
        return {}

    def _metadata(self, numbers: list[int]) -> dict[str, list[str]]:
        """What is said of pictures, by column: caption, fields, and the name by which to find the picture."""
        keys = self._source.keys()
        columns = {"caption": said_of(self._source, numbers)}
        columns |= {name: [one_line(values[number]) for number in numbers] for name, values in self._fields.items()}
        return columns | {"file": [one_line(os.fsdecode(keys[number])) for number in numbers]}


def strongest_directions(features: Tensor) -> Tensor:
    """Unit vectors of features, turned so that few numbers tell most of their cosines.

    Args:
        features: Shape: ``(n, D)``.

    Returns:
        Shape: ``(n, min(D, 64))``, float64.

    Example:
        >>> found = strongest_directions(torch.eye(2, 100))
        >>> found.shape, (found @ found.T).round(decimals=3).tolist()
        (torch.Size([2, 64]), [[1.0, 0.0], [0.0, 1.0]])
    """
    unit = F.normalize(features.double(), dim=1)
    if unit.shape[1] > DIRECTIONS:
        unit = unit @ torch.linalg.eigh(unit.T @ unit).eigenvectors[:, -DIRECTIONS:].flip(1)
    return unit


def _tensorboards(trainer: Trainer) -> list[TensorBoardLogger]:
    return [logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)]
