"""Where figures go: TensorBoard, and the run folder."""

import io
import warnings

import numpy as np
from lightning import Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from matplotlib.figure import Figure
from PIL import Image

from xclr_lightning.callbacks.run_folder import RunFolder

# Of what is kept; what is shown has half of it.
DPI = 200


def show(trainer: Trainer, name: str, figure: Figure) -> None:
    """Show a figure among TensorBoard's images, and keep its latest state in the run folder as ``figures/NAME.png``.

    Args:
        trainer: Of a run whose first process calls this.
        name: Such as ``graph/similarity``.
        figure: What is shown.
    """
    drawn = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # captions may be in scripts that the font lacks
        figure.savefig(drawn, format="png", dpi=DPI)
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, RunFolder):
            file = callback.folder / "figures" / f"{name}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(drawn.getvalue())
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            small = np.asarray(Image.open(drawn).convert("RGB").reduce(2))
            logger.experiment.add_image(name, small, trainer.global_step, dataformats="HWC")


def are_shown(trainer: Trainer) -> bool:
    """Whether figures go anywhere; they do not in ``fast_dev_run``, which writes nothing."""
    kept = any(isinstance(callback, RunFolder) for callback in trainer.callbacks)  # type: ignore[attr-defined]
    return kept or any(isinstance(logger, TensorBoardLogger) for logger in trainer.loggers)


def after_epoch(trainer: Trainer) -> str:
    """When a figure is of, as the end of its title; nothing where no epoch was trained."""
    return f" after epoch {trainer.current_epoch + 1}" if trainer.state.fn == "fit" else ""
