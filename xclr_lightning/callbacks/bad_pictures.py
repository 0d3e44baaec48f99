"""Pictures of training that could not be read: counted by cause as they are met, few reported, many refused."""

import logging
from typing import Any

from lightning import Callback, LightningModule, Trainer

from xclr_lightning.data.skipped import by_cause, causes
from xclr_lightning.distributed import gather_lists, rank, world_size
from xclr_lightning.errors import UserError

log = logging.getLogger(__name__)


class BadPictures(Callback):
    """Logs ``data/bad_pictures``, how many pictures of an epoch could not be read, with causes and some names.

    The run stops once there are more than ``data.max_skipped`` allows of a process's pictures in a whole epoch. What is
    known of an epoch goes on with it.
    """

    def __init__(self) -> None:
        self._bad: set[str] = set()

    def state_dict(self) -> dict[str, list[str]]:
        """The bad pictures of all processes, for a checkpoint."""
        return {"bad": gather_lists(sorted(self._bad))}

    def load_state_dict(self, state_dict: dict[str, list[str]]) -> None:
        """Share those of a checkpoint among the processes."""
        self._bad = set(state_dict["bad"][rank() :: world_size()])

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: dict[str, Any], batch_idx: int
    ) -> None:
        self._bad.update(batch["bad"])
        data = trainer.datamodule  # type: ignore[attr-defined]
        drawn = int(trainer.num_training_batches) * data.batch_size // trainer.world_size
        samples = min(drawn, len(data.dataset("train").chosen))  # one that comes again is counted once
        if len(self._bad) > data.max_skipped * samples:
            raise UserError(
                f"{len(self._bad):,} pictures cannot be read ({by_cause(causes(self._bad))}), more than "
                f"data.max_skipped {data.max_skipped:g} of an epoch's {samples:,}, such as {min(self._bad)}; mend the "
                "data or raise it"
            )

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        bad = set(gather_lists([*self._bad]))
        pl_module.log("data/bad_pictures", float(len(bad)), rank_zero_only=True)
        if bad and trainer.is_global_zero:
            log.warning(
                "epoch %d: skipped pictures that cannot be read: %s; such as %s",
                trainer.current_epoch + 1,
                by_cause(causes(bad)),
                "; ".join(sorted(bad)[:3]),
            )
        self._bad = set()
