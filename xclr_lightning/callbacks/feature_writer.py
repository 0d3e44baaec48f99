"""What ``predict`` leaves behind: the features of pictures, with their keys."""

from pathlib import Path
from typing import Any

import numpy as np
from lightning import Callback, LightningModule, Trainer

from xclr_lightning.data import Source
from xclr_lightning.distributed import gather_lists
from xclr_lightning.errors import UserError
from xclr_lightning.features.encode import BLOCK
from xclr_lightning.features.files import contents, write_parquet


class FeatureWriter(Callback):
    """Writes ``features.parquet``, which is what ``embed`` writes of the same model and pictures.

    Args:
        folder: Where to write.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / "features.parquet"

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._features: list[np.ndarray] = []
        self._index: list[np.ndarray] = []
        self._bad: list[str] = []

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: dict[str, Any],
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._bad += batch["bad"]
        if outputs["features"] is not None:
            self._features.append(outputs["features"].float().cpu().numpy())
            self._index.append(outputs["index"].cpu().numpy())

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        features, numbers, bad = (gather_lists(one) for one in (self._features, self._index, self._bad))
        if not trainer.is_global_zero:
            return
        if not features:
            raise UserError(f"none of {len(bad):,} pictures can be read, first {bad[0]}")
        index, first = np.unique(np.concatenate(numbers), return_index=True)
        values = np.concatenate(features)[first]
        blocks = ((values[i : i + BLOCK], index[i : i + BLOCK]) for i in range(0, len(index), BLOCK))
        source: Source = trainer.predict_dataloaders.dataset.source  # type: ignore[union-attr]
        description = {
            "crop": repr(trainer.datamodule.eval_view),  # type: ignore[attr-defined]
            "precision": trainer.precision,
            "values": "features",
            "name": str(trainer.ckpt_path),
        }
        write_parquet(self.file, blocks, source, "features", description)
        print(contents(len(values), values.shape[1], f"features: {self.file}", bad))
