"""What the graph asks for, said before the first step."""

import logging

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

from xclr_lightning.callbacks.figures import show
from xclr_lightning.errors import UserError
from xclr_lightning.graphs.inspection import draw_report, headline, inspect_graph, plain_text, subject_in_use, warning

log = logging.getLogger(__name__)


class GraphReport(Callback):
    """What ``graph inspect`` shows, of the training pictures' graph with the batch size and τ_s in use.

    One line goes to the terminal, with a warning where the target is nearly uniform or nearly one-hot; tables and
    figure go to TensorBoard as ``graph/report``. Objectives without the graph have none.

    Args:
        sample: Captions or classes that are compared with each other, at most; 0 turns it off.

    Attributes:
        suggested: The τ_s that it would begin with, where it is another one than in use.
    """

    def __init__(self, sample: int = 2000) -> None:
        self.sample = sample
        self.suggested: float | None = None

    @rank_zero_only
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        data = trainer.datamodule  # type: ignore[attr-defined]
        folder = getattr(data, "graph_folder", None)
        if not self.sample or folder is None or "nodes" not in getattr(pl_module, "needs", ()):
            return
        train = data.dataset("train")
        try:
            report = inspect_graph(
                subject_in_use(train.graph, train.source, folder),
                data.batch_size,
                # Of pictures and texts, none is a view of the other's sample.
                1 if hasattr(pl_module, "encode_text") else data.num_views + _caption_views(pl_module),
                getattr(pl_module, "target_temperature", None),
                self.sample,
            )
        except UserError as error:
            log.warning("%s", error)  # what cannot be shown can be trained on all the same
            return
        if report.suggested is not None and report.suggested is not report.in_use:
            self.suggested = report.suggested.temperature
        print(headline(report), flush=True)
        if text := warning(report):
            log.warning("graph: %s", text)
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_text("graph/report", f"```\n{plain_text(report)}```", trainer.global_step)
        show(trainer, "graph/report", draw_report(report))


def _caption_views(module: LightningModule) -> int:
    """How many views of a sample are its caption."""
    return int(getattr(module, "caption_projector", None) is not None)
