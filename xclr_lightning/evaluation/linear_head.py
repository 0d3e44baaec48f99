"""A linear classifier of features, however it was found."""

from dataclasses import dataclass

import torch
from torch import Tensor

# Features that are scored at once.
BLOCK = 8192


@dataclass
class LinearHead:
    """Scores ``((x − mean) / scale) Wᵀ + bias``; kept apart, so that a large mean costs no precision.

    ``mean`` and ``scale`` are ``(D,)``, ``weight`` is ``(C, D)`` and ``bias`` ``(C,)``, float32 on one device.
    """

    mean: Tensor
    scale: Tensor
    weight: Tensor
    bias: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        """Scores of the classes, highest = prediction. Shapes: ``(n, D)`` → ``(n, C)``, on the head's device."""
        standard = (features.to(self.mean) - self.mean) / self.scale
        return torch.addmm(self.bias, standard, self.weight.T)

    def accuracy(self, features: Tensor, labels: Tensor) -> float:
        """Share of features whose class scores highest, in [0, 1]; a label that is no class of the head's is an error.

        Args:
            features: In any precision, on any device. Shape: ``(n, D)``.
            labels: Shape: ``(n,)``, int64.
        """
        best = [self(block).argmax(1).to(labels.device) for block in features.split(BLOCK)]
        return (torch.cat(best) == labels).float().mean().item()


def standardisation(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of features in any precision, added up in double.

    Args:
        features: Shape: ``(n, D)``, n ≥ 1.

    Returns:
        Shapes: ``(D,)``, float32; deviations are at least 1e-6.
    """
    total, squares = features.new_zeros(2, features.shape[1], dtype=torch.float64)
    shift = features[0].double()  # so that squares of a large mean do not swallow a small deviation
    for block in features.split(BLOCK):
        centred = block.double() - shift
        total += centred.sum(0)
        squares += centred.square().sum(0)
    mean = total / len(features)
    deviation = (squares / len(features) - mean.square()).clamp_min(0).sqrt()
    return (mean + shift).float(), deviation.clamp_min(1e-6).float()


def topk_accuracy(scores: Tensor, labels: Tensor, k: int) -> float:
    """Share of rows whose class is among the k highest scores, in [0, 1]; a label that is no class is an error.

    Args:
        scores: Shape: ``(n, C)``.
        labels: Shape: ``(n,)``, int64.
        k: At least 1; above C it stands for C.

    Example:
        >>> scores = torch.tensor([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2]])
        >>> topk_accuracy(scores, torch.tensor([2, 2]), 1), topk_accuracy(scores, torch.tensor([2, 2]), 2)
        (0.0, 0.5)
    """
    best = scores.topk(min(k, scores.shape[1]), dim=1).indices
    return (best == labels[:, None]).any(1).float().mean().item()
