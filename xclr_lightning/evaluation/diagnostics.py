"""What goes on in a batch: how soft its targets are, how projections spread, how many dimensions features use."""

import torch
from torch import Tensor
from torch.nn import functional as F


def target_statistics(target: Tensor, self_index: Tensor, views: int) -> dict[str, float]:
    """How soft a target is.

    Args:
        target: Probability of each sample's every view but the anchor. Shape: ``(b, N)``, floating point.
        self_index: Each anchor's own sample. Shape: ``(b,)``, int64 in ``[0, N)``.
        views: V views a sample; 1 where no view of it is the anchor, as with pictures and texts.

    Returns:
        Means over anchors: ``entropy`` H in nats; ``effective_positives`` exp(H), from 1 to the number of keys; and
        ``own_share``, the probability of the anchor's own sample.

    Example:
        >>> statistics = target_statistics(torch.tensor([[0.5, 0.25]]), torch.tensor([0]), views=2)
        >>> round(statistics["effective_positives"], 4), statistics["own_share"]
        (2.8284, 0.5)
    """
    own, others = target.gather(1, self_index[:, None])[:, 0], max(1, views - 1)
    surprise = torch.special.entr(target)
    entropy = views * surprise.sum(dim=1) - (views - others) * torch.special.entr(own)
    return {
        "entropy": entropy.mean().item(),
        "effective_positives": entropy.exp().mean().item(),
        "own_share": (others * own).mean().item(),
    }


def alignment(z: Tensor) -> float:
    """Mean squared distance of two views of a sample, in [0, 4]; 0 where views agree.

    Args:
        z: Unit vectors. Shape: ``(V, n, d)``, V ≥ 2.

    Reference:
        Wang and Isola, Understanding Contrastive Representation Learning through Alignment and Uniformity on the
        Hypersphere, ICML 2020, equation 4, α = 2.

    Example:
        >>> alignment(torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]]))
        2.0
    """
    views = len(z)
    among_all = z.sum(dim=0).square().sum(dim=1) - z.square().sum(dim=(0, 2))
    return (2 - 2 * among_all / (views * (views - 1))).mean().item()


def uniformity(z: Tensor) -> float:
    """Logarithm of the mean of exp(−2‖x − y‖²) over pairs, in [−8, 0]; 0 where all are one.

    Args:
        z: Unit vectors. Shape: ``(n, d)``; NaN for fewer than two.

    Reference:
        Wang and Isola, ICML 2020, equation 5, t = 2.

    Example:
        >>> round(uniformity(torch.eye(2)), 4)
        -4.0
    """
    return F.pdist(z).square().mul(-2).exp().mean().log().item()


def rank_me(features: Tensor) -> float:
    """RankMe: the effective number of dimensions, exp of the entropy of the singular values' shares.

    Args:
        features: Shape: ``(n, D)``, floating point.

    Returns:
        From 1 to min(n, D); 0 where all features are 0, NaN where one is not finite.

    Reference:
        Garrido et al., RankMe: Assessing the Downstream Performance of Pretrained Self-Supervised Representations by
        Their Rank, ICML 2023, equation 1.

    Example:
        >>> round(rank_me(torch.eye(5)[:3]), 3)
        3.0
    """
    if not features.isfinite().all():
        return float("nan")
    values = torch.linalg.svdvals(features.float())
    if not values.sum() > 0:
        return 0.0
    rank: float = torch.special.entr(values / values.sum()).sum().exp().item()
    return rank
