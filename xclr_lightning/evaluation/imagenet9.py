"""ImageNet's classes as the nine of the Backgrounds Challenge."""

import re
from collections.abc import Mapping, Sequence

from xclr_lightning.graphs.wordnet import imagenet_synsets

CLASSES = {
    "n02084071": "dog",
    "n01503061": "bird",
    "n04576211": "wheeled vehicle",
    "n01661091": "reptile",
    "n02075296": "carnivore",
    "n02159955": "insect",
    "n03800933": "musical instrument",
    "n02469914": "primate",
    "n02512053": "fish",
}
# Game birds, two dogs, house cats, a golf cart and a mobile home, which the challenge's authors leave out.
LEFT_OUT = frozenset(
    {"n01795545", "n01796340", "n01797886", "n01798484", "n01806143", "n01806567", "n01807496", "n02091032"}
    | {"n02091134", "n02123045", "n02123159", "n02123394", "n02123597", "n02124075", "n03445924", "n03776460"}
)


def imagenet9_classes(wnids: Sequence[str]) -> list[str | None]:
    """Which of the nine classes each class of ImageNet belongs to: its nearest ancestor among theirs in WordNet 3.0.

    Of the 1,000 classes 370 belong to one.

    Args:
        wnids: Classes of ImageNet.

    Returns:
        A name for each; None where it belongs to none of the nine, or is no class of ImageNet.

    Reference:
        Xiao et al., Noise or Signal: The Role of Image Backgrounds in Object Recognition, ICLR 2021.

    Example:
        >>> imagenet9_classes(["n02106662", "n02124075", "dog"])
        ['dog', None, None]
    """
    hypernyms = {wnid: parents for wnid, (_, parents) in imagenet_synsets().items()}
    return [_nearest(wnid, hypernyms) for wnid in wnids]


def _nearest(wnid: str, hypernyms: Mapping[str, list[str]]) -> str | None:
    near = [wnid] if wnid not in LEFT_OUT else []
    while near:
        if found := [CLASSES[synset] for synset in near if synset in CLASSES]:
            return found[0]
        near = [parent for synset in near for parent in hypernyms.get(synset, ())]
    return None


def class_name(folder: str) -> str:
    """The name of a class by that of its folder, which has its number in front.

    Example:
        >>> class_name("02_wheeled vehicle"), class_name("Dog")
        ('wheeled vehicle', 'dog')
    """
    return re.sub(r"^\d+_", "", folder).lower()
