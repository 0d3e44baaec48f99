"""An exponential moving average of backbone and projector: for evaluation, and as a teacher."""

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class WeightAverage(nn.Module):
    """The average of two modules' weights and batch norm statistics over training, never trained itself.

    Args:
        backbone: First module.
        projector: Second module.
        decay: Share of the old average that a step keeps, in (0, 1).
    """

    def __init__(self, backbone: nn.Module, projector: nn.Module, decay: float) -> None:
        super().__init__()
        live = nn.ModuleList([backbone, projector])
        self._average = AveragedModel(live, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> "WeightAverage":
        """Always evaluates, so that looking at it never changes it."""
        return super().train(False)

    def update(self, backbone: nn.Module, projector: nn.Module) -> None:
        """Take in the weights after a step; the first call copies them."""
        self._average.update_parameters(nn.ModuleList([backbone, projector]))

    @property
    def backbone(self) -> nn.Module:
        """The averaged first module."""
        return self._average.module[0]  # type: ignore[index]

    @property
    def projector(self) -> nn.Module:
        """The averaged second module."""
        return self._average.module[1]  # type: ignore[index]
