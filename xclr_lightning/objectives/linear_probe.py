"""Linear evaluation: a linear classifier trained on a frozen backbone, as papers report it."""

import logging
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics import MeanMetric

from xclr_lightning.callbacks.features import Features, features_of
from xclr_lightning.data.source import labels
from xclr_lightning.errors import UserError
from xclr_lightning.evaluation.linear_head import topk_accuracy
from xclr_lightning.objectives.base import BackboneModule

# Features that are classified at once.
BLOCK = 8192

log = logging.getLogger(__name__)


class LinearProbe(BackboneModule):
    """A linear layer trained by cross-entropy on ``data.label``, over a backbone that stays as it is.

    The backbone evaluates throughout, so that the statistics of its batch norms do not move. Beside ``train/top1``,
    ``val/top1`` and ``val/top5`` are logged, the latter of every picture of ``data.val`` once, cropped by
    ``data.eval_view``; ``test`` logs them as ``test/…``. Report the last epoch's, not the best.

    Args:
        optimizer: As in :class:`BackboneModule`; the defaults here are those of the protocol, which has 90 epochs.
        lr: Peak learning rate, before scaling.
        lr_scaling: As in :class:`BackboneModule`.
        weight_decay: Of the layer's weight.
        warmup_epochs: As in :class:`BackboneModule`.
        kwargs: Further arguments of :class:`BackboneModule`, above all ``init_from``, where the backbone comes from.

    Reference:
        Goyal et al., Scaling and Benchmarking Self-Supervised Visual Representation Learning, ICCV 2019; rates as in
        Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, ICML 2020, appendix B.6.
    """

    needs = ("labels",)
    head: nn.Linear

    def __init__(
        self,
        optimizer: Literal["adamw", "lars", "sgd"] = "sgd",
        lr: float = 0.1,
        lr_scaling: Literal["none", "linear", "sqrt"] = "linear",
        weight_decay: float = 0.0,
        warmup_epochs: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            optimizer=optimizer, lr=lr, lr_scaling=lr_scaling, weight_decay=weight_decay, warmup_epochs=warmup_epochs,
            **kwargs,
        )  # fmt: skip
        self.backbone.requires_grad_(False).eval()
        self.train_top1 = MeanMetric()

    def setup(self, stage: str) -> None:
        """Learn the classes from the data, before there is an optimiser."""
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        if stage == "predict":
            return
        if data.label is None:
            raise UserError("LinearProbe needs the class of every picture: set data.label")
        self._tell_apart(labels(data.dataset("train").source, data.label)[1])
        trained, scored = (getattr(view, "size", None) for view in (data.view, data.eval_view))
        if stage == "fit" and trained != scored and self.trainer.is_global_zero:
            log.warning(
                "the linear layer is trained on views of %s pixels and scored on pictures of %s, which costs accuracy: "
                "its features differ; set data.view.size to the latter",
                trained,
                scored,
            )

    def train(self, mode: bool = True) -> "LinearProbe":
        """Train the layer; the backbone always evaluates."""
        super().train(mode)
        self.backbone.eval()
        return self

    def classify(self, features: Tensor) -> Tensor:
        """Logits of features, ``(n, D)`` → ``(n, C)``, in the order of ``classes``."""
        logits: Tensor = self.head(features.to(self.head.weight))
        return logits

    def step(self, batch: dict[str, Any], stage: str, batch_idx: int) -> tuple[Tensor, Tensor]:
        views, truth = batch["views"], batch["labels"]
        with torch.no_grad():
            features = self(views.flatten(0, 1))
        truth = truth.repeat(len(views))
        logits = self.classify(features)
        if stage == "train":
            self.train_top1.update(logits.argmax(1) == truth)
            self.log("train/top1", self.train_top1, on_step=False, on_epoch=True)
        # A held-out picture of a class that training lacks has no loss, and counts as an error in accuracies.
        return F.cross_entropy(logits, truth, ignore_index=-1), features

    def on_validation_epoch_end(self) -> None:
        if not self.trainer.sanity_checking:
            self._score("val")

    def on_test_epoch_end(self) -> None:
        self._score("test")

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the names of the classes."""
        checkpoint["classes"] = self.classes

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the classes of the checkpoint.

        Raises:
            UserError: It is no linear probe's, or the data's classes are others.
        """
        classes = checkpoint.get("classes")
        if classes is None:
            raise UserError("the checkpoint is no LinearProbe's: to start one from it, give it as model.init_from")
        if self.classes not in (None, classes):
            raise UserError(
                f"the checkpoint tells {_listed(classes)} apart and the data has {_listed(self.classes or [])}: give "
                "data.train and data.label that it was trained with"
            )
        self._tell_apart(classes)

    def _tell_apart(self, classes: list[str]) -> None:
        if self.classes is None:
            self.classes, self.head = classes, nn.Linear(self.feature_dim, len(classes), device=self.device)
            for p in self.head.parameters():
                nn.init.zeros_(p)  # the problem is convex: no seed is needed

    def _score(self, stage: str) -> None:
        """Accuracies on every picture of ``data.val`` once, the same in every process."""
        dataset = self.trainer.datamodule.dataset("val")  # type: ignore[attr-defined]
        features: Features = features_of(self.trainer, self, dataset.source)
        scores = [self.classify(block.to(self.device)).float().cpu() for block in features.values.split(BLOCK)]
        truth = torch.from_numpy(dataset.labels)[features.index]
        for k in (1, 5):
            self.log(f"{stage}/top{k}", topk_accuracy(torch.cat(scores), truth, k), rank_zero_only=True)


def _listed(classes: list[str]) -> str:
    return f"{len(classes)} classes ({', '.join(classes[:3])}{', …' if len(classes) > 3 else ''})"
