"""VICReg: related projections agree, dimensions vary and do not covary (Bardes et al. 2022)."""

from typing import Any

from torch import Tensor

from xclr_lightning.losses.vicreg import vicreg
from xclr_lightning.objectives.whole_batch import WholeBatchModule


class VICReg(WholeBatchModule):
    """Variance-Invariance-Covariance Regularization, see :func:`xclr_lightning.losses.vicreg_graph_loss`.

    Args:
        invariance: Weight of the agreement between related projections.
        variance: Weight of the hinge on each dimension's deviation.
        covariance: Weight of the squared covariances.
        kwargs: Arguments of :class:`WholeBatchModule`.
    """

    def __init__(
        self, invariance: float = 25.0, variance: float = 25.0, covariance: float = 1.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.weights = (invariance, variance, covariance)

    def whole_loss(self, z: Tensor, target: Tensor) -> Tensor:
        return vicreg(z, target, *self.weights)
