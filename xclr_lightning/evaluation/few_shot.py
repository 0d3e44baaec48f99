"""Classification from a few examples of each class."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from xclr_lightning.evaluation.linear_head import LinearHead
from xclr_lightning.evaluation.ridge import ridge_probe


def few_shot_accuracy(
    bank: Tensor,
    bank_labels: Tensor,
    queries: Tensor,
    truth: Tensor,
    num_classes: int,
    shots: int,
    repeats: int = 10,
    seed: int = 0,
    classifier: Literal["mean", "ridge"] = "mean",
) -> Tensor:
    """Accuracies of classifiers that know ``shots`` examples of each class, drawn anew for each.

    Args:
        bank: Features that examples are drawn from. Shape: ``(B, D)``, floating point.
        bank_labels: Shape: ``(B,)``, int64 in ``[0, num_classes)``.
        queries: Features to classify. Shape: ``(Q, D)``.
        truth: Their classes; one that the bank lacks counts as an error. Shape: ``(Q,)``, int64.
        num_classes: C.
        shots: Examples a class, all of them where a class has fewer.
        repeats: R draws.
        seed: Of the draws. Those of fewer shots are part of those of more.
        classifier: ``mean``: the class whose examples' mean direction is nearest by cosine; ``ridge``: ridge
            regression, see :func:`xclr_lightning.evaluation.ridge.ridge_probe`.

    Returns:
        Share of the queries that are classified right, in [0, 1], for each draw. Shape: ``(R,)``, float64.

    Reference:
        Snell et al., Prototypical Networks for Few-shot Learning, NeurIPS 2017, for the mean of a class, and with the
        cosine Qiao et al., Few-Shot Image Recognition by Predicting Parameters from Activations, CVPR 2018.

    Example:
        >>> x, y = torch.tensor([[1.0, 0.1], [1.0, 0.0], [0.0, 1.0], [0.1, 1.0]]), torch.tensor([0, 0, 1, 1])
        >>> few_shot_accuracy(x, y, x, y, num_classes=2, shots=1, repeats=3).tolist()
        [1.0, 1.0, 1.0]
    """
    accuracies = []
    for number in range(repeats):
        rows = drawn_examples(bank_labels, shots, seed + number)
        examples, labels = bank[rows].float(), bank_labels[rows]
        if classifier == "ridge":
            head = ridge_probe(examples, labels, num_classes)[0]
        else:
            head = nearest_mean(examples, labels, num_classes)
        accuracies.append(head.accuracy(queries, truth))
    return torch.tensor(accuracies, dtype=torch.float64)


def drawn_examples(labels: Tensor, shots: int, seed: int) -> Tensor:
    """Numbers of ``shots`` random samples of each class, or of all it has. Shape: ``(m,)``, int64.

    Example:
        >>> drawn_examples(torch.tensor([0, 0, 0, 1]), shots=2, seed=0).bincount().sum().item()
        3
    """
    shuffled = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed)).to(labels.device)
    by_class = shuffled[labels[shuffled].argsort(stable=True)]
    sizes = labels.bincount()
    nth = torch.arange(len(labels), device=labels.device) - (sizes.cumsum(0) - sizes)[labels[by_class]]
    return by_class[nth < shots]


def nearest_mean(features: Tensor, labels: Tensor, num_classes: int) -> LinearHead:
    """The classifier whose weights are the mean directions of each class's unit vectors; a class without any is last.

    A query's length does not change which class is nearest, so that cosines need no more than this.

    Args:
        features: Shape: ``(n, D)``, float32.
        labels: Shape: ``(n,)``, int64 in ``[0, num_classes)``.
        num_classes: C.
    """
    width = features.shape[1]
    total = features.new_zeros(num_classes, width).index_add_(0, labels, normalize(features, dim=1))
    empty = labels.bincount(minlength=num_classes) == 0
    bias = features.new_zeros(num_classes).masked_fill(empty, -torch.inf)
    return LinearHead(features.new_zeros(width), features.new_ones(width), normalize(total, dim=1), bias)
