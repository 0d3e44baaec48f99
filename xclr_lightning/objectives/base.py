"""The module under everything that is trained: a backbone, its optimiser, and what evaluations ask of it."""

import math
from abc import abstractmethod
from typing import Any, Literal

import torch
from lightning import LightningModule
from timm.data import resolve_model_data_config
from torch import Tensor, nn

from xclr_lightning.errors import UserError
from xclr_lightning.objectives.backbone import create_backbone
from xclr_lightning.objectives.starting_weights import load_backbone
from xclr_lightning.objectives.sync_batchnorm import synchronized
from xclr_lightning.optim import build_optimizer, parameter_groups, scaled_lr, warmup_cosine
from xclr_lightning.pretrained import weights_are_to_come, weights_to_come

SETTING = {"labels": "data.label", "nodes": "data.graph", "captions": "data.captions"}


class BackboneModule(LightningModule):
    """A backbone with an optimiser and a schedule. A subclass says what a batch costs.

    Args:
        backbone: Any timm model, by name.
        backbone_kwargs: Further arguments of ``timm.create_model``, such as ``pretrained``.
        init_from: Weights that the backbone starts from: a checkpoint of any objective, or a timm model's file.
        optimizer: ``adamw``, ``lars`` or ``sgd``.
        lr: Peak learning rate, before scaling.
        lr_scaling: ``none``, ``linear`` (· batch / 256) or ``sqrt`` (· √batch), where a batch is what a step sees.
        weight_decay: Of matrices and convolutions; biases and norms have none.
        warmup_epochs: Epochs of linear warm-up before the cosine; fractions are fine.
        compile: Compile the backbone with ``torch.compile``; checkpoints are the same.
        channels_last: Memory format of the backbone, faster for convolutions.
    """

    # What a subclass needs in a batch beyond views and index: of labels, nodes and captions.
    needs: tuple[str, ...] = ()
    # Names of the classes that it tells apart by itself, in the order of what its ``classify`` gives; None for none.
    classes: list[str] | None = None

    backbone: nn.Module
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: str = "resnet50",
        backbone_kwargs: dict[str, Any] | None = None,
        init_from: str | None = None,
        optimizer: Literal["adamw", "lars", "sgd"] = "adamw",
        lr: float = 1e-3,
        lr_scaling: Literal["none", "linear", "sqrt"] = "none",
        weight_decay: float = 0.01,
        warmup_epochs: float = 1.0,
        compile: bool = False,
        channels_last: bool = True,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.backbone = create_backbone(backbone, backbone_kwargs or {})
        # Some models, such as MobileNetV3, widen their features after pooling.
        self.feature_dim = int(getattr(self.backbone, "head_hidden_size", None) or self.backbone.num_features)  # type: ignore[arg-type]
        self.optimizer, self.lr, self.lr_scaling = optimizer, lr, lr_scaling
        self.weight_decay, self.warmup_epochs = weight_decay, warmup_epochs
        if init_from and not weights_are_to_come():
            load_backbone(self.backbone, init_from)
        if channels_last:
            self.backbone = self.backbone.to(memory_format=torch.channels_last)
        if compile:
            self.backbone.compile()
        config = resolve_model_data_config(self.backbone)
        self.register_buffer("mean", torch.tensor(config["mean"]).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(config["std"]).view(-1, 1, 1), persistent=False)

    @classmethod
    def load_from_checkpoint(cls, *args: Any, **kwargs: Any) -> Any:
        """As in the base, without fetching the pretrained weights that those of the checkpoint replace."""
        with weights_to_come():
            return super().load_from_checkpoint(*args, **kwargs)

    @abstractmethod
    def step(self, batch: dict[str, Any], stage: str, batch_idx: int) -> tuple[Tensor, Tensor]:
        """This process's part of the loss of a batch, and the features of its views.

        Args:
            batch: See :class:`GraphDataModule`.
            stage: ``train``, ``val`` or ``test``, for what is logged.
            batch_idx: The batch's number in its epoch.

        Returns:
            A scalar, and ``(V·n, D)``, view-major.
        """

    def forward(self, images: Tensor) -> Tensor:
        """Features of images, ``(n, 3, H, W)`` uint8 or float in [0, 1] → ``(n, D)``."""
        return self._features(self.backbone, images)

    def project(self, features: Tensor) -> Tensor:
        """What is compared in place of features: here they themselves. Shapes: ``(n, D)`` → ``(n, D)``."""
        return features

    def groups(self, lr: float) -> list[dict[str, Any]]:
        """What is trained, at which rates, see :func:`xclr_lightning.optim.parameter_groups`."""
        return parameter_groups(self, self.backbone, lr, self.weight_decay)

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Any:
        """The loss, and beside it the features, detached, for callbacks."""
        loss, features = self._step(batch, "train", batch_idx)
        self.log("train/loss_step", loss)
        # The last group's: the projector's, where the backbone has rates of its own.
        self.log("train/lr", self.trainer.optimizers[0].param_groups[-1]["lr"])
        return {"loss": loss, "features": features.detach()}

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        return self._step(batch, "val", batch_idx)[0]

    def test_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        return self._step(batch, "test", batch_idx)[0]

    def predict_step(self, batch: dict[str, Any], batch_idx: int) -> dict[str, Any]:
        """Features ``(n, D)`` and index ``(n,)`` of the pictures of a batch that could be read."""
        return {"features": self(batch["image"]) if len(batch["image"]) else None, "index": batch["index"]}

    def configure_model(self) -> None:
        """Synchronise batch norm; also called without a trainer, by ``load_from_checkpoint``."""
        if self._trainer is not None and self.trainer.world_size > 1:
            synchronized(self, self.trainer.strategy.root_device)

    def on_fit_start(self) -> None:
        """Train what is to be trained, also where the module comes from an evaluation."""
        self.train()

    def configure_optimizers(self) -> Any:
        self.trainer.fit_loop.setup_data()  # without it the batches are not counted where max_steps ends the run
        if math.isinf(steps := self.trainer.estimated_stepping_batches):
            raise UserError(
                "the learning rate goes down to an end, and the run has none: "
                "set trainer.max_epochs or trainer.max_steps"
            )
        accumulated = self.trainer.accumulate_grad_batches
        batch = self.trainer.datamodule.batch_size * accumulated  # type: ignore[attr-defined]
        optimizer = build_optimizer(self.groups(scaled_lr(self.lr, batch, self.lr_scaling)), self.optimizer)
        warmup = round(self.warmup_epochs * self.trainer.num_training_batches / accumulated)
        schedule = warmup_cosine(optimizer, min(warmup, int(steps) - 1), int(steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _step(self, batch: dict[str, Any], stage: str, batch_idx: int) -> tuple[Tensor, Tensor]:
        for need in self.needs:
            if need not in batch:
                raise UserError(f"{type(self).__name__} needs {need} in every batch: set {SETTING[need]}")
        loss, features = self.step(batch, stage, batch_idx)
        samples = batch["views"].shape[1]
        self.log(f"{stage}/loss", loss, on_step=False, on_epoch=True, batch_size=samples, sync_dist=True)
        return loss, features

    def _features(self, backbone: nn.Module, images: Tensor) -> Tensor:
        # In place: fresh memory would cost more than the arithmetic.
        pixels = images.to(torch.promote_types(self.mean.dtype, torch.float32), copy=True)
        if images.dtype == torch.uint8:
            pixels.div_(255)
        features: Tensor = backbone(pixels.sub_(self.mean).div_(self.std).to(self.mean.dtype))
        return features
