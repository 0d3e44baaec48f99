"""The nine classes of the Backgrounds Challenge: facts, by count and by name."""

from collections import Counter

import pytest
from timm.data import ImageNetInfo

from xclr_lightning.evaluation.imagenet9 import CLASSES, class_name, imagenet9_classes


def test_370_of_imagenets_classes_belong_to_nine():
    found = Counter(imagenet9_classes(ImageNetInfo().label_names()))
    assert [found[name] for name in CLASSES.values()] == [116, 52, 42, 36, 35, 27, 26, 20, 16]
    assert found[None] == 630


@pytest.mark.parametrize(
    ("wnid", "expected"),
    [
        ("n02099601", "dog"),  # golden retriever
        ("n02114367", "carnivore"),  # timber wolf
        ("n02129165", "carnivore"),  # lion
        ("n02123045", None),  # tabby, which the authors leave out
        ("n02480495", "primate"),  # orangutan
        ("n02701002", "wheeled vehicle"),  # ambulance
        ("n02676566", "musical instrument"),  # acoustic guitar
        ("n01484850", "fish"),  # great white shark
        ("n01629819", None),  # a salamander is no reptile
        ("n07753592", None),  # banana
        ("no wnid", None),
    ],
)
def test_what_a_person_would_say(wnid, expected):
    assert imagenet9_classes([wnid]) == [expected]


@pytest.mark.parametrize(
    ("folder", "name"), [("00_dog", "dog"), ("06_musical instrument", "musical instrument"), ("Fish", "fish")]
)
def test_folders_have_numbers_in_front(folder, name):
    assert class_name(folder) == name
