"""What ``predict`` leaves behind: the features of pictures, with their keys."""

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
        width = pl_module.backbone.num_features
        share = (
            np.concatenate([np.zeros((0, width), np.float32), *self._features]),
            np.concatenate([np.zeros(0, np.int64), *self._index]),
        )
        shares = [share]
        if world_size() > 1:
            shares = [share] * world_size()
            dist.all_gather_object(shares, share)
        if trainer.is_global_zero:
            features, index = (np.concatenate(parts) for parts in zip(*shares, strict=True))
            index, first = np.unique(index, return_index=True)
            keys = trainer.predict_dataloaders.dataset.source.keys()[index]
            np.savez(self.file, features=features[first], index=index, key=keys)
