"""Barlow Twins with a soft graph: dimensions agree between related samples, and with no other dimension."""

from itertools import permutations

import torch
from torch import Tensor

from xclr_lightning.losses.objectives import Graph, similarity_blocks, whole_target


def barlow_twins_graph_loss(
    z: Tensor,
    similarity: Tensor | tuple[Graph, Tensor],
    target_temperature: float | None = None,
    *,
    redundancy: float = 0.005,
) -> Tensor:
    r"""Barlow Twins whose cross-correlation is that of a view with what the graph relates to it in another view.

    .. math:: C^{uv} = \frac{1}{N} \tilde Z_u^T W \tilde Z_v, \quad
              L = \frac{1}{V (V - 1)} \sum_{u ≠ v} \Big[ \sum_a (1 - C^{uv}_{aa})^2
              + λ \sum_{a ≠ b} (C^{uv}_{ab})^2 \Big]

    with :math:`\tilde Z_v` a view whose dimensions have mean 0 and variance 1 over the batch, and W the graph with rows
    that sum to 1, a sample's relation to itself included. The identity graph gives Barlow Twins as published.

    Args:
        z: Projections, view-major, not normalised. Shape: ``(V·N, d)``, V ≥ 2.
        similarity: G ≥ 0, shape ``(N, N)``; or a graph and the samples' nodes, shape ``(N, …)``.
        target_temperature: τ_s > 0 of the softmax of G that gives W; None takes G itself.
        redundancy: λ.

    Returns:
        Scalar loss, float32 or float64.

    Raises:
        ValueError: Fewer than two samples, z does not hold two or more views of each, or weights are negative.

    Reference:
        Zbontar et al., Barlow Twins: Self-Supervised Learning via Redundancy Reduction, ICML 2021, equations 1 and 2;
        Sobal et al., Theorem 1.

    Example:
        >>> z = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.5], [0.0, 1.0]])
        >>> barlow_twins_graph_loss(z, torch.eye(2)).round(decimals=4)
        tensor(0.0100)
    """
    samples, block = similarity_blocks(similarity)
    target = whole_target(block(slice(None)), z, samples, target_temperature)
    return barlow_twins(z.unflatten(0, (-1, samples)), target, redundancy)


def barlow_twins(z: Tensor, target: Tensor, redundancy: float) -> Tensor:
    """The loss of views ``(V, N, d)`` under a graph's weights ``(N, N)``, whose rows need not sum to 1."""
    with torch.autocast(z.device.type, enabled=False):
        z = z.to(torch.promote_types(z.dtype, torch.float32))
        variance, mean = torch.var_mean(z, dim=1, correction=0, keepdim=True)
        z = (z - mean) / (variance + 1e-5).sqrt()
        total = target.sum(dim=1, keepdim=True).clamp_min(torch.finfo(target.dtype).tiny)
        related = (target / total).to(z.dtype) @ z
        pairs = [z[u].T @ related[v] / z.shape[1] for u, v in permutations(range(len(z)), 2)]
        correlations = torch.stack(pairs)
        diagonal = correlations.diagonal(dim1=1, dim2=2)
        redundant = correlations.square().sum() - diagonal.square().sum()
        return ((1 - diagonal).square().sum() + redundancy * redundant) / len(pairs)
