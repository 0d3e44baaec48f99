"""Whether two sets of similarities agree."""

import torch
from scipy.stats import spearmanr
from torch import Tensor


def rank_correlation(a: Tensor, b: Tensor) -> float:
    """Spearman's correlation of two symmetric matrices over their pairs i < j; ties share their mean rank.

    Args:
        a: Shape: ``(n, n)``, n ≥ 3.
        b: Shape: ``(n, n)``.

    Returns:
        In [−1, 1]; 0 where one of them is constant.

    Example:
        >>> a = torch.tensor([[1.0, 0.9, 0.1], [0.9, 1.0, 0.2], [0.1, 0.2, 1.0]])
        >>> round(rank_correlation(a, a**3), 4), round(rank_correlation(a, -a), 4)
        (1.0, -1.0)
    """
    i, j = torch.triu_indices(len(a), len(a), offset=1)
    return _spearman(a[i, j], b[i, j])


def order_agreement(similarity: Tensor, values: Tensor) -> float:
    """Spearman's correlation of similarity and nearness over the pairs whose values differ; ties share their mean rank.

    Args:
        similarity: Symmetric. Shape: ``(n, n)``.
        values: A number of each sample. Shape: ``(n,)``.

    Returns:
        In [−1, 1]; 0 where similarities or distances are constant.

    Example:
        >>> values = torch.tensor([0.0, 0.0, 1.0, 3.0])
        >>> distance = (values[:, None] - values).abs()
        >>> round(order_agreement(-distance, values), 4), round(order_agreement(distance, values), 4)
        (1.0, -1.0)
    """
    i, j = torch.triu_indices(len(values), len(values), offset=1)
    distance, learned = (values[i] - values[j]).abs(), similarity[i, j]
    differ = distance > 0
    return _spearman(learned[differ], -distance[differ])


def _spearman(a: Tensor, b: Tensor) -> float:
    if len(a.unique()) < 2 or len(b.unique()) < 2:
        return 0.0
    return float(spearmanr(a.numpy(), b.numpy()).statistic)


def related_groups(similarity: Tensor, groups: int, size: int) -> list[Tensor]:
    """Pick groups of related samples that have little to do with each other.

    A group is the sample whose nearest neighbours are nearest, and those neighbours; the next one is sought among the
    less similar three quarters of what is left.

    Args:
        similarity: Shape: ``(n, n)``.
        groups: How many groups, fewer where samples run out.
        size: Samples a group.

    Returns:
        Numbers of the samples of each group, shape ``(size,)``, int64.

    Example:
        >>> G = torch.block_diag(torch.ones(2, 2), torch.ones(2, 2) * 0.9)
        >>> [sorted(group.tolist()) for group in related_groups(G, groups=2, size=2)]
        [[0, 1], [2, 3]]
    """
    left = torch.ones(len(similarity), dtype=torch.bool)
    found: list[Tensor] = []
    while len(found) < groups and left.sum() >= size:
        numbers = left.nonzero().flatten()
        block = similarity[numbers][:, numbers]
        nearest = block.topk(size, dim=1)
        seed = nearest.values.sum(1).argmax()
        found.append(numbers[nearest.indices[seed]])
        closeness = similarity[numbers[seed]]
        left &= closeness <= closeness[numbers].quantile(0.75)
        left[found[-1]] = False
    return found
