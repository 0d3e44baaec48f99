"""Contrast between pictures and texts: the same kernel in both directions, and no anchor to leave out."""

from collections.abc import Callable

import torch
from torch import Tensor

from xclr_lightning.losses.contrastive import contrastive_cross_entropy
from xclr_lightning.losses.objectives import Graph, similarity_blocks, unit_rows
from xclr_lightning.losses.targets import soft_weights


def clip_loss(image_z: Tensor, text_z: Tensor, logit_scale: Tensor | float) -> Tensor:
    """CLIP's symmetric InfoNCE: a picture's text is told from all other texts, and a text's picture from all others.

    Args:
        image_z: Projections of pictures; normalised here. Shape: ``(N, d)``, floating point.
        text_z: Projections of their texts; normalised here. Shape: ``(N, d)``.
        logit_scale: What cosines are multiplied by, > 0: 1 / τ, or a scalar tensor that receives a gradient.

    Returns:
        Scalar loss, the mean of the cross-entropies of both directions.

    Raises:
        ValueError: Shapes do not match, or there are fewer than two pairs.

    Reference:
        Radford et al., Learning Transferable Visual Models From Natural Language Supervision, ICML 2021, figure 3.

    Example:
        >>> clip_loss(torch.eye(2), torch.eye(2), logit_scale=2.0).round(decimals=4)
        tensor(0.1269)
    """
    pairs = torch.arange(len(image_z), device=image_z.device)
    return _loss(image_z, text_z, lambda rows: pairs[rows, None] == pairs, logit_scale)


def soft_clip_loss(
    image_z: Tensor,
    text_z: Tensor,
    similarity: Tensor | tuple[Graph, Tensor],
    logit_scale: Tensor | float,
    target_temperature: float = 0.1,
) -> Tensor:
    r"""CLIP whose targets are the softmax of a graph: a text also belongs, by degree, to pictures of related captions.

    .. math:: L = \frac{1}{2N} \sum_i H\big(softmax_j(G_{ij} / τ_s),\; softmax_j(s \, x_i \cdot y_j)\big)
                + H\big(softmax_j(G_{ij} / τ_s),\; softmax_j(s \, y_i \cdot x_j)\big)

    A sample's own pair is part of its target; towards τ_s = 0 this is :func:`clip_loss` where all captions differ.

    Args:
        image_z: Projections x of pictures; normalised here. Shape: ``(N, d)``, floating point.
        text_z: Projections y of their texts; normalised here. Shape: ``(N, d)``.
        similarity: G, shape ``(N, N)``; or a graph and the samples' nodes, shape ``(N, …)``, so that no ``(N, N)``
            matrix is ever held.
        logit_scale: What cosines are multiplied by, s > 0: 1 / τ, or a scalar tensor that receives a gradient.
        target_temperature: τ_s > 0.

    Returns:
        Scalar loss, the mean of the cross-entropies of both directions.

    Raises:
        ValueError: Shapes do not match, there are fewer than two pairs, or τ_s is not positive.

    Example:
        >>> G = torch.tensor([[1.0, 0.5], [0.5, 1.0]])
        >>> soft_clip_loss(torch.eye(2), torch.eye(2), G, logit_scale=2.0, target_temperature=0.5).round(decimals=4)
        tensor(0.6648)
    """
    samples, block = similarity_blocks(similarity)
    if samples != len(image_z):
        raise ValueError(f"similarity of {samples} samples does not fit {len(image_z)} pairs")
    return _loss(image_z, text_z, lambda rows: soft_weights(block(rows), target_temperature), logit_scale)


def symmetric_cross_entropy(
    images: Tensor,
    texts: Tensor,
    all_images: Tensor,
    all_texts: Tensor,
    weights: Callable[[slice], Tensor],
    logit_scale: Tensor | float,
) -> Tensor:
    """Mean over views of both directions' cross-entropies, for some pairs against all of them.

    Args:
        images: Unit vectors of n pictures' views. Shape: ``(V, n, d)``.
        texts: Unit vectors of their texts. Shape: ``(n, d)``.
        all_images: What texts are compared with, a view at a time. Shape: ``(V, N, d)``.
        all_texts: What pictures are compared with. Shape: ``(N, d)``.
        weights: How related a slice of the n pairs is to all pairs, ≥ 0, in any unit. Shape: ``(b, N)``.
        logit_scale: What cosines are multiplied by.
    """

    def target(rows: slice) -> Tensor:
        return to_probabilities(weights(rows))

    # The scale goes into the queries, as the kernel's temperature has no gradient.
    to_texts = contrastive_cross_entropy(logit_scale * images, all_texts, target, 1.0)
    to_images = [contrastive_cross_entropy(logit_scale * texts, view, target, 1.0) for view in all_images]
    loss: Tensor = (to_texts + torch.stack(to_images).mean()) / 2
    return loss


def to_probabilities(weights: Tensor) -> Tensor:
    """Scale rows of weights ≥ 0, floating point or bool, so that they sum to 1."""
    weights = weights.to(torch.promote_types(weights.dtype, torch.float32))
    return weights / weights.sum(dim=1, keepdim=True).clamp_min(torch.finfo(weights.dtype).tiny)


def _loss(image_z: Tensor, text_z: Tensor, weights: Callable[[slice], Tensor], logit_scale: Tensor | float) -> Tensor:
    if image_z.ndim != 2 or image_z.shape != text_z.shape or len(image_z) < 2:
        raise ValueError(
            f"image_z and text_z (N, d) with N ≥ 2 expected, got {tuple(image_z.shape)} and {tuple(text_z.shape)}"
        )
    if isinstance(logit_scale, Tensor) and logit_scale.ndim:
        raise ValueError(f"a scalar logit_scale expected, got {tuple(logit_scale.shape)}")
    images, texts = unit_rows(image_z)[None], unit_rows(text_z)
    return symmetric_cross_entropy(images, texts, images, texts, weights, logit_scale)
