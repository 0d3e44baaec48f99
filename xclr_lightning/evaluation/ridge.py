"""Ridge regression as a linear classifier: no seed, no learning rate, and its strength chosen by leave-one-out."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from xclr_lightning.evaluation.linear_head import LinearHead

STRENGTHS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
# Features that are looked at once: 64 MB of a ResNet-50's in double.
BLOCK = 4096


class RidgeMoments(NamedTuple):
    """All that the fit needs of the features. Those of parts of a set add up to those of the set, field by field.

    ``products`` is XᵀX ``(D, D)``, ``totals`` the sum of each class's features ``(C, D)``, ``counts`` how many they are
    ``(C,)``; all float64.
    """

    products: Tensor
    totals: Tensor
    counts: Tensor


def ridge_moments(
    features: Tensor, labels: Tensor, num_classes: int, device: torch.device | str | None = None
) -> RidgeMoments:
    """Add up the moments of features, block by block.

    Args:
        features: In any precision. Shape: ``(n, D)``, n ≥ 0.
        labels: Shape: ``(n,)``, int64 in ``[0, num_classes)``.
        num_classes: C.
        device: Where they are added, by default where the features are.
    """
    like = torch.zeros((), dtype=torch.float64, device=features.device if device is None else device)
    width = features.shape[1]
    moments = RidgeMoments(
        like.new_zeros(width, width),
        like.new_zeros(num_classes, width),
        labels.bincount(minlength=num_classes).to(like),
    )
    for block, label in zip(features.split(BLOCK), labels.split(BLOCK), strict=True):
        x = block.to(like)
        moments.products.addmm_(x.T, x)
        moments.totals.index_add_(0, label.to(like.device), x)
    return moments


class Ridge:
    """Minimisers of ``mean ‖y − W x − b‖² + λ ‖W‖²`` for several λ, from one decomposition.

    y is 1 for a sample's class and 0 for others, x its standardised features, and b is not penalised.

    Args:
        moments: Of all training features.
        strengths: Values of λ, ascending. As features are standardised, they mean the same for every backbone and any
            number of samples.
    """

    def __init__(self, moments: RidgeMoments, strengths: Sequence[float] = STRENGTHS) -> None:
        self.strengths, self.count = strengths, moments.counts.sum()
        self.mean = moments.totals.sum(0) / self.count
        covariance = moments.products / self.count - torch.outer(self.mean, self.mean)
        self.scale = covariance.diagonal().clamp_min(0).sqrt().clamp_min(1e-6)
        self.values, self.vectors = torch.linalg.eigh(covariance / torch.outer(self.scale, self.scale))
        self.values.clamp_min_(0)
        self.prior = moments.counts / self.count
        centred = (moments.totals - moments.counts[:, None] * self.mean) / self.scale
        self._cross = centred / self.count @ self.vectors

    def head(self, strength: float) -> LinearHead:
        """The classifier for a λ."""
        weight = self._cross / (self.values + strength) @ self.vectors.T
        return LinearHead(self.mean.float(), self.scale.float(), weight.float(), self.prior.float())

    def left_out_scores(self, features: Tensor, labels: Tensor, strength: float) -> Tensor:
        """What samples of the training set would score in a fit without them, exactly, the scale of features aside.

        Args:
            features: Some of the training features. Shape: ``(n, D)``.
            labels: Their classes. Shape: ``(n,)``, int64.
            strength: λ.

        Returns:
            Shape: ``(n, C)``, float64.

        Reference:
            Cook, Detection of Influential Observation in Linear Regression, Technometrics 1977: the residual of a
            sample that is left out is its residual over 1 − h, where h is its leverage.
        """
        return self._left_out(self._rotated(features), labels.to(self.mean.device), strength)

    def left_out_hits(self, features: Tensor, labels: Tensor) -> Tensor:
        """How many samples are classified right when left out, for each λ; those of parts of the set add up.

        Args:
            features: Some of the training features. Shape: ``(n, D)``.
            labels: Their classes. Shape: ``(n,)``, int64.

        Returns:
            Shape: ``(len(strengths),)``, float64.
        """
        hits = torch.zeros(len(self.strengths), dtype=torch.float64, device=self.mean.device)
        for block, own in zip(features.split(BLOCK), labels.split(BLOCK), strict=True):
            rotated, label = self._rotated(block), own.to(self.mean.device)
            for number, strength in enumerate(self.strengths):
                hits[number] += (self._left_out(rotated, label, strength).argmax(1) == label).sum()
        return hits

    def strongest(self, hits: Tensor) -> float:
        """The λ with the most hits, of equals the largest."""
        return self.strengths[int((hits == hits.max()).nonzero().max())]

    def _rotated(self, features: Tensor) -> Tensor:
        rotated: Tensor = (features.to(self.mean) - self.mean) / self.scale @ self.vectors
        return rotated

    def _left_out(self, rotated: Tensor, labels: Tensor, strength: float) -> Tensor:
        inverse = 1 / (self.values + strength)
        leverage = (1 + rotated.square() @ inverse) / self.count
        truth = torch.zeros(len(rotated), len(self.prior), dtype=rotated.dtype, device=rotated.device)
        truth[torch.arange(len(labels), device=labels.device), labels] = 1
        residual = truth - self.prior - rotated @ (self._cross * inverse).T
        scores: Tensor = truth - residual / (1 - leverage).clamp_min(1e-12)[:, None]
        return scores


def ridge_probe(
    features: Tensor, labels: Tensor, num_classes: int, strengths: Sequence[float] = STRENGTHS
) -> tuple[LinearHead, float]:
    """Fit ridge regression, its λ the one that classifies most of the training set right when left out.

    Args:
        features: In any precision. Shape: ``(n, D)``, n ≥ 1.
        labels: Shape: ``(n,)``, int64 in ``[0, num_classes)``.
        num_classes: C.
        strengths: Values of λ, ascending; of equally good ones the largest is taken.

    Returns:
        The classifier, and its λ.

    Example:
        >>> x, y = torch.tensor([[0.0], [1.0], [2.0], [3.0]]), torch.tensor([0, 0, 1, 1])
        >>> ridge_probe(x, y, num_classes=2)[0].accuracy(torch.tensor([[0.4], [2.6]]), torch.tensor([0, 1]))
        1.0
    """
    ridge = Ridge(ridge_moments(features, labels, num_classes), strengths)
    strength = ridge.strongest(ridge.left_out_hits(features, labels))
    return ridge.head(strength), strength
