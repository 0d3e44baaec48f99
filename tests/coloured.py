"""Noisy pictures of colours, a trainer that says nothing, and one that saves within a run."""

from pathlib import Path
from typing import Any

import numpy as np
from lightning import Callback, LightningModule, Trainer
from PIL import Image

from xclr_lightning.data.views import EvalView

COLOURS = {"blue": (0, 0, 200), "green": (0, 200, 0), "red": (200, 0, 0)}


def write(root: Path, count: int, names: list[str]) -> str:
    """Pictures of a colour, one subfolder a class."""
    draw = np.random.default_rng(count)
    for number in range(count):
        name = names[number % len(names)]
        pixels = draw.integers(0, 90, (24, 24, 3)) + np.array(COLOURS.get(name, (99, 99, 99))) // 2
        (root / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{number}.png")
    return str(root)


def data_settings(folder: Path) -> dict[str, Any]:
    """Of a data module: 25 pictures to train on, 13 held out, batches of 6."""
    names = list(COLOURS)
    return {
        "train": write(folder / "train", 25, names), "val": write(folder / "val", 13, names), "label": "class",
        "batch_size": 6, "num_workers": 0, "eval_view": EvalView(24, None),
    }  # fmt: skip


def quiet_trainer(**settings: Any) -> Trainer:
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "num_sanity_val_steps": 0}
    return Trainer(accelerator="cpu", enable_model_summary=False, **{**quiet, **settings})


class Saver(Callback):
    """Saves at the end of the second epoch."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.current_epoch == 1:
            trainer.save_checkpoint(self.file)
