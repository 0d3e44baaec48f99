"""SimCLR: only another view of the same picture is related (Chen et al. 2020, https://arxiv.org/abs/2002.05709)."""

from torch import Tensor

from xclr_lightning.objectives.module import ContrastiveModule
from xclr_lightning.objectives.samples import Samples


class SimCLR(ContrastiveModule):
    """The graph is the identity over samples."""

    def target(self, anchors: Samples, samples: Samples) -> Tensor:
        return anchors.index[:, None] == samples.index
