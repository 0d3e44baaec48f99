"""Objectives on statistics of a whole batch: every process computes all of the loss, on everyone's projections."""

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from xclr_lightning.distributed import gather_with_grad, world_size
from xclr_lightning.losses import soft_weights
from xclr_lightning.objectives.module import ContrastiveModule, check_comparable
from xclr_lightning.objectives.samples import Samples


class WholeBatchModule(ContrastiveModule):
    """VICReg and Barlow Twins: over views of the same sample, or over a graph.

    Args:
        use_graph: Relate samples as the data's graph does; else only views of the same sample, as published.
        target_temperature: τ_s of the softmax over the data's graph.
        kwargs: Arguments of :class:`ContrastiveModule`; ``temperature`` has no meaning here.
    """

    def __init__(self, use_graph: bool = False, target_temperature: float = 0.1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.use_graph, self.target_temperature = use_graph, target_temperature
        if use_graph:
            self.needs = ("nodes",)

    @abstractmethod
    def whole_loss(self, z: Tensor, target: Tensor) -> Tensor:
        """The loss of all processes' views ``(V, N, d)`` under the graph's weights ``(N, N)``."""

    def target(self, anchors: Samples, samples: Samples) -> Tensor:
        if not self.use_graph:
            return anchors.index[:, None] == samples.index
        return soft_weights(self.similarity(anchors.nodes, samples.nodes), self.target_temperature)

    def loss(self, z: Tensor, samples: Samples) -> Tensor:
        check_comparable(len(z), z.shape[1] * world_size())
        keys = gather_with_grad(z.transpose(0, 1)).transpose(0, 1)
        everyone = samples.gathered()
        own = torch.arange(keys.shape[1], device=z.device)
        return self.whole_loss(keys, self.probabilities(everyone, everyone, own, len(z)))
