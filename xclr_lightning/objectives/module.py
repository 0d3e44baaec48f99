"""The module under every objective: backbone, projector, gather, optimiser. A subclass adds the target."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Literal

import timm
import torch
from lightning import LightningModule
from timm.data import resolve_model_data_config
from torch import Tensor, nn

from xclr_lightning.distributed import gather_with_grad, rank
from xclr_lightning.errors import UserError, did_you_mean
from xclr_lightning.losses import contrastive_cross_entropy, normalize_target
from xclr_lightning.losses.objectives import unit_rows
from xclr_lightning.objectives.projector import mlp
from xclr_lightning.optim import build_optimizer, scaled_lr, warmup_cosine

SETTING = {"labels": "data.label", "nodes": "data.graph", "captions": "data.captions"}


@dataclass
class Samples:
    """What is known of some samples: their numbers and, where the data has them, classes and graph nodes.

    ``index`` and ``labels`` are ``(n,)`` int64, ``nodes`` is ``(n, …)``; ``labels`` and ``nodes`` may be None.
    """

    index: Tensor
    labels: Any = None
    nodes: Any = None

    def __getitem__(self, rows: Tensor | slice) -> "Samples":
        return self._each(lambda value: value[rows])

    def gathered(self) -> "Samples":
        """These of every process, rank-major."""
        return self._each(gather_with_grad)

    def _each(self, function: Callable[[Tensor], Tensor]) -> "Samples":
        values = [getattr(self, field.name) for field in fields(self)]
        mapped: list[Any] = [None if value is None else function(value) for value in values]
        return Samples(*mapped)


class ContrastiveModule(LightningModule):
    """A backbone trained so that the softmax over its projections' similarities matches a target.

    Args:
        backbone: Any timm model, by name.
        backbone_kwargs: Further arguments of ``timm.create_model``, such as ``pretrained``.
        projector: Widths of the projector's layers after the backbone's features; the last one is that of z.
        temperature: τ of the softmax over similarities.
        optimizer: ``adamw`` or ``lars``.
        lr: Peak learning rate, before scaling.
        lr_scaling: ``none``, ``linear`` (· batch / 256) or ``sqrt`` (· √batch).
        weight_decay: Of matrices and convolutions; biases and norms have none.
        warmup_epochs: Epochs of linear warm-up before the cosine; fractions are fine.
        channels_last: Memory format of the backbone, faster for convolutions.
    """

    # What a subclass needs in a batch beyond views and index: of labels, nodes and captions.
    needs: tuple[str, ...] = ()

    backbone: nn.Module
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: str = "resnet50",
        backbone_kwargs: dict[str, Any] | None = None,
        projector: tuple[int, ...] = (2048, 128),
        temperature: float = 0.1,
        optimizer: Literal["adamw", "lars"] = "adamw",
        lr: float = 1e-3,
        lr_scaling: Literal["none", "linear", "sqrt"] = "none",
        weight_decay: float = 0.01,
        warmup_epochs: float = 1.0,
        channels_last: bool = True,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.backbone = _backbone(backbone, backbone_kwargs or {})
        self.feature_dim = int(self.backbone.num_features)  # type: ignore[arg-type]
        self.projector = mlp([self.feature_dim, *projector])
        self.temperature = temperature
        self.optimizer, self.lr, self.lr_scaling = optimizer, lr, lr_scaling
        self.weight_decay, self.warmup_epochs = weight_decay, warmup_epochs
        if channels_last:
            self.backbone = self.backbone.to(memory_format=torch.channels_last)
        config = resolve_model_data_config(self.backbone)
        self.register_buffer("mean", torch.tensor(config["mean"]).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(config["std"]).view(-1, 1, 1), persistent=False)

    def target(self, anchors: Samples, samples: Samples) -> Tensor:
        """How related anchors are to samples: the only thing that a softmax objective must say.

        Args:
            anchors: ``b`` of this process's samples.
            samples: All samples of the batch over all processes, ``N`` of them.

        Returns:
            Weights ≥ 0, floating point or bool, in any unit: each row is scaled to sum to 1 over every view of every
            sample but the anchor itself. Shape: ``(b, N)``.
        """
        raise NotImplementedError(f"{type(self).__name__} must say its target, or a loss of its own")

    def forward(self, images: Tensor) -> Tensor:
        """Features of images, ``(n, 3, H, W)`` uint8 or float in [0, 1] → ``(n, D)``."""
        pixels = images / 255 if images.dtype == torch.uint8 else images
        return self.backbone((pixels - self.mean) / self.std)

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        loss = self._step(batch, "train")
        self.log("train/loss_step", loss)
        self.log("train/lr", self.trainer.optimizers[0].param_groups[0]["lr"])
        return loss

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        return self._step(batch, "val")

    def test_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        return self._step(batch, "test")

    def predict_step(self, batch: dict[str, Any], batch_idx: int) -> dict[str, Any]:
        """Features ``(n, D)`` and index ``(n,)`` of the pictures of a batch that could be read."""
        return {"features": self(batch["image"]) if len(batch["image"]) else None, "index": batch["index"]}

    def batch_loss(self, z: Tensor, batch: dict[str, Any]) -> Tensor:
        """This process's part of the loss of a batch; for objectives that need more of it than :class:`Samples`.

        Args:
            z: Projections of the batch's views. Shape: ``(V, n, d)``.
            batch: See :class:`GraphDataModule`.
        """
        return self.loss(z, Samples(batch["index"], batch.get("labels"), batch.get("nodes")))

    def loss(self, z: Tensor, samples: Samples) -> Tensor:
        """This process's part of the loss: its own rows against the keys of all processes.

        Args:
            z: Projections of this process, view-major. Shape: ``(V, n, d)``.
            samples: This process's samples.
        """
        z = unit_rows(z)
        keys = gather_with_grad(z.transpose(0, 1)).transpose(0, 1)
        everyone = samples.gathered()
        own = torch.arange(z.shape[1], device=z.device) + rank() * z.shape[1]

        def target(rows: slice) -> Tensor:
            return normalize_target(self.target(samples[rows], everyone), own[rows], len(z))

        return contrastive_cross_entropy(z, keys, target, self.temperature, self_index=own)

    def configure_optimizers(self) -> Any:
        steps = int(self.trainer.estimated_stepping_batches)
        lr = scaled_lr(self.lr, self.trainer.datamodule.batch_size, self.lr_scaling)  # type: ignore[attr-defined]
        optimizer = build_optimizer(self, self.optimizer, lr, self.weight_decay)
        warmup = round(self.warmup_epochs * steps / max(1, self.trainer.max_epochs or 1))
        schedule = warmup_cosine(optimizer, min(warmup, steps - 1), steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _step(self, batch: dict[str, Any], stage: str) -> Tensor:
        for need in self.needs:
            if need not in batch:
                raise UserError(f"{type(self).__name__} needs {need} in every batch: set {SETTING[need]}")
        views = batch["views"]
        z = self.projector(self(views.flatten(0, 1))).unflatten(0, views.shape[:2])
        loss = self.batch_loss(z, batch)
        self.log(f"{stage}/loss", loss, on_step=False, on_epoch=True, batch_size=views.shape[1], sync_dist=True)
        return loss


def _backbone(name: str, kwargs: dict[str, Any]) -> nn.Module:
    try:
        return timm.create_model(name, **{"num_classes": 0, **kwargs})
    except RuntimeError as error:
        if timm.is_model(name.partition(".")[0]):
            raise UserError(f"backbone {name!r} cannot be made: {error}") from error
        raise UserError(f"timm has no model {name!r}{did_you_mean(name, timm.list_models())}") from error
