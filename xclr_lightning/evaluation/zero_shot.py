"""Zero-shot classification: a picture takes the class whose description is nearest."""

import torch
from torch import Tensor
from torch.nn.functional import normalize


def zero_shot_scores(images: Tensor, prompts: Tensor) -> Tensor:
    """Cosines of pictures and classes; a class is the mean direction of its prompts.

    Args:
        images: Projections of pictures; normalised here. Shape: ``(Q, d)``, floating point.
        prompts: Projections of each class in each template; normalised here, before the mean and after it.
            Shape: ``(T, C, d)``, T ≥ 1, same dtype and device.

    Returns:
        Scores of the classes in [−1, 1], highest = prediction. Shape: ``(Q, C)``.

    Raises:
        ValueError: Shapes do not match, or there is no template.

    Reference:
        Radford et al., Learning Transferable Visual Models From Natural Language Supervision, ICML 2021, section 3.1.4.

    Example:
        >>> prompts = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.2], [0.2, 1.0]]])
        >>> zero_shot_scores(torch.tensor([[3.0, 1.0], [0.1, 1.0]]), prompts).argmax(1).tolist()
        [0, 1]
    """
    if images.ndim != 2 or prompts.ndim != 3 or images.shape[1] != prompts.shape[2] or not len(prompts):
        raise ValueError(
            "images (Q, d) and prompts (T, C, d) with T ≥ 1 expected, "
            f"got {tuple(images.shape)} and {tuple(prompts.shape)}"
        )
    classes = normalize(normalize(prompts, dim=2).mean(dim=0), dim=1)
    return torch.mm(normalize(images, dim=1), classes.T)
