"""From scores of a classifier's classes to those of the classes that are asked about, and to the best of them."""

from collections.abc import Sequence

import torch
from torch import Tensor


def scores_over(scores: Tensor, classes: Sequence[str], wanted: Sequence[Sequence[str]]) -> Tensor:
    """Scores of groups of classes: a group's is the highest of its classes'.

    Args:
        scores: Of the classifier's classes. Shape: ``(n, C)``, floating point.
        classes: Their C names.
        wanted: The names in each of G groups, each one or more.

    Returns:
        −inf where the classifier knows no class of a group. Shape: ``(n, G)``.

    Example:
        >>> scores_over(torch.tensor([[0.1, 0.7, 0.2]]), ["cat", "dog", "bus"], [["bus", "dog"], ["cat"], ["tree"]])
        tensor([[0.7000, 0.1000,   -inf]])
    """
    place = {name: i for i, name in enumerate(classes)}
    groups = [[place.get(name, len(classes)) for name in group] for group in wanted]
    longest = max(map(len, groups))
    # Groups of one length, by repetition, and a last column for classes that are unknown: one look-up for all.
    columns = torch.tensor([group + group[:1] * (longest - len(group)) for group in groups], device=scores.device)
    padded = torch.cat([scores, scores.new_full((len(scores), 1), -torch.inf)], dim=1)
    best = padded[:, columns[:, 0]]
    for column in columns.T[1:]:
        best = torch.maximum(best, padded[:, column])
    return best


def best_classes(scores: Tensor, k: int = 1) -> Tensor:
    """The k classes of highest score, best first; of equal ones the first.

    Args:
        scores: −inf for classes that cannot be chosen. Shape: ``(n, C)``, floating point.
        k: At least 1.

    Returns:
        Numbers of the classes, −1 where there are no more. Shape: ``(n, k)``, int64.

    Example:
        >>> best_classes(torch.tensor([[0.5, 0.9, 0.5], [-torch.inf, -torch.inf, 0.0]]), k=2)
        tensor([[ 1,  0],
                [ 2, -1]])
    """
    left, found = scores.clone(), []
    for _ in range(k):
        best, number = left.max(dim=1)
        found.append(torch.where(best == -torch.inf, -1, number))
        left.scatter_(1, number[:, None], -torch.inf)
    return torch.stack(found, dim=1)
