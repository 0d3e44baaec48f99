"""ImageNet's classes and those of its variants, as the timm package lists them."""

from importlib.resources import files
from typing import Literal


def imagenet_classes() -> list[str]:
    """The wnids of ImageNet's 1,000 classes, in the order of its classifiers' outputs.

    Example:
        >>> classes = imagenet_classes()
        >>> len(classes), classes[:2]
        (1000, ['n01440764', 'n01443537'])
    """
    return _synsets("imagenet")


def variant_classes(variant: Literal["a", "r"]) -> list[str]:
    """The wnids of the 200 classes of ImageNet-A or ImageNet-R, in the order of ImageNet's.

    Reference:
        Hendrycks et al., Natural Adversarial Examples, CVPR 2021; The Many Faces of Robustness, ICCV 2021.

    Example:
        >>> len(variant_classes("a")), variant_classes("r")[:2]
        (200, ['n01443537', 'n01484850'])
    """
    return _synsets(f"imagenet_{variant}")


def _synsets(name: str) -> list[str]:
    return (files("timm.data") / "_info" / f"{name}_synsets.txt").read_text(encoding="utf-8").split()
