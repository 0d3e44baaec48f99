"""TensorBoard's page of custom scalars: curves by the question that they answer."""

import re
from collections.abc import Iterable

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

from xclr_lightning.errors import UserError

Charts = dict[str, dict[str, list[str]]]
# Question → chart → patterns of names, which must match from their beginning.
CHARTS: Charts = {
    "1 · Does it learn?": {
        "loss": [r"(train|val)/loss$"],
        "loss of each step": [r"train/loss_step$"],
        "learning rate": [r"train/lr$"],
        "dimensions in use: effective rank of the features": [r"features/rank_me$"],
        "alignment and uniformity of views": [r"features/(alignment|uniformity)$"],
    },
    "2 · Is the graph right?": {
        "effective positives of an anchor": [r"target/effective_positives$"],
        "share of the target on an anchor's own sample": [r"target/own_share$"],
        "entropy of the target, in nats": [r"target/entropy$"],
        "negatives of an anchor": [r"train/negatives$"],
        "network's similarities against the graph's: rank correlation": [r"graph/spearman$", r"agreement/"],
    },
    "3 · How good are the features?": {
        "kNN accuracy, 20 neighbours": [r".*/top1@20$"],
        "kNN accuracy, one neighbour": [r".*/top1@1$"],
        "accuracy of classifiers: own head, probes, zero-shot": [r".*/(top1|top5|ridge|sgd)$"],
        "accuracy with few labels": [r".*/top1@\d+shot$"],
        "retrieval": [r".*/(map|map_at_r|(precision|recall|hit|ndcg)@\d+)$"],
    },
    "4 · How robust are they?": {
        "ImageNet-9: accuracy on other backgrounds": [r"imagenet9/(?!bg_gap)"],
        "ImageNet-9: BG-gap, what the background makes": [r"imagenet9/bg_gap$"],
        "other pictures of ImageNet's classes": [r"(imagenet_shift|imagenet_real|objectnet)/"],
        "MIT-States: attributes and objects": [r"mit_states/"],
    },
    "5 · How fast is it?": {
        "pictures a second": [r"speed/images_per_second$"],
        "share of the time spent waiting for data": [r"speed/data_wait$"],
        "memory in GB": [r"speed/memory_gb$"],
        "pictures that cannot be read": [r"data/bad_pictures$"],
    },
}


class ScalarLayout(Callback):
    """Lays out TensorBoard's custom scalars by question: does it learn, is the graph right, how good are the features.

    Args:
        charts: Question → chart → regular expressions, which match names of scalars from their beginning; by default
            those of every shipped evaluation. None are laid out where it is empty.

    Raises:
        UserError: A pattern is no regular expression.
    """

    def __init__(self, charts: Charts | None = None) -> None:
        self.charts = CHARTS if charts is None else charts
        self._laid_out: Charts = {}
        for pattern in (pattern for part in self.charts.values() for chart in part.values() for pattern in chart):
            try:
                re.compile(pattern)
            except re.error as error:
                raise UserError(f"scalar_layout.charts: {pattern!r} is no regular expression: {error}") from error

    @rank_zero_only
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._lay_out(trainer, self.charts)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave out the charts that have stayed empty so far."""
        # In every process: numbers of all of them are put together when they are first read.
        names = {*trainer.callback_metrics, *trainer.logged_metrics}
        if trainer.is_global_zero:
            self._lay_out(trainer, filled(self.charts, names))

    def _lay_out(self, trainer: Trainer, charts: Charts) -> None:
        if not charts or charts == self._laid_out:
            return
        self._laid_out = charts
        layout = {
            question: {chart: ["Multiline", patterns] for chart, patterns in part.items()}
            for question, part in charts.items()
        }
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_custom_scalars(layout)


def filled(charts: Charts, names: Iterable[str]) -> Charts:
    """The charts that have something to show.

    Args:
        charts: Question → chart → patterns.
        names: Of scalars.

    Example:
        >>> filled({"good?": {"kNN": ["knn/"], "probe": ["probe/"]}, "fast?": {"speed": ["speed/"]}}, ["knn/top1@20"])
        {'good?': {'kNN': ['knn/']}}
    """
    names = list(names)
    parts = {
        question: {
            chart: patterns
            for chart, patterns in part.items()
            if any(re.match(pattern, name) for pattern in patterns for name in names)
        }
        for question, part in charts.items()
    }
    return {question: part for question, part in parts.items() if part}
