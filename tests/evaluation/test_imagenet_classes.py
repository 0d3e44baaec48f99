"""ImageNet's classes and those of its variants: facts, by count, by order and against torchvision's own list."""

import pytest
from timm.data import ImageNetInfo
from torchvision.models import ResNet50_Weights

from xclr_lightning.evaluation import imagenet_classes, variant_classes


def test_a_thousand_wnids_in_the_order_of_classifiers() -> None:
    classes = imagenet_classes()
    assert len(set(classes)) == 1000
    assert classes == sorted(classes)
    info = ImageNetInfo()
    first_words = [info.label_name_to_description(wnid).split(",")[0].lower() for wnid in classes]
    categories = [category.lower() for category in ResNet50_Weights.IMAGENET1K_V1.meta["categories"]]
    # Not all: torchvision tells apart, and spells, some that WordNet does not.
    assert sum(map(str.__eq__, first_words, categories)) > 950


@pytest.mark.parametrize(
    ("variant", "first", "last"), [("a", [6, 11, 13, 15], 988), ("r", [1, 2, 4, 6], 988)]
)  # as in the eval.py of each
def test_two_hundred_of_them_in_a_and_in_r(variant: str, first: list[int], last: int) -> None:
    places = [imagenet_classes().index(wnid) for wnid in variant_classes(variant)]  # type: ignore[arg-type]
    assert len(places) == 200
    assert places == sorted(set(places))
    assert (places[:4], places[-1]) == (first, last)
