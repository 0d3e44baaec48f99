"""Soft CLIP: X-CLR's target between pictures and captions (Sobal et al. 2024, https://arxiv.org/abs/2407.18134)."""

from typing import Any

from torch import Tensor

from xclr_lightning.losses import soft_weights
from xclr_lightning.objectives.clip import CLIP
from xclr_lightning.objectives.samples import Samples


class SoftCLIP(CLIP):
    """CLIP in which a caption also belongs, by degree, to pictures of related captions, as the data's graph says.

    Args:
        target_temperature: τ_s of the softmax over the graph; towards 0 this becomes CLIP.
        kwargs: Arguments of :class:`CLIP`.
    """

    def __init__(self, target_temperature: float = 0.1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target_temperature = target_temperature
        self.needs = ("nodes",) if self.text is None else ("nodes", "captions")

    def target(self, anchors: Samples, samples: Samples) -> Tensor:
        return soft_weights(self.similarity(anchors.nodes, samples.nodes), self.target_temperature)
