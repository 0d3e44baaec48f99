"""Weighted k-nearest-neighbour classification, as InstDisc and DINO run it."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def knn_predict(
    bank: Tensor,
    bank_labels: Tensor,
    queries: Tensor,
    num_classes: int,
    k: Sequence[int] = (20,),
    temperature: float = 0.07,
    block_size: int = 4096,
) -> dict[int, Tensor]:
    r"""Score classes by the similarities of a query's nearest neighbours: :math:`Σ_{j ∈ top k} exp(s_j / T) [y_j = c]`.

    One search at the largest k serves all of them.

    Args:
        bank: Features with known classes; normalised here. Shape: ``(B, d)``, floating point.
        bank_labels: Their classes. Shape: ``(B,)``, int64 in ``[0, num_classes)``.
        queries: Features to classify; normalised here. Shape: ``(Q, d)``, same dtype and device.
        num_classes: C ≥ 1.
        k: Numbers of neighbours, each at least 1; those above B stand for B.
        temperature: T > 0.
        block_size: Queries searched at once; memory is ``block_size × B`` floats.

    Returns:
        For each k, scores of the classes, highest = prediction. Shape: ``(Q, C)``, float32.

    Raises:
        ValueError: The bank is empty, lengths do not match, or a k is below 1.

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
    bank, queries = F.normalize(bank, dim=1), F.normalize(queries, dim=1)
    scores: dict[int, list[Tensor]] = {size: [] for size in k}
    for block in queries.split(block_size):
        similarity, neighbour = (block @ bank.T).topk(min(max(k), len(bank)), dim=1)
        # Relative to the best neighbour's, so that no temperature overflows; the ranking is the same.
        weight = ((similarity - similarity[:, :1]).float() / temperature).exp()
        label = bank_labels[neighbour]
        for size in k:
            votes = weight.new_zeros(len(block), num_classes)
            scores[size].append(votes.scatter_add_(1, label[:, :size], weight[:, :size]))
    empty = torch.zeros(0, num_classes, device=queries.device)
    return {size: torch.cat(blocks) if blocks else empty for size, blocks in scores.items()}
