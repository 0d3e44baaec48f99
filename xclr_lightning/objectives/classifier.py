"""The classifier that a timm model comes with: taken off, so that features and logits are both to be had."""

import re
from typing import Any

from timm.data import ImageNetInfo, infer_imagenet_subset
from torch import Tensor, nn

# timm's tags say what a classifier was trained on: a1_in1k, augreg_in21k, in22k_ft_in22k_in1k.
IMAGENET_TAG = re.compile(r"(^|_)in(1|12|21|22)k(_|$)")


def class_names(pretrained_cfg: dict[str, Any], count: int) -> list[str] | None:
    """Names of the classes of a model's logits, in their order; None where they are not known.

    Args:
        pretrained_cfg: What timm says of the model's weights.
        count: Width of its logits.

    Returns:
        The names that come with the weights, else for ImageNet's sets, of which timm knows five, the WordNet ids.

    Example:
        >>> class_names({"tag": "a1_in1k"}, 1000)[:2]
        ['n01440764', 'n01443537']
        >>> class_names({"tag": "laion2b"}, 512) is None
        True
    """
    if names := pretrained_cfg.get("label_names"):
        found = [names[i] for i in sorted(names, key=int)] if isinstance(names, dict) else list(names)
    elif IMAGENET_TAG.search(pretrained_cfg.get("tag") or "") and (
        subset := infer_imagenet_subset({"num_classes": count})
    ):
        found = ImageNetInfo(subset).label_names()
    else:
        return None
    return found if len(found) == count else None


def take_off(model: nn.Module) -> tuple[str, nn.Module | None]:
    """Leave a timm model without its classifier.

    Returns:
        Where it was, and the classifier; None for models with more than one, which have no logits of pooled features.
    """
    classifier = model.get_classifier()  # type: ignore[operator]
    name = next((name for name, module in model.named_modules() if module is classifier), "")
    model.reset_classifier(0)  # type: ignore[operator]
    return name, classifier if isinstance(classifier, nn.Module) and name else None


def logits(classifier: nn.Module, features: Tensor) -> Tensor:
    """What a classifier says of features; some are 1 × 1 convolutions. Shapes: ``(n, D)`` → ``(n, C)``."""
    logits: Tensor = classifier(features[..., None, None] if isinstance(classifier, nn.Conv2d) else features).flatten(1)
    return logits
