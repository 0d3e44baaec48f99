"""Hubs: nodes that are near to a great many others, as high-dimensional embeddings are prone to have."""

from torch import Tensor


def occurrences(neighbours: Tensor, in_list: Tensor) -> Tensor:
    """In how many others' lists of neighbours each node is.

    Args:
        neighbours: Shape: ``(n, k)``, int64 in [0, n).
        in_list: Which of them count. Shape: ``(n, k)``, bool.

    Returns:
        N_k. Shape: ``(n,)``, int64.

    Reference:
        Radovanović et al., Hubs in Space: Popular Nearest Neighbors in High-Dimensional Data, JMLR 2010.

    Example:
        >>> import torch
        >>> occurrences(torch.tensor([[1], [2], [1]]), torch.ones(3, 1, dtype=torch.bool))
        tensor([0, 2, 1])
    """
    return neighbours[in_list].bincount(minlength=len(neighbours))


def skewness(values: Tensor) -> float:
    """Third standardised moment: 0 where values lie evenly about their mean, large where a few are far above it.

    Args:
        values: Shape: ``(n,)``.

    Example:
        >>> import torch
        >>> round(skewness(torch.tensor([0, 0, 0, 4])), 3), skewness(torch.tensor([1, 2, 3])), skewness(torch.ones(3))
        (1.155, 0.0, 0.0)
    """
    centred = values.double() - values.double().mean()
    deviation = centred.square().mean().sqrt()
    return (centred.pow(3).mean() / deviation**3).item() if deviation > 0 else 0.0
