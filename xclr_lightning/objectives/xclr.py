"""X-CLR: the target is the softmax of a similarity graph (Sobal et al. 2024, https://arxiv.org/abs/2407.18134)."""

from typing import Any

import torch
from torch import Tensor, nn

from xclr_lightning.losses import soft_weights
from xclr_lightning.objectives.caption_projection import take_width
from xclr_lightning.objectives.module import ContrastiveModule
from xclr_lightning.objectives.samples import Samples


class XCLR(ContrastiveModule):
    """X-Sample Contrastive Learning: samples are related by degree, as the data's graph says.

    Args:
        target_temperature: τ_s of the softmax over the graph; towards 0 this becomes SimCLR.
        caption_view: Let each sample's caption embedding, through a learned projection, be one more view of it; the
            graph must store embeddings. It serves training only: features are of pictures alone.
        kwargs: Arguments of :class:`ContrastiveModule`.
    """

    needs: tuple[str, ...] = ("nodes",)

    def __init__(self, target_temperature: float = 0.1, caption_view: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target_temperature = target_temperature
        self.caption_projector: nn.Module | None = None
        if caption_view:
            self.caption_projector = nn.LazyLinear(self.projector[-1].out_features)  # type: ignore[arg-type]
            self.keep_average("backbone", "projector", "caption_projector")

    def target(self, anchors: Samples, samples: Samples) -> Tensor:
        return soft_weights(self.similarity(anchors.nodes, samples.nodes), self.target_temperature)

    def setup(self, stage: str) -> None:
        """Give the caption's projection its width, before there is an optimiser."""
        if self.caption_projector is not None and stage != "predict":
            graph = self.trainer.datamodule.graph  # type: ignore[attr-defined]
            take_width(self.versions("caption_projector"), graph, "model.caption_view")

    def batch_loss(self, z: Tensor, batch: dict[str, Any]) -> Tensor:
        if self.caption_projector is not None:
            captions = self.part("caption_projector")(batch["nodes"])
            z = torch.cat([z, captions[None].to(z.dtype)])
        return super().batch_loss(z, batch)

    def softness(self, batch: dict[str, Any], views: int) -> dict[str, float]:
        return super().softness(batch, views + (self.caption_projector is not None))
