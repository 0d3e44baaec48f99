"""An exponential moving average of a network's parts: for evaluation, and as a teacher."""

from typing import Any

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class WeightAverage(nn.Module):
    """The average of some modules' weights and batch norm statistics over training, never trained itself.

    Args:
        parts: Name → module.
        decay: Share of the old average that a step keeps, in (0, 1).
    """

    def __init__(self, parts: dict[str, nn.Module], decay: float) -> None:
        super().__init__()
        average = get_ema_multi_avg_fn(decay)
        self.parts = AveragedModel(nn.ModuleDict(parts), multi_avg_fn=average, use_buffers=True)
        self.requires_grad_(False)
        self.eval()

    def __getitem__(self, name: str) -> nn.Module:
        """The averaged module of a name."""
        part: nn.Module = self.parts.module[name]  # type: ignore[index]
        return part

    def train(self, mode: bool = True) -> "WeightAverage":
        """Always evaluates, so that looking at it never changes it."""
        return super().train(False)

    def update(self, module: nn.Module) -> None:
        """Take in the weights of a module with these parts after a step; the first call copies them."""
        parts = {name: getattr(module, name) for name, _ in self.parts.module.named_children()}
        self.parts.update_parameters(nn.ModuleDict(parts))


def fit_to(state: dict[str, Any], average: WeightAverage | None) -> None:
    """Make a checkpoint's weights those of a module with or without an average, whichever it was saved with.

    Args:
        state: Names → tensors of a whole module, whose attribute ``average`` is; changed in place.
        average: The module's average; where the checkpoint has none, it starts from the checkpoint's weights.
    """
    if average is None:
        for name in [name for name in state if name.startswith("average.")]:
            del state[name]
        return
    for name, value in average.state_dict().items():
        live: Tensor | None = state.get(name.removeprefix("parts.module."))
        state.setdefault(f"average.{name}", value if live is None else live.clone())
