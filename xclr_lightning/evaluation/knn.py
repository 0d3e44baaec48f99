"""Weighted k-nearest-neighbour classification, as InstDisc and DINO run it."""

from collections.abc import Sequence

import torch
from torch import Tensor

from xclr_lightning.evaluation.neighbours import nearest


def knn_predict(
    bank: Tensor,
    bank_labels: Tensor,
    queries: Tensor,
    num_classes: int,
    k: Sequence[int] = (20,),
    temperature: float = 0.07,
    block_size: int = 1024,
) -> dict[int, Tensor]:
    r"""Score classes by the similarities of a query's nearest neighbours: :math:`Σ_{j ∈ top k} exp(s_j / T) [y_j = c]`.

    One search at the largest k serves all of them. Of neighbours that are equally near the lower number counts.

    Args:
        bank: Features with known classes; normalised here. Shape: ``(B, d)``, floating point; half precision stays
            half, so that a large bank fits.
        bank_labels: Their classes. Shape: ``(B,)``, int64 in ``[0, num_classes)``.
        queries: Features to classify; normalised here. Shape: ``(Q, d)``, floating point, same device.
        num_classes: C ≥ 1.
        k: Numbers of neighbours, each at least 1; those above B stand for B.
        temperature: T > 0.
        block_size: Queries searched at once; memory grows with it and not with ``Q × B``.

    Returns:
        For each k, scores of the classes, highest = prediction; of equal ones the lower number, by ``argmax``.
        Shape: ``(Q, C)``, float32.

    Raises:
        ValueError: The bank is empty, shapes do not match, a label or k is out of range, or T is not above 0.

    Reference:
        Wu et al., Unsupervised Feature Learning via Non-Parametric Instance Discrimination, CVPR 2018, section 3.4;
        Caron et al., Emerging Properties in Self-Supervised Vision Transformers, ICCV 2021, appendix F.1.

    Example:
        >>> bank = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
        >>> scores = knn_predict(bank, torch.tensor([0, 0, 1]), torch.tensor([[0.1, 1.0]]), 2, k=(1, 3))
        >>> {k: s.argmax(1).item() for k, s in scores.items()}
        {1: 1, 3: 1}
    """
    if len(bank) == 0 or bank_labels.shape != bank.shape[:1]:
        raise ValueError(f"a bank (B, d) and labels (B,) expected, got {tuple(bank.shape)}, {tuple(bank_labels.shape)}")
    if not k or min(k) < 1:
        raise ValueError(f"every k must be at least 1, got {tuple(k)}")
    lowest, highest = int(bank_labels.min()), int(bank_labels.max())
    if lowest < 0 or highest >= num_classes:
        raise ValueError(f"labels from 0 to {num_classes - 1} expected, got {lowest} to {highest}")
    similarity, index = nearest(bank, queries, max(k), query_block=block_size)
    return knn_votes(similarity, bank_labels[index], num_classes, k, temperature)


def knn_votes(
    similarity: Tensor, labels: Tensor, num_classes: int, k: Sequence[int], temperature: float = 0.07
) -> dict[int, Tensor]:
    """Let neighbours vote for their classes, each by exp(similarity / T).

    Args:
        similarity: Of each query's neighbours, best first. Shape: ``(Q, K)``, floating point.
        labels: Their classes. Shape: ``(Q, K)``, int64 in ``[0, num_classes)``.
        num_classes: C ≥ 1.
        k: Numbers of neighbours that vote; those above K stand for K.
        temperature: T > 0.

    Returns:
        For each k, scores of the classes, highest = prediction; the best neighbour's vote is 1. Shape: ``(Q, C)``,
        float32.

    Raises:
        ValueError: T is not above 0.

    Example:
        >>> knn_votes(torch.tensor([[0.9, 0.9, 0.9]]), torch.tensor([[1, 0, 1]]), 2, k=(1, 3))
        {1: tensor([[0., 1.]]), 3: tensor([[1., 2.]])}
    """
    if not temperature > 0:
        raise ValueError(f"a temperature above 0 expected, got {temperature}")
    # Relative to the best neighbour's, so that no temperature overflows; the ranking is the same. In float64, for sums
    # that come out alike whichever vote a GPU adds first.
    weight = torch.exp((similarity - similarity[:, :1]).double() / temperature)
    scores = {}
    for size in k:
        votes = weight.new_zeros(len(weight), num_classes)
        scores[size] = votes.scatter_add_(1, labels[:, :size], weight[:, :size]).float()
    return scores
