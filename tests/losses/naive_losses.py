"""The losses once more, slow and obviously right: float64, one row at a time, the anchor deleted from its row."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F


def _without(row: Tensor, own: int) -> Tensor:
    return torch.cat([row[:own], row[own + 1 :]])


def naive_soft_target(similarity: Tensor, views: int, target_temperature: float) -> Tensor:
    """``(N, N)`` similarities to ``(V·N, V·N)`` probabilities with an empty diagonal."""
    samples = len(similarity)
    target = torch.zeros(views * samples, views * samples, dtype=torch.float64)
    for i in range(len(target)):
        others = [j for j in range(len(target)) if j != i]
        row = torch.stack([similarity[i % samples, j % samples].double() for j in others])
        target[i, others] = (row / target_temperature).softmax(0)
    return target


def naive_uniform_target(related: Tensor, views: int) -> Tensor:
    """``(N, N)`` relations to equal shares of every row's related columns, the anchor excepted."""
    samples = len(related)
    target = torch.zeros(views * samples, views * samples, dtype=torch.float64)
    for i in range(len(target)):
        positives = [j for j in range(len(target)) if j != i and related[i % samples, j % samples]]
        for j in positives:
            target[i, j] = 1 / len(positives)
    return target


def naive_loss(z: Tensor, target: Tensor, temperature: float) -> Tensor:
    """Mean over rows of the cross-entropy between a target and the softmax over all other rows."""
    z = F.normalize(z.double(), dim=1)
    rows = []
    for i in range(len(z)):
        log_p = (_without(z, i) @ z[i] / temperature).log_softmax(0)
        rows.append(-(_without(target[i], i) * log_p).sum())
    return torch.stack(rows).mean()


def reference(z: Tensor, target: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Loss and gradient of ``naive_loss``."""
    z = z.detach().double().requires_grad_()
    loss = naive_loss(z, target, temperature)
    return loss.detach(), torch.autograd.grad(loss, z)[0]


def dense_loss(z: Tensor, similarity: Tensor, temperature: float, target_temperature: float) -> Tensor:
    """X-CLR's loss from whole matrices and autograd, in the dtype of z: fast enough for thousands of rows."""
    views = len(z) // len(similarity)
    z = F.normalize(z, dim=1)
    own = torch.eye(len(z), dtype=torch.bool)
    target = (similarity.to(z.dtype).repeat(views, views) / target_temperature).masked_fill(own, -torch.inf).softmax(1)
    return F.cross_entropy((z @ z.T / temperature).masked_fill(own, torch.finfo(z.dtype).min), target)


def assert_agrees(loss: Tensor, z: Tensor, expected: tuple[Tensor, Tensor], tolerance: float = 1e-5) -> None:
    """Relative agreement of a loss, and of its gradient by norm."""
    (gradient,) = torch.autograd.grad(loss, z)
    assert loss.item() == pytest.approx(expected[0].item(), rel=tolerance)
    assert (gradient.double() - expected[1]).norm() <= tolerance * expected[1].norm()
