"""X-CLR, SimCLR and SupCon on one device: the same kernel, each with its own weights."""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from xclr_lightning.losses.contrastive import contrastive_cross_entropy
from xclr_lightning.losses.targets import normalize_target, soft_weights


class Graph(Protocol):
    """Anything that knows the similarity of two sets of nodes."""

    def similarity(self, a: Tensor, b: Tensor, /) -> Tensor:
        """``(n, …)`` and ``(m, …)`` nodes to their ``(n, m)`` similarities."""


def unit_rows(z: Tensor) -> Tensor:
    """L2-normalise the last dimension in float32 or float64.

    Unlike a plain division by the norm, it does not overflow on huge values. Rows below 1e-12 have no direction: they
    become 0 and get no gradient, where any would be huge.

    Example:
        >>> unit_rows(torch.tensor([[3e30, 4e30], [0.0, 0.0]]))
        tensor([[0.6000, 0.8000],
                [0.0000, 0.0000]])
    """
    z = z.to(torch.promote_types(z.dtype, torch.float32))
    peak = z.detach().abs().amax(dim=-1, keepdim=True)
    z = z / peak.masked_fill(peak < 1e-12, torch.inf)
    norm = torch.linalg.vector_norm(z, dim=-1, keepdim=True)
    unit: Tensor = z / norm.masked_fill(norm == 0, torch.inf)
    return unit


def xclr_loss(
    z: Tensor,
    similarity: Tensor | tuple[Graph, Tensor],
    temperature: float = 0.1,
    target_temperature: float = 0.1,
) -> Tensor:
    r"""X-Sample Contrastive Loss: the softmax of similarities in z matches the softmax of similarities in a graph.

    .. math:: L = \frac{1}{M} \sum_i H\big(softmax_{j ≠ i}(G_{ij} / τ_s),\; softmax_{j ≠ i}(z_i \cdot z_j / τ)\big)

    Args:
        z: Projections, view-major: all first views, then all second views, …; normalised here.
            Shape: ``(V·N, d)``, V ≥ 2.
        similarity: G, shape ``(N, N)``; or a graph and the samples' nodes, shape ``(N, …)``, so that no ``(N, N)``
            matrix is ever held.
        temperature: τ > 0.
        target_temperature: τ_s > 0.

    Returns:
        Scalar loss, the mean over the ``V·N`` rows.

    Raises:
        ValueError: Fewer than two samples, or z does not hold two or more views of each.

    Reference:
        Sobal et al., X-Sample Contrastive Loss: Improving Contrastive Learning with Sample Similarity Graphs,
        ICLR 2025, https://arxiv.org/abs/2407.18134.

    Example:
        >>> G = torch.tensor([[1.0, 0.5], [0.5, 1.0]])
        >>> xclr_loss(torch.eye(2).repeat(2, 1), G, temperature=0.5, target_temperature=0.5).round(decimals=4)
        tensor(1.0873)
    """
    samples, block = similarity_blocks(similarity)
    return _loss(z, samples, temperature, lambda rows: soft_weights(block(rows), target_temperature))


def nt_xent_loss(z: Tensor, temperature: float = 0.1, *, views: int = 2) -> Tensor:
    """NT-Xent, SimCLR's loss: only another view of the same sample is related.

    Args:
        z: Projections, view-major; normalised here. Shape: ``(V·N, d)``.
        temperature: τ > 0.
        views: V ≥ 2.

    Returns:
        Scalar loss, the mean over the ``V·N`` rows.

    Raises:
        ValueError: Fewer than two samples, or the rows of z are no multiple of ``views``.

    Reference:
        Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, ICML 2020, equation 1.

    Example:
        >>> nt_xent_loss(torch.eye(2).repeat(2, 1), temperature=0.5).round(decimals=4)
        tensor(0.2395)
    """
    if len(z) % views:
        raise ValueError(f"{len(z)} rows of z are not {views} views of each sample")
    return supcon_loss(z, torch.arange(len(z) // views, device=z.device), temperature)


def supcon_loss(z: Tensor, labels: Tensor, temperature: float = 0.1) -> Tensor:
    """SupCon's L_out: every view of a sample of the same class is related, all to the same degree.

    Args:
        z: Projections, view-major; normalised here. Shape: ``(V·N, d)``, V ≥ 2.
        labels: Classes. Shape: ``(N,)``, integer.
        temperature: τ > 0.

    Returns:
        Scalar loss, the mean over the ``V·N`` rows.

    Raises:
        ValueError: Fewer than two samples, or z does not hold two or more views of each.

    Reference:
        Khosla et al., Supervised Contrastive Learning, NeurIPS 2020, equation 2.

    Example:
        >>> supcon_loss(torch.eye(2).repeat(2, 1), torch.tensor([0, 1]), temperature=0.5).round(decimals=4)
        tensor(0.2395)
    """
    return _loss(z, len(labels), temperature, lambda rows: labels[rows, None] == labels)


def similarity_blocks(similarity: Tensor | tuple[Graph, Tensor]) -> tuple[int, Callable[[slice], Tensor]]:
    """Number of samples N, and the function from a slice of samples to their ``(b, N)`` similarities.

    Raises:
        ValueError: A matrix is not square.
    """
    if isinstance(similarity, Tensor):
        if similarity.ndim != 2 or similarity.shape[0] != similarity.shape[1]:
            raise ValueError(f"similarity (N, N) expected, got {tuple(similarity.shape)}")
        return len(similarity), similarity.__getitem__
    graph, nodes = similarity
    return len(nodes), lambda rows: graph.similarity(nodes[rows], nodes)


def whole_target(similarity: Tensor, z: Tensor, samples: int, target_temperature: float | None) -> Tensor:
    """The target of all samples at once, for losses of a batch's statistics. Shape: ``(N, N)``.

    Args:
        similarity: G. Shape: ``(N, N)``.
        z: Projections, view-major. Shape: ``(V·N, d)``.
        samples: N.
        target_temperature: τ_s > 0 of the softmax of G; None takes G itself.

    Raises:
        ValueError: Fewer than two samples, z does not hold two or more views of each, or weights are negative.
    """
    views = count_views(z, samples)
    weights = similarity if target_temperature is None else soft_weights(similarity, target_temperature)
    if (weights < 0).any():
        raise ValueError(f"weights ≥ 0 expected, got {weights.min():.3g}; give a target_temperature to soften G")
    return normalize_target(weights, torch.arange(samples, device=z.device), views)


def count_views(z: Tensor, samples: int) -> int:
    """V of view-major rows ``(V·N, d)``.

    Raises:
        ValueError: Fewer than two samples, or z does not hold two or more views of each.
    """
    if samples < 2 or z.ndim != 2 or len(z) % samples or len(z) < 2 * samples:
        raise ValueError(f"z (V·N, d) with N ≥ 2 samples and V ≥ 2 expected, got N = {samples}, z {tuple(z.shape)}")
    return len(z) // samples


def _loss(z: Tensor, samples: int, temperature: float, weights: Callable[[slice], Tensor]) -> Tensor:
    z = unit_rows(z).unflatten(0, (count_views(z, samples), samples))
    own = torch.arange(samples, device=z.device)
    loss: Tensor = contrastive_cross_entropy(
        z, z, lambda rows: normalize_target(weights(rows), own[rows], len(z)), temperature, self_index=own
    )
    return loss
