"""X-CLR: the target is the softmax of a similarity graph (Sobal et al. 2024, https://arxiv.org/abs/2407.18134)."""

from typing import Any

from torch import Tensor

from xclr_lightning.losses import soft_weights
from xclr_lightning.objectives.module import ContrastiveModule, Samples


class XCLR(ContrastiveModule):
    """X-Sample Contrastive Learning: samples are related by degree, as the data's graph says.

    Args:
        target_temperature: τ_s of the softmax over the graph; towards 0 this becomes SimCLR.
        kwargs: Arguments of :class:`ContrastiveModule`.
    """

    needs = ("nodes",)

    def __init__(self, target_temperature: float = 0.1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target_temperature = target_temperature

    def target(self, anchors: Samples, samples: Samples) -> Tensor:
        return soft_weights(self.similarity(anchors.nodes, samples.nodes), self.target_temperature)

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        """The data's graph between two sets of nodes. Shapes: ``(n, …)``, ``(m, …)`` → ``(n, m)``."""
        return self.trainer.datamodule.graph.similarity(a, b)  # type: ignore[attr-defined]
