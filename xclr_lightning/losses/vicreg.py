"""VICReg with a soft graph: related projections agree, and each dimension says something of its own."""

import torch
from torch import Tensor

from xclr_lightning.losses.objectives import Graph, similarity_blocks, whole_target


def vicreg_graph_loss(
    z: Tensor,
    similarity: Tensor | tuple[Graph, Tensor],
    target_temperature: float | None = None,
    *,
    invariance: float = 25.0,
    variance: float = 25.0,
    covariance: float = 1.0,
) -> Tensor:
    r"""VICReg whose invariance term runs over the edges of a graph, each to its degree.

    .. math:: \frac{λ}{M d} \sum_{i, j ≠ i} s_{ij} ‖z_i - z_j‖^2
              + \frac{μ}{V} \sum_v v(Z_v) + \frac{2ν}{V} \sum_v c(Z_v)

    with :math:`s_{ij}` the graph's weights, scaled to sum to 1 over every view of every sample but the anchor. The
    identity graph gives VICReg as published. The first and the last two terms are the two halves of
    :math:`‖Z Z^T - G‖^2`, which Theorem 1 of X-CLR names as what VICReg minimises; published VICReg replaces the
    penalty on variances by a hinge, and so does this.

    Args:
        z: Projections, view-major, not normalised: squares of their covariances must not overflow.
            Shape: ``(V·N, d)``, V ≥ 2.
        similarity: G ≥ 0, shape ``(N, N)``; or a graph and the samples' nodes, shape ``(N, …)``.
        target_temperature: τ_s > 0 of the softmax of G that weighs the edges; None takes G itself as weights.
        invariance: λ.
        variance: μ, of the hinge that keeps each dimension's deviation above 1.
        covariance: ν, of the squared covariances between dimensions.

    Returns:
        Scalar loss, float32 or float64.

    Raises:
        ValueError: Fewer than two samples, z does not hold two or more views of each, or weights are negative.

    Reference:
        Bardes et al., VICReg: Variance-Invariance-Covariance Regularization for Self-Supervised Learning, ICLR 2022,
        equations 1 to 6; Cabannes et al., Active Self-Supervised Learning, ICCV 2023; Sobal et al., Theorem 1.

    Example:
        >>> z = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.5], [0.0, 1.0]])
        >>> vicreg_graph_loss(z, torch.eye(2)).round(decimals=4)
        tensor(11.4048)
    """
    samples, block = similarity_blocks(similarity)
    target = whole_target(block(slice(None)), z, samples, target_temperature)
    return vicreg(z.unflatten(0, (-1, samples)), target, invariance, variance, covariance)


def vicreg(z: Tensor, target: Tensor, invariance: float, variance: float, covariance: float) -> Tensor:
    """The loss of views ``(V, N, d)`` under a target ``(N, N)``, see :func:`normalize_target`."""
    with torch.autocast(z.device.type, enabled=False):
        z = z.to(torch.promote_types(z.dtype, torch.float32))
        target = target.to(z.dtype)
        deviation = (z.var(dim=1) + 1e-4).sqrt()
        centred = z - z.mean(dim=1, keepdim=True)
        covariances = centred.mT @ centred / (z.shape[1] - 1)
        redundant = covariances.square().sum() - covariances.diagonal(dim1=1, dim2=2).square().sum()
        return (
            invariance * edge_energy(z, target) / z.shape[2]
            + variance * (1 - deviation).relu().mean()
            + covariance * 2 * redundant / (len(z) * z.shape[2])
        )


def edge_energy(z: Tensor, target: Tensor) -> Tensor:
    r"""Mean over anchors of :math:`\sum_j s_{ij} ‖z_i - z_j‖^2`, without a matrix of views.

    Args:
        z: Shape: ``(V, N, d)``.
        target: Probability of each sample's every view but the anchor. Shape: ``(N, N)``.
    """
    own = target.diagonal()
    # Views of a sample agree more and more: their differences as such, not as those of large squares.
    between_views = own * (z[:, None] - z[None]).square().sum(dim=(1, 3))
    others = target - own.diag()
    z = z - z.mean(dim=(0, 1))  # moves no sample from another, and keeps squares small
    square = z.square().sum(dim=2)
    mass, pulled = len(z) * others.sum(dim=1), others @ square.sum(dim=0)
    between_samples = mass * square + pulled - 2 * (z * (others @ z.sum(dim=0))).sum(dim=2)
    return (between_views + between_samples).mean()
