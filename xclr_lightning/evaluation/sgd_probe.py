"""Linear evaluation by SGD on stored features, at many learning rates at once."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from xclr_lightning.evaluation.linear_head import LinearHead, standardisation

RATES = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)


class SGDHeads(nn.Module):
    """Softmax classifiers that share their input, each trained by SGD with momentum 0.9 at a rate of its own.

    All of them are one matrix, so a step is two matrix products for any number of heads. They start from zero: the
    problem is convex, and nothing is drawn. No autograd is involved; weights and momentum are buffers.

    Args:
        count: L heads.
        num_classes: C.
        width: D of the features.
    """

    weight: Tensor
    bias: Tensor
    weight_velocity: Tensor
    bias_velocity: Tensor

    def __init__(self, count: int, num_classes: int, width: int) -> None:
        super().__init__()
        for name, shape in (("weight", (count, num_classes, width)), ("bias", (count, num_classes))):
            self.register_buffer(name, torch.zeros(shape))
            self.register_buffer(f"{name}_velocity", torch.zeros(shape))

    def forward(self, features: Tensor) -> Tensor:
        """Scores of the classes by each head. Shapes: ``(n, D)`` float32 → ``(n, L, C)``."""
        logits: Tensor = torch.addmm(self.bias.flatten(), features, self.weight.flatten(0, 1).T).unflatten(
            1, self.bias.shape
        )
        return logits

    def gradients(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients of each head's mean cross-entropy in its weight and bias, and the scores.

        Args:
            features: Shape: ``(n, D)``, float32.
            labels: Shape: ``(n,)``, int64 in ``[0, C)``.
        """
        scores = self(features)
        excess = scores.softmax(2)
        excess[torch.arange(len(labels), device=labels.device), :, labels] -= 1
        excess /= len(labels)
        return (excess.flatten(1).T @ features).view_as(self.weight), excess.sum(0), scores

    def step(self, weight_gradient: Tensor, bias_gradient: Tensor, rates: Tensor, momentum: float = 0.9) -> None:
        """One step. Shape of ``rates``: ``(L,)``."""
        for value, velocity, gradient in (
            (self.weight, self.weight_velocity, weight_gradient),
            (self.bias, self.bias_velocity, bias_gradient),
        ):
            velocity.mul_(momentum).add_(gradient)
            value.addcmul_(velocity, rates.view(-1, *[1] * (value.ndim - 1)), value=-1)


def train_heads(
    features: Tensor,
    labels: Tensor,
    num_classes: int,
    rates: Sequence[float] = RATES,
    rows: Tensor | None = None,
    epochs: int = 10,
    batch_size: int = 1024,
    seed: int = 0,
    device: torch.device | str | None = None,
) -> list[LinearHead]:
    """Train a linear classifier at each learning rate: SGD, momentum 0.9, no weight decay, cosine to 0.

    Features are standardised, so that the same rates suit all backbones. They stay where they are and in the precision
    they have: a batch of them at a time is used in float32.

    Args:
        features: Shape: ``(n, D)``, floating point.
        labels: Shape: ``(n,)``, int64 in ``[0, num_classes)``, on the same device.
        num_classes: C.
        rates: Peak learning rates for a batch of 256; they are scaled linearly.
        rows: Which of the features to train on, all by default. Shape: ``(m,)``, int64.
        epochs: Passes over them.
        batch_size: Samples a step, at most m; an epoch's rest is left out.
        seed: Of the order of samples, which all heads share.
        device: Where heads are trained, by default where the features are.

    Returns:
        The heads after the last epoch, one a rate.

    Reference:
        Oquab et al., DINOv2: Learning Robust Visual Features without Supervision, TMLR 2024, appendix B.3, for many
        rates at once.
    """
    rows = torch.arange(len(labels), device=labels.device) if rows is None else rows
    mean, scale = (part.to(device) for part in standardisation(features))
    heads = SGDHeads(len(rates), num_classes, features.shape[1]).to(mean.device)
    size = min(batch_size, len(rows))
    steps = len(rows) // size
    peak = torch.tensor(rates, device=mean.device) * size / 256
    draw = torch.Generator().manual_seed(seed)
    for epoch in range(epochs):
        order = rows[torch.randperm(len(rows), generator=draw).to(rows.device)]
        for step, batch in enumerate(order[: steps * size].split(size)):
            standard = (features[batch].to(mean) - mean) / scale
            weight, bias, _ = heads.gradients(standard, labels[batch].to(mean.device))
            heads.step(weight, bias, peak * cosine((epoch * steps + step) / (epochs * steps)))
    return [LinearHead(mean, scale, *head) for head in zip(heads.weight, heads.bias, strict=True)]


def sgd_probe(
    features: Tensor,
    labels: Tensor,
    num_classes: int,
    rates: Sequence[float] = RATES,
    held_out: float = 0.1,
    epochs: int = 10,
    batch_size: int = 1024,
    seed: int = 0,
    device: torch.device | str | None = None,
) -> tuple[LinearHead, float]:
    """Choose the learning rate on a held-out part of the training features, then train at it on all of them.

    Args:
        features: Shape: ``(n, D)``, floating point, n ≥ 2.
        labels: Shape: ``(n,)``, int64 in ``[0, num_classes)``.
        num_classes: C.
        rates: As in :func:`train_heads`; of equally good ones the first is taken.
        held_out: Share of the features that rates are compared on, in (0, 1).
        epochs: As in :func:`train_heads`.
        batch_size: As in :func:`train_heads`.
        seed: Of the part and of the order of samples.
        device: As in :func:`train_heads`.

    Returns:
        The classifier after the last epoch, and its rate.

    Example:
        >>> x = torch.randn(400, 2, generator=torch.Generator().manual_seed(0))
        >>> head, rate = sgd_probe(x, (x[:, 0] > 0).long(), num_classes=2, epochs=20, batch_size=32)
        >>> head.accuracy(x, (x[:, 0] > 0).long()) > 0.97
        True
    """
    shuffled = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed)).to(labels.device)
    count = min(len(labels) - 1, max(1, round(held_out * len(labels))))
    aside, rows = shuffled[:count], shuffled[count:]
    settings: dict[str, Any] = {"epochs": epochs, "batch_size": batch_size, "seed": seed, "device": device}
    heads = train_heads(features, labels, num_classes, rates, rows, **settings)
    accuracy = [head.accuracy(features[aside], labels[aside]) for head in heads]
    rate = rates[accuracy.index(max(accuracy))]
    return train_heads(features, labels, num_classes, [rate], None, **settings)[0], rate


def cosine(progress: float) -> float:
    """Half a cosine, from 1 at the start to 0 at the end; progress is in [0, 1]."""
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
