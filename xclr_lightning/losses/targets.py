"""What the graph asks of an anchor: target probabilities over every view of every sample but the anchor itself.

Keys are view-major, ``V`` views of ``N`` samples: view ``v`` of sample ``n`` is column ``v·N + n``. All views of a
sample share its column of the graph, so targets are computed on ``N`` columns and spread over the views.
"""

import torch
from torch import Tensor


def soft_target(similarity: Tensor, self_index: Tensor, views: int, target_temperature: float = 0.1) -> Tensor:
    r"""X-CLR's target :math:`s_{ij} = softmax_{j ≠ i}(G_{ij} / τ_s)` for a block of anchors.

    Args:
        similarity: G between the anchors' samples and all samples. Shape: ``(b, N)``, floating point.
        self_index: Each anchor's own column. Shape: ``(b,)``, int64 in ``[0, V·N)``.
        views: V ≥ 1 views a sample.
        target_temperature: τ_s > 0. Towards 0, only the most similar samples keep weight.

    Returns:
        Probabilities, 0 at the anchor. Shape: ``(b, V·N)``, float32 or float64.

    Reference:
        Sobal et al., X-Sample Contrastive Loss, https://arxiv.org/abs/2407.18134.

    Example:
        >>> G = torch.tensor([[1.0, 0.9, 0.0]])
        >>> soft_target(G, torch.tensor([0]), views=2, target_temperature=0.1).round(decimals=2)
        tensor([[0.0000, 0.2100, 0.0000, 0.5800, 0.2100, 0.0000]])
    """
    if target_temperature <= 0:
        raise ValueError(f"target_temperature must be positive, got {target_temperature}")
    scaled = similarity.to(torch.promote_types(similarity.dtype, torch.float32)) / target_temperature
    if views == 1:  # the anchor must not set the maximum that keeps the others from vanishing
        scaled = scaled.scatter(1, (self_index % scaled.shape[1])[:, None], -torch.inf)
    return _over_views((scaled - scaled.amax(dim=1, keepdim=True)).exp_(), self_index, views)


def uniform_target(related: Tensor, self_index: Tensor, views: int) -> Tensor:
    """Equal shares for every other view of the anchor's related samples: SimCLR's and SupCon's target.

    Args:
        related: True where the samples are related; a sample is related to itself. Shape: ``(b, N)``, bool.
        self_index: Each anchor's own column. Shape: ``(b,)``, int64 in ``[0, V·N)``.
        views: V ≥ 1 views a sample.

    Returns:
        Probabilities, 0 at the anchor; all 0 for an anchor with no other related view. Shape: ``(b, V·N)``, float32.

    Example:
        >>> uniform_target(torch.tensor([[True, False], [False, True]]), torch.tensor([0, 3]), views=2)
        tensor([[0., 0., 1., 0.],
                [0., 1., 0., 0.]])
    """
    return _over_views(related.float(), self_index, views)


def _over_views(weight: Tensor, self_index: Tensor, views: int) -> Tensor:
    """Normalise weights ``(b, N) ≥ 0`` over all ``V·N`` columns but the anchor's."""
    own = (self_index % weight.shape[1])[:, None]
    total = views * weight.scatter(1, own, 0).sum(1, keepdim=True) + (views - 1) * weight.gather(1, own)
    share = weight / total.clamp_min(torch.finfo(weight.dtype).tiny)
    return share.repeat(1, views).scatter_(1, self_index[:, None], 0)
