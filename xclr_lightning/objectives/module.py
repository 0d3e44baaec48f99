"""The module under every objective: projector, gather, diagnostics, average. A subclass adds the target."""

from typing import Any

import torch
from torch import Tensor, nn

from xclr_lightning.distributed import gather_with_grad, rank, world_size
from xclr_lightning.errors import UserError
from xclr_lightning.evaluation.diagnostics import alignment, rank_me, target_statistics, uniformity
from xclr_lightning.losses import contrastive_cross_entropy, normalize_target
from xclr_lightning.losses.objectives import unit_rows
from xclr_lightning.objectives.average import WeightAverage, fit_to
from xclr_lightning.objectives.base import BackboneModule
from xclr_lightning.objectives.projector import mlp
from xclr_lightning.objectives.samples import Samples
from xclr_lightning.optim import parameter_groups

# Samples that a diagnosis looks at: enough for a mean, and nothing beside a step.
DIAGNOSED = 256


class ContrastiveModule(BackboneModule):
    """A backbone trained so that the softmax over its projections' similarities matches a target.

    Over several processes, batch norm statistics are those of the whole batch, as is everything else.

    Args:
        projector: Widths of the projector's layers after the backbone's features; the last one is that of z.
        temperature: τ of the softmax over similarities.
        backbone_lr_scale: Learning rate of the backbone as a share of the projector's.
        layer_decay: Learning rate of each layer of the backbone as a share of the next one's.
        ema_decay: Share of the weights' moving average that a step keeps; it is then what is evaluated. 0 for none.
        kwargs: Arguments of :class:`BackboneModule`.
    """

    average: WeightAverage | None

    def __init__(
        self,
        projector: tuple[int, ...] = (2048, 128),
        temperature: float = 0.1,
        backbone_lr_scale: float = 1.0,
        layer_decay: float = 1.0,
        ema_decay: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.projector = mlp([self.feature_dim, *projector])
        self.temperature = temperature
        self.backbone_lr_scale, self.layer_decay = backbone_lr_scale, layer_decay
        if not 0 <= ema_decay < 1:
            raise UserError(f"model.ema_decay {ema_decay} is not in [0, 1)")
        self.ema_decay, self.average = ema_decay, None
        self.keep_average("backbone", "projector")

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
        block: Tensor = self.trainer.datamodule.graph.similarity(a, b)  # type: ignore[attr-defined]
        return block

    def forward(self, images: Tensor) -> Tensor:
        """Features of images, ``(n, 3, H, W)`` uint8 or float in [0, 1] → ``(n, D)``."""
        return self._features(self.part("backbone"), images)

    def project(self, features: Tensor) -> Tensor:
        """Projections of features, ``(n, D)`` → ``(n, d)``, not normalised."""
        z: Tensor = self.part("projector")(features)
        return z

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

        loss: Tensor = contrastive_cross_entropy(z, keys, target, self.temperature, self_index=own)
        return loss

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Accept checkpoints with and without averaged weights."""
        fit_to(checkpoint["state_dict"], self.average)

    def groups(self, lr: float) -> list[dict[str, Any]]:
        return parameter_groups(self, self.backbone, lr, self.weight_decay, self.backbone_lr_scale, self.layer_decay)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step, then average the weights."""
        super().optimizer_step(*args, **kwargs)
        if self.average is not None:
            self.average.update(self)

    def step(self, batch: dict[str, Any], stage: str, batch_idx: int) -> tuple[Tensor, Tensor]:
        views = batch["views"]
        features = self(views.flatten(0, 1))
        z = self.project(features).unflatten(0, views.shape[:2])
        loss = self.batch_loss(z, batch)
        if stage == "train" and self._to_be_diagnosed(batch_idx):
            self.log_dict(self._diagnose(features, z, batch))
        return loss, features

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
            "features/uniformity": uniformity(unit[0]),
        }
        if len(z) > 1:
            found["features/alignment"] = alignment(unit)
        # A loss of its own need not have a target.
        has_target = type(self).target is not ContrastiveModule.target
        return found | (self.softness(batch, len(z)) if has_target else {})

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
