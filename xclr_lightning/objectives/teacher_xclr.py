"""X-CLR without metadata: the graph is what a slow average of the network itself finds alike."""

from typing import Any

import torch
from torch import Tensor

from xclr_lightning.errors import UserError
from xclr_lightning.losses import soft_weights
from xclr_lightning.losses.objectives import unit_rows
from xclr_lightning.objectives.module import ContrastiveModule
from xclr_lightning.objectives.samples import Samples


class TeacherXCLR(ContrastiveModule):
    """X-CLR for pictures without captions: an EMA teacher's similarities are the graph.

    A sample's node is the mean of its views' features under the averaged weights; similarity is the cosine of nodes
    less their mean over the batch, so that unrelated samples are near 0. The paper names such a graph as future work;
    this form of it is ours.

    Args:
        target_temperature: τ_s of the softmax over the teacher's similarities.
        ema_decay: Share of the teacher's weights that a step keeps, in (0, 1); the teacher is what is evaluated.
        kwargs: Arguments of :class:`ContrastiveModule`.
    """

    def __init__(self, target_temperature: float = 0.1, ema_decay: float = 0.99, **kwargs: Any) -> None:
        super().__init__(ema_decay=ema_decay, **kwargs)
        if self.average is None:
            raise UserError("TeacherXCLR needs a teacher: set model.ema_decay, 0.99 for example")
        self.target_temperature = target_temperature

    def target(self, anchors: Samples, samples: Samples) -> Tensor:
        return soft_weights(self.similarity(anchors.nodes, samples.nodes), self.target_temperature)

    def samples(self, batch: dict[str, Any]) -> Samples:
        assert self.average is not None
        with torch.no_grad():
            features = self._features(self.average["backbone"], batch["views"].flatten(0, 1))
        nodes = features.float().unflatten(0, batch["views"].shape[:2]).mean(0)
        return Samples(batch["index"], batch.get("labels"), nodes)

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        """Cosines of nodes less the mean of b. Shapes: ``(n, D)``, ``(m, D)`` → ``(n, m)``."""
        mean = b.mean(dim=0)
        return unit_rows(a - mean) @ unit_rows(b - mean).T
