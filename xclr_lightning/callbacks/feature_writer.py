"""What ``predict`` leaves behind: the features of pictures, with their keys."""

from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from lightning import Callback, LightningModule, Trainer
from torch import distributed as dist

from xclr_lightning.distributed import world_size


class FeatureWriter(Callback):
    """Writes ``features.npz``: ``features`` ``(n, D)`` float32, ``index`` ``(n,)``, ``key`` ``(n,)`` bytes, by index.

    Args:
        folder: Where to write.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / "features.npz"

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._features: list[np.ndarray] = []
        self._index: list[np.ndarray] = []

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: dict[str, Any],
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if outputs["features"] is not None:
            self._features.append(outputs["features"].float().cpu().numpy())
            self._index.append(outputs["index"].cpu().numpy())

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        shares = [(self._features, self._index)]
        if world_size() > 1:
            shares = shares * world_size()
            dist.all_gather_object(shares, (self._features, self._index))
        if trainer.is_global_zero:
            features, index = (np.concatenate([*chain(*parts)]) for parts in zip(*shares, strict=True))
            index, first = np.unique(index, return_index=True)
            source = trainer.predict_dataloaders.dataset.source  # type: ignore[union-attr]
            np.savez(self.file, features=features[first], index=index, key=source.keys()[index])
