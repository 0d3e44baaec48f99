"""What a graph asks of an anchor: target probabilities over every view of every sample but the anchor itself.

All views of a sample share its row and its column of the graph, so a target is a block over samples: entry ``(i, j)``
is the probability of every view of sample j, the anchor itself excepted.
"""

import torch
from torch import Tensor


def soft_weights(similarity: Tensor, target_temperature: float = 0.1) -> Tensor:
    r"""X-CLR's weights :math:`exp(G_{ij} / τ_s)`, up to a factor a row.

    Args:
        similarity: G between the anchors' samples and all samples. Shape: ``(b, N)``, floating point.
        target_temperature: τ_s > 0. Towards 0, only the most similar samples keep weight.

    Returns:
        Weights in [0, 1]. Shape: ``(b, N)``, float32 or float64.

    Raises:
        ValueError: τ_s is not positive.

    Reference:
        Sobal et al., X-Sample Contrastive Loss, https://arxiv.org/abs/2407.18134.

    Example:
        >>> soft_weights(torch.tensor([[1.0, 0.9, 0.0]]), target_temperature=0.1).round(decimals=2)
        tensor([[1.0000, 0.3700, 0.0000]])
    """
    if target_temperature <= 0:
        raise ValueError(f"target_temperature must be positive, got {target_temperature}")
    scaled = similarity.to(torch.promote_types(similarity.dtype, torch.float32)) / target_temperature
    return scaled.sub_(scaled.amax(dim=1, keepdim=True)).exp_()


def normalize_target(weights: Tensor, self_index: Tensor, views: int) -> Tensor:
    """Scale each row of weights so that it sums to 1 over every view of every sample but the anchor itself.

    Args:
        weights: How related the anchors' samples are to all samples, ≥ 0. Shape: ``(b, N)``, floating point or bool.
        self_index: Each anchor's own sample. Shape: ``(b,)``, int64 in ``[0, N)``.
        views: V ≥ 1 views a sample; with one, a sample's own column becomes 0.

    Returns:
        Probability of each sample's every view. Shape: ``(b, N)``, float32 or float64; all 0 for an anchor without
        another related view.

    Example:
        >>> normalize_target(torch.tensor([[True, False], [True, True]]), torch.tensor([0, 1]), views=2)
        tensor([[1.0000, 0.0000],
                [0.3333, 0.3333]])
    """
    weights = weights.to(torch.promote_types(weights.dtype, torch.float32))
    own = self_index[:, None]
    if views == 1:
        weights = weights.scatter(1, own, 0)
    others = views * weights.sum(dim=1, keepdim=True) - weights.gather(1, own)
    return weights / others.clamp_min(torch.finfo(weights.dtype).tiny)
