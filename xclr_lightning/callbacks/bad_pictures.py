"""Unreadable pictures of training: counted as they are met, reported at the epoch's end."""

import logging
from typing import Any

from lightning import Callback, LightningModule, Trainer
from torch import distributed as dist

from xclr_lightning.distributed import world_size

log = logging.getLogger(__name__)


class BadPictures(Callback):
    """Logs ``data/bad_pictures``, how many pictures of an epoch could not be read, and names the first ones."""

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._bad: list[str] = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: dict[str, Any], batch_idx: int
    ) -> None:
        self._bad += batch["bad"]

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        shares: list[list[str]] = [self._bad]
        if world_size() > 1:
            shares = [[]] * world_size()
            dist.all_gather_object(shares, self._bad)
        bad = sorted({name for share in shares for name in share})
        pl_module.log("data/bad_pictures", float(len(bad)), rank_zero_only=True)
        if bad and trainer.is_global_zero:
            log.warning(
                "epoch %d: skipped %d unreadable picture%s: %s",
                trainer.current_epoch + 1,
                len(bad),
                "s" * (len(bad) > 1),
                "; ".join(bad[:3]),
            )
