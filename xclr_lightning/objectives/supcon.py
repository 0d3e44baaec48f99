"""SupCon: pictures of the same class are related (Khosla et al. 2020, https://arxiv.org/abs/2004.11362)."""

from torch import Tensor

from xclr_lightning.objectives.module import ContrastiveModule
from xclr_lightning.objectives.samples import Samples


class SupCon(ContrastiveModule):
    """The graph is 1 where labels agree, else 0; the labels are those of the field ``data.label``."""

    needs = ("labels",)

    def target(self, anchors: Samples, samples: Samples) -> Tensor:
        same: Tensor = anchors.labels[:, None] == samples.labels
        return same
