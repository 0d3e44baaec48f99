"""Before SLURM takes the machines away: save at the end of a step, and have the job queued again."""

import logging
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from xclr_lightning.errors import UserError

# Steps between two looks at whether a process has been told: each asks all processes, and waits for the device.
EVERY = 10

log = logging.getLogger(__name__)


class Requeue(Checkpoint):
    """Ends training where SLURM says by SIGUSR1 that its time is nearly up, and has ``scontrol`` queue the job again.

    The same command then goes on from the checkpoint. Lightning's own way saves wherever a process is when it hears the
    signal, in the middle of a step or while others wait for it. (A ``Checkpoint``, so that it comes after all callbacks
    that have something to save.)

    Args:
        checkpoint: Where to save.
    """

    def __init__(self, checkpoint: Path) -> None:
        self.checkpoint, self._told = checkpoint, False
        signal.signal(signal.SIGUSR1, self._hear)  # from now on, for before training there may be hours of preparation

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save and stop, where a process has been told to."""
        # At an epoch's last step its evaluations are yet to come, and would be left out.
        if batch_idx % EVERY or trainer.is_last_batch:
            return
        if not trainer.strategy.reduce_boolean_decision(self._told, all=False):
            return
        trainer.save_checkpoint(self.checkpoint)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # SLURM ends what it queues again, which ends by itself
        if trainer.is_global_zero:
            self._queue()
        raise SystemExit(0)

    def _hear(self, *signalled: Any) -> None:
        self._told = True

    def _queue(self) -> None:
        array, job = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ["SLURM_JOB_ID"]
        job = f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}" if array else job
        try:
            subprocess.run(["scontrol", "requeue", job], check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            reason = (getattr(error, "stderr", "") or str(error)).strip()
            raise UserError(
                f"saved {self.checkpoint}, but SLURM does not queue job {job} again ({reason}): submit it anew, and it "
                "goes on from there"
            ) from error
        log.warning("saved %s, from which job %s, queued again, goes on", self.checkpoint, job)
