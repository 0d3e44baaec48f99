"""Whether two sets of similarities agree."""

import torch
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
    x, y = (_ranks(matrix[i, j]) for matrix in (a, b))
    x, y = x - x.mean(), y - y.mean()
    scale = x.norm() * y.norm()
    return (x @ y / scale).item() if scale > 0 else 0.0


def _ranks(values: Tensor) -> Tensor:
    _, group, count = values.unique(return_inverse=True, return_counts=True)
    return (count.cumsum(0) - (count + 1) / 2).double()[group]


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
