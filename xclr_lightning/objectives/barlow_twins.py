"""Barlow Twins: dimensions agree between related samples and with no other dimension (Zbontar et al. 2021)."""

from typing import Any

from torch import Tensor

from xclr_lightning.losses.barlow_twins import barlow_twins
from xclr_lightning.objectives.whole_batch import WholeBatchModule


class BarlowTwins(WholeBatchModule):
    """Barlow Twins, see :func:`xclr_lightning.losses.barlow_twins_graph_loss`.

    Args:
        redundancy: Weight of the squared correlations between different dimensions.
        kwargs: Arguments of :class:`WholeBatchModule`.
    """

    def __init__(self, redundancy: float = 0.005, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.redundancy = redundancy

    def whole_loss(self, z: Tensor, target: Tensor) -> Tensor:
        return barlow_twins(z, target, self.redundancy)
