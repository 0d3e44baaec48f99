"""A sheet of augmented views: what the network is given, before it learns from it."""

from typing import Any

from lightning import Callback, LightningModule, Trainer

from xclr_lightning.callbacks.figures import show
from xclr_lightning.callbacks.pictures import as_evaluated, said_of
from xclr_lightning.callbacks.sheets import draw_views
from xclr_lightning.errors import UserError


class ViewSheet(Callback):
    """Some pictures of the first batch that ``fit`` trains on, as they are evaluated and as all their views.

    It is the batch itself, after ``data.view`` and ``data.augment``: nothing is drawn for the sheet, so a run is the
    same with and without it. Logged as the figure ``data/views``.

    Args:
        pictures: How many, at most; 0 turns it off.
    """

    def __init__(self, pictures: int = 6) -> None:
        if pictures < 0:
            raise UserError(f"view_sheet.pictures {pictures}: expected 0 or more")
        self.pictures = pictures
        self._shown = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._shown = not (self.pictures and trainer.is_global_zero)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: dict[str, Any], batch_idx: int
    ) -> None:
        if self._shown:
            return
        self._shown = True
        source = trainer.datamodule.dataset("train").source  # type: ignore[attr-defined]
        numbers = batch["index"][: self.pictures].tolist()
        views = batch["views"][:, : self.pictures].permute(1, 0, 3, 4, 2).cpu()
        if views.is_floating_point():  # in whatever precision
            views = views.float().clamp(0, 1)
        pictures = [as_evaluated(trainer, source, number) for number in numbers]
        rows = list(zip(said_of(source, numbers), pictures, views.numpy(), strict=True))
        show(trainer, "data/views", draw_views("What the network is trained on", rows))
