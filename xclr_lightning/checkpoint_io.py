"""Checkpoints within epochs, and that are on the disk whole or not at all."""

import os
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch.callbacks import ModelCheckpoint


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its place and then renames it, so that a killed process leaves the one before.

    Lightning's own writes to the system's temporary folder, from where a move to another disk is a copy.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a checkpoint; remote places, such as ``s3://…``, are left to Lightning.

        Args:
            checkpoint: What ``torch.save`` can hold.
            path: The file; its folders are made.
            storage_options: Nothing but None is expected, as in Lightning's own.
        """
        if "://" in str(path) or storage_options is not None:
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        place = Path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = place.with_name(f".{place.name}.draft")
        with draft.open("wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())  # or a power cut may leave the name without the content
        draft.replace(place)


class StepCheckpoint(ModelCheckpoint):
    """Saves every few steps, but not at an epoch's last one: a run that goes on would leave out what comes at its end.

    Args:
        **settings: Of Lightning's ``ModelCheckpoint``.
    """

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Save, where it is time to."""
        if not trainer.is_last_batch:
            super().on_train_batch_end(trainer, pl_module, *args)
