"""A linear classifier trained beside the objective, to watch while it trains."""

import logging
from dataclasses import dataclass
from typing import Any

import torch
from lightning import LightningModule, Trainer
from torch import Tensor
from torch import distributed as dist

from xclr_lightning.callbacks.evaluation import Evaluation
from xclr_lightning.callbacks.labelled import query_labels
from xclr_lightning.data import Source, open_source
from xclr_lightning.data.source import labels
from xclr_lightning.data.views import View
from xclr_lightning.distributed import world_size
from xclr_lightning.errors import UserError
from xclr_lightning.evaluation.linear_head import BLOCK, topk_accuracy
from xclr_lightning.evaluation.sgd_probe import SGDHeads, cosine

log = logging.getLogger(__name__)


@dataclass
class ProbeSet:
    """Pictures that the classifier is scored on.

    Args:
        queries: The pictures.
        label: The field with their class, whose values are those of ``data.label``.
    """

    queries: str
    label: str = "class"


class OnlineProbe(Evaluation):
    """A linear layer on the training batches' features and ``data.label``, logged as ``NAME/top1``, ``NAME/top5``.

    ``linear_probe/train_top1`` is its accuracy on the batches before it learns from them. No gradient reaches the
    network, and nothing random is drawn: weights are to the bit those of a run without it. All processes have the same
    layer, and a run that goes on has the one it had. It trains only where something is to be scored and samples have a
    class; ``test`` and ``validate`` have no batches to train it on, see :class:`FeatureProbe` for these.

    With ``model.ema_decay`` it learns from the network that trains and is scored on the averaged one.

    Args:
        sets: NAME → pictures to score.
        view: How pictures are cropped, by default ``data.eval_view``. Best at the size of training's views: unlike
            neighbours, the layer does not shift along with features of pictures of another size.
        lr: Peak learning rate of SGD for a batch of 256, scaled linearly; momentum is 0.9, the schedule a cosine.
        every_n_epochs: How often pictures are scored; 0 turns all of it off.
        subset: At most so many pictures of each set.
    """

    def __init__(
        self,
        sets: dict[str, ProbeSet] | None = None,
        view: View | None = None,
        lr: float = 0.1,
        every_n_epochs: int = 1,
        subset: int | None = None,
    ) -> None:
        super().__init__(every_n_epochs, subset)
        self.sets, self.view, self.lr = sets or {}, view, lr
        self._heads: SGDHeads | None = None

    def open(self) -> bool:
        return bool(self.sets)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        data = trainer.datamodule  # type: ignore[attr-defined]
        self._on = self._on and stage == "fit"
        if self._on and data.label is None:
            log.warning("linear_probe is off: samples have no class, set data.label")
            self._on = False
        if self._on:
            classes = labels(data.dataset("train").source, data.label)[1]
            self._opened = {name: _open(f"linear_probe.sets.{name}", one, classes) for name, one in self.sets.items()}
            self._heads = SGDHeads(1, len(classes), pl_module.feature_dim)  # type: ignore[arg-type]

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._heads is not None:
            self._heads.to(pl_module.device)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self._progress = trainer.global_step / trainer.estimated_stepping_batches

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: dict[str, Any], batch_idx: int
    ) -> None:
        if not self._on or self._heads is None:
            return
        if "features" not in outputs:
            name = type(pl_module).__name__
            raise UserError(f"linear_probe needs the features of a batch: {name}.training_step must return them too")
        features = outputs["features"].float()
        truth = batch["labels"].repeat(len(batch["views"]))
        weight, bias, scores = self._heads.gradients(features, truth)
        for gradient in (weight, bias):
            if world_size() > 1:
                dist.all_reduce(gradient)
                gradient /= world_size()
        size = trainer.datamodule.batch_size  # type: ignore[attr-defined]
        rate = self.lr * size / 256 * cosine(self._progress)
        self._heads.step(weight, bias, features.new_tensor([rate]))
        hits = (scores[:, 0].argmax(1) == truth).float().mean()
        pl_module.log(
            "linear_probe/train_top1", hits, on_step=False, on_epoch=True, batch_size=len(truth), sync_dist=True
        )

    def evaluate(self, trainer: Trainer, module: LightningModule) -> dict[str, float]:
        assert self._heads is not None
        results = {}
        for name, (source, truth) in self._opened.items():
            features = self.features(trainer, module, source, self.view)
            blocks = [self._heads(block.float().to(module.device))[:, 0] for block in features.values.split(BLOCK)]
            scores = torch.cat(blocks).cpu()
            for k in (1, 5):
                results[f"{name}/top{k}"] = topk_accuracy(scores, truth[features.index], k)
        return results

    def state_dict(self) -> dict[str, Any]:
        """The layer and its momentum."""
        return {} if self._heads is None else self._heads.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the layer of a checkpoint.

        Raises:
            RuntimeError: It is of another number of classes or features.
        """
        if self._heads is not None and state_dict:
            self._heads.load_state_dict(state_dict)


def _open(setting: str, one: ProbeSet, classes: list[str]) -> tuple[Source, Tensor]:
    source = open_source(one.queries)
    return source, query_labels(setting, source, one.label, classes, "data.train")
