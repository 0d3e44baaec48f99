"""How soft a graph makes the target of a batch, over the target temperature τ_s, and which τ_s to begin with."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from xclr_lightning.evaluation.diagnostics import target_statistics
from xclr_lightning.losses.clip import to_probabilities
from xclr_lightning.losses.targets import normalize_target, soft_weights

# Round numbers: a rule of thumb needs no more digits.
TEMPERATURES = (
    *(0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08),
    *(0.1, 0.12, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 1.0),
)
# What an anchor's own caption keeps of the target at the suggested τ_s: as much as all other captions together.
KEPT = 0.5
# Beyond these a target is called nearly one-hot, or nearly uniform. Choices of this package.
ONE_HOT = 0.95
UNIFORM = 0.5


@dataclass(frozen=True)
class Softness:
    """The target at one temperature, as means over anchors.

    Attributes:
        temperature: τ_s.
        entropy: Of the target, in nats.
        effective_positives: exp of it, from 1 to ``keys``.
        own_share: What other views of the anchor's own sample get.
        same_share: What all that is of the same caption or class gets, the anchor's own sample included.
        keys: What an anchor is compared with: every view of every sample but itself.
    """

    temperature: float
    entropy: float
    effective_positives: float
    own_share: float
    same_share: float
    keys: int

    @property
    def nearly_one_hot(self) -> bool:
        """Whether hardly anything but an anchor's own caption or class counts."""
        return self.same_share >= ONE_HOT

    @property
    def nearly_uniform(self) -> bool:
        """Whether nearly everything counts nearly alike."""
        # Of few classes an anchor has many positives of its own.
        return self.effective_positives >= UNIFORM * self.keys and self.same_share < KEPT


def softness(
    similarity: Tensor, same: Tensor, own: Tensor, views: int, temperatures: Sequence[float]
) -> list[Softness]:
    """The target of some anchors of a batch at each temperature.

    Args:
        similarity: Of the anchors to all samples of the batch. Shape: ``(b, N)``.
        same: Whether they are of one caption or class. Shape: ``(b, N)``, bool.
        own: Each anchor's own sample. Shape: ``(b,)``, int64.
        views: V views a sample; 1 where no view of it is the anchor, as with pictures and texts.
        temperatures: Values of τ_s > 0.

    Example:
        >>> import torch
        >>> G = torch.tensor([[1.0, 0.8], [0.8, 1.0]])
        >>> found = softness(G, G == 1, torch.arange(2), views=2, temperatures=[0.1, 1.0])
        >>> [round(at.own_share, 2) for at in found], [round(at.effective_positives, 2) for at in found]
        ([0.79, 0.38], [1.95, 2.99])
    """
    others = max(1, views - 1)
    found = []
    for temperature in temperatures:
        weights = soft_weights(similarity, temperature)
        target = to_probabilities(weights) if views == 1 else normalize_target(weights, own, views)
        alike = views * (target * same).sum(1) - (views - others) * target.gather(1, own[:, None])[:, 0]
        keys = views * similarity.shape[1] - (views - others)
        statistics = target_statistics(target, own, views)
        found.append(Softness(temperature, **statistics, same_share=alike.mean().item(), keys=keys))
    return found


def mean_softness(batches: Sequence[Sequence[Softness]]) -> list[Softness]:
    """Mean over batches, temperature by temperature."""
    names = ("entropy", "effective_positives", "own_share", "same_share")
    return [
        Softness(
            temperature=at[0].temperature,
            keys=at[0].keys,
            **{name: sum(getattr(one, name) for one in at) / len(at) for name in names},
        )
        for at in zip(*batches, strict=True)
    ]


def suggested(curve: Sequence[Softness]) -> Softness | None:
    """The softest target in which an anchor's own caption keeps ``KEPT`` of the mass: a rule of thumb of this package.

    Args:
        curve: At ascending temperatures.

    Returns:
        None where even the lowest temperature leaves less.

    Example:
        >>> curve = [Softness(t, 0, 1, share, share, 9) for t, share in ((0.05, 0.9), (0.1, 0.6), (0.2, 0.3))]
        >>> suggested(curve).temperature
        0.1
    """
    return next((at for at in reversed(curve) if at.same_share >= KEPT), None)
