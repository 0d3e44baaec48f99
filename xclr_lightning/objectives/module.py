"""The module under every objective: backbone, projector, gather, optimiser. A subclass adds the target."""

from typing import Any, Literal

import torch
from lightning import LightningModule
from timm.data import resolve_model_data_config
from torch import Tensor, nn

from xclr_lightning.distributed import gather_with_grad, rank, world_size
from xclr_lightning.errors import UserError
from xclr_lightning.evaluation.diagnostics import alignment, rank_me, target_statistics, uniformity
from xclr_lightning.losses import contrastive_cross_entropy, normalize_target
from xclr_lightning.losses.objectives import unit_rows
from xclr_lightning.objectives.average import WeightAverage, fit_to
from xclr_lightning.objectives.backbone import create_backbone
from xclr_lightning.objectives.projector import mlp
from xclr_lightning.objectives.samples import Samples
from xclr_lightning.objectives.starting_weights import load_backbone
from xclr_lightning.objectives.sync_batchnorm import synchronized
from xclr_lightning.optim import build_optimizer, parameter_groups, scaled_lr, warmup_cosine
from xclr_lightning.pretrained import weights_are_to_come, weights_to_come

SETTING = {"labels": "data.label", "nodes": "data.graph", "captions": "data.captions"}

# Samples that a diagnosis looks at: enough for a mean, and nothing beside a step.
DIAGNOSED = 256


class ContrastiveModule(LightningModule):
    """A backbone trained so that the softmax over its projections' similarities matches a target.

    Over several processes, batch norm statistics are those of the whole batch, as is everything else.

    Args:
        backbone: Any timm model, by name.
        backbone_kwargs: Further arguments of ``timm.create_model``, such as ``pretrained``.
        init_from: Weights that the backbone starts from: a checkpoint of any objective, or a timm model's file.
        projector: Widths of the projector's layers after the backbone's features; the last one is that of z.
        temperature: τ of the softmax over similarities.
        optimizer: ``adamw``, ``lars`` or ``sgd``.
        lr: Peak learning rate, before scaling.
        lr_scaling: ``none``, ``linear`` (· batch / 256) or ``sqrt`` (· √batch), where a batch is what a step sees.
        backbone_lr_scale: Learning rate of the backbone as a share of the projector's.
        layer_decay: Learning rate of each layer of the backbone as a share of the next one's.
        weight_decay: Of matrices and convolutions; biases and norms have none.
        warmup_epochs: Epochs of linear warm-up before the cosine; fractions are fine.
        ema_decay: Share of the weights' moving average that a step keeps; it is then what is evaluated. 0 for none.
        compile: Compile the backbone with ``torch.compile``; checkpoints are the same.
        channels_last: Memory format of the backbone, faster for convolutions.
    """

    # What a subclass needs in a batch beyond views and index: of labels, nodes and captions.
    needs: tuple[str, ...] = ()

    backbone: nn.Module
    average: WeightAverage | None
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: str = "resnet50",
        backbone_kwargs: dict[str, Any] | None = None,
        init_from: str | None = None,
        projector: tuple[int, ...] = (2048, 128),
        temperature: float = 0.1,
        optimizer: Literal["adamw", "lars", "sgd"] = "adamw",
        lr: float = 1e-3,
        lr_scaling: Literal["none", "linear", "sqrt"] = "none",
        backbone_lr_scale: float = 1.0,
        layer_decay: float = 1.0,
        weight_decay: float = 0.01,
        warmup_epochs: float = 1.0,
        ema_decay: float = 0.0,
        compile: bool = False,
        channels_last: bool = True,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.backbone = create_backbone(backbone, backbone_kwargs or {})
        self.feature_dim = int(self.backbone.num_features)  # type: ignore[arg-type]
        self.projector = mlp([self.feature_dim, *projector])
        self.temperature = temperature
        self.optimizer, self.lr, self.lr_scaling = optimizer, lr, lr_scaling
        self.backbone_lr_scale, self.layer_decay = backbone_lr_scale, layer_decay
        self.weight_decay, self.warmup_epochs = weight_decay, warmup_epochs
        if init_from and not weights_are_to_come():
            load_backbone(self.backbone, init_from)
        if channels_last:
            self.backbone = self.backbone.to(memory_format=torch.channels_last)
        if not 0 <= ema_decay < 1:
            raise UserError(f"model.ema_decay {ema_decay} is not in [0, 1)")
        self.ema_decay, self.average = ema_decay, None
        self.keep_average("backbone", "projector")
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

    def probabilities(self, anchors: Samples, samples: Samples, own: Tensor, views: int) -> Tensor:
        """The target scaled to probabilities, see :func:`xclr_lightning.losses.normalize_target`. Shape: ``(b, N)``."""
        with torch.autocast(own.device.type, enabled=False):
            return normalize_target(self.target(anchors, samples), own, views)

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        """The data's graph between two sets of nodes. Shapes: ``(n, …)``, ``(m, …)`` → ``(n, m)``."""
        return self.trainer.datamodule.graph.similarity(a, b)  # type: ignore[attr-defined]

    def forward(self, images: Tensor) -> Tensor:
        """Features of images, ``(n, 3, H, W)`` uint8 or float in [0, 1] → ``(n, D)``."""
        return self._features(self.part("backbone"), images)

    def project(self, features: Tensor) -> Tensor:
        """Projections of features, ``(n, D)`` → ``(n, d)``, not normalised."""
        return self.part("projector")(features)

    def part(self, name: str) -> nn.Module:
        """A module of this one: the averaged one in evaluation, where there is an average."""
        return getattr(self, name) if self.average is None or self.training else self.average[name]

    def keep_average(self, *names: str) -> None:
        """Average these modules as ``ema_decay`` says; a subclass adds those of its own that it evaluates."""
        if self.ema_decay:
            self.average = WeightAverage({name: getattr(self, name) for name in names}, self.ema_decay)

    def versions(self, name: str) -> list[nn.Module]:
        """A module of this one, and its average where there is one."""
        return [getattr(self, name)] if self.average is None else [getattr(self, name), self.average[name]]

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        loss = self._step(batch, "train", batch_idx)
        self.log("train/loss_step", loss)
        # The last group's: the projector's, where the backbone has rates of its own.
        self.log("train/lr", self.trainer.optimizers[0].param_groups[-1]["lr"])
        return loss

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        return self._step(batch, "val", batch_idx)

    def test_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        return self._step(batch, "test", batch_idx)

    def predict_step(self, batch: dict[str, Any], batch_idx: int) -> dict[str, Any]:
        """Features ``(n, D)`` and index ``(n,)`` of the pictures of a batch that could be read."""
        return {"features": self(batch["image"]) if len(batch["image"]) else None, "index": batch["index"]}

    def batch_loss(self, z: Tensor, batch: dict[str, Any]) -> Tensor:
        """This process's part of the loss of a batch; for objectives that need more of it than its samples.

        Args:
            z: Projections of the batch's views. Shape: ``(V, n, d)``.
            batch: See :class:`GraphDataModule`.
        """
        return self.loss(z, self.samples(batch))

    def samples(self, batch: dict[str, Any]) -> Samples:
        """What the target may know of a batch's samples."""
        return Samples(batch["index"], batch.get("labels"), batch.get("nodes"))

    def loss(self, z: Tensor, samples: Samples) -> Tensor:
        """This process's part of the loss: its own rows against the keys of all processes.

        Args:
            z: Projections of this process, view-major. Shape: ``(V, n, d)``.
            samples: This process's samples.
        """
        check_comparable(len(z), z.shape[1] * world_size())
        z = unit_rows(z)
        keys = gather_with_grad(z.transpose(0, 1)).transpose(0, 1)
        everyone, own = samples.gathered(), self.own_index(samples)

        def target(rows: slice) -> Tensor:
            return self.probabilities(samples[rows], everyone, own[rows], len(z))

        return contrastive_cross_entropy(z, keys, target, self.temperature, self_index=own)

    def configure_model(self) -> None:
        """Synchronise batch norm; also called without a trainer, by ``load_from_checkpoint``."""
        if self._trainer is not None and self.trainer.world_size > 1:
            synchronized(self, self.trainer.strategy.root_device)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Accept checkpoints with and without averaged weights."""
        fit_to(checkpoint["state_dict"], self.average)

    def on_fit_start(self) -> None:
        """Train what is to be trained, also where the module comes from an evaluation."""
        self.train()

    def configure_optimizers(self) -> Any:
        self.trainer.fit_loop.setup_data()  # without it the batches are not counted where max_steps ends the run
        steps = int(self.trainer.estimated_stepping_batches)
        accumulated = self.trainer.accumulate_grad_batches
        batch = self.trainer.datamodule.batch_size * accumulated  # type: ignore[attr-defined]
        lr = scaled_lr(self.lr, batch, self.lr_scaling)
        groups = parameter_groups(self, self.backbone, lr, self.weight_decay, self.backbone_lr_scale, self.layer_decay)
        optimizer = build_optimizer(groups, self.optimizer)
        warmup = round(self.warmup_epochs * self.trainer.num_training_batches / accumulated)
        schedule = warmup_cosine(optimizer, min(warmup, steps - 1), steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step, then average the weights."""
        super().optimizer_step(*args, **kwargs)
        if self.average is not None:
            self.average.update(self)

    def _step(self, batch: dict[str, Any], stage: str, batch_idx: int) -> Tensor:
        for need in self.needs:
            if need not in batch:
                raise UserError(f"{type(self).__name__} needs {need} in every batch: set {SETTING[need]}")
        views = batch["views"]
        features = self(views.flatten(0, 1))
        z = self.project(features).unflatten(0, views.shape[:2])
        loss = self.batch_loss(z, batch)
        self.log(f"{stage}/loss", loss, on_step=False, on_epoch=True, batch_size=views.shape[1], sync_dist=True)
        if stage == "train" and self._to_be_diagnosed(batch_idx):
            self.log_dict(self._diagnose(features, z, batch))
        return loss

    def softness(self, batch: dict[str, Any], views: int) -> dict[str, float]:
        """How soft the batch's target is, and how many negatives an anchor has, as names and numbers to log."""
        samples = self.samples(batch)
        everyone, own = samples.gathered(), self.own_index(samples)[:DIAGNOSED]
        target = self.probabilities(samples[:DIAGNOSED], everyone, own, views)
        found: dict[str, float] = {f"target/{name}": v for name, v in target_statistics(target, own, views).items()}
        return found | {"train/negatives": float(views * (len(everyone.index) - 1))}

    def _to_be_diagnosed(self, batch_idx: int) -> bool:
        """Once in ``log_every_n_steps``, at the last batch of a step."""
        every = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
        last = (batch_idx + 1) % self.trainer.accumulate_grad_batches == 0
        return bool(every) and last and (self.global_step + 1) % every == 0

    @torch.no_grad()
    def _diagnose(self, features: Tensor, z: Tensor, batch: dict[str, Any]) -> dict[str, float]:
        """Names and numbers of what a look at the first samples of this process shows."""
        unit = unit_rows(z[:, :DIAGNOSED])
        found = {
            "features/rank_me": rank_me(features[:DIAGNOSED]),
            "features/alignment": alignment(unit) if len(z) > 1 else 0.0,
            "features/uniformity": uniformity(unit[0]),
        }
        # A loss of its own need not have a target.
        has_target = type(self).target is not ContrastiveModule.target
        return found | (self.softness(batch, len(z)) if has_target else {})

    def _features(self, backbone: nn.Module, images: Tensor) -> Tensor:
        pixels = images / 255 if images.dtype == torch.uint8 else images
        return backbone(((pixels - self.mean) / self.std).to(self.mean.dtype))

    def own_index(self, samples: Samples) -> Tensor:
        """The place of this process's samples among those of all processes. Shape: ``(n,)``."""
        return torch.arange(len(samples.index), device=samples.index.device) + rank() * len(samples.index)


def check_comparable(views: int, samples: int) -> None:
    """Refuse a batch in which nothing can be told from anything.

    Raises:
        UserError: There are fewer than two views or fewer than two samples.
    """
    if views < 2 or samples < 2:
        raise UserError(
            f"two views or more of two samples or more are compared, a batch has {views} of {samples}: see "
            "data.num_views and data.batch_size"
        )
