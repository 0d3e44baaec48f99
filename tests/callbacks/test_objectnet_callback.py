"""ObjectNet in its official layout: both rules are those of a plain loop over its files."""

from pathlib import Path

import numpy as np
import pytest
from layouts import RESIZE, Colours, central, litter, logits, measure, objectnet, odd_pictures, put, spoil
from PIL import Image

from xclr_lightning.callbacks.objectnet import ObjectNet
from xclr_lightning.errors import UserError
from xclr_lightning.evaluation.imagenet import imagenet_classes

CLASSES = {"alarm_clock": [409, 530], "t-shirt": [610], "helmet": [560, 518], "banana": [954], "chair": [423, 559, 765]}


@pytest.fixture
def module() -> Colours:
    """Its head prefers the classes that the folders stand for, or the five best of a thousand would be others."""
    module = Colours(imagenet_classes())
    module.weight[[number for numbers in CLASSES.values() for number in numbers]] *= 3
    return module


def inside(image: Image.Image) -> Image.Image:
    return central(image.crop((2, 2, image.width - 2, image.height - 2)), RESIZE)


def test_both_rules_are_those_of_a_plain_loop(tmp_path: Path, module: Colours) -> None:
    root, folders = tmp_path / "objectnet-1.0", [*CLASSES, "air_freshener"]
    files = odd_pictures(tmp_path / "files", 23)
    pictures: dict[str, list[Path]] = {folder: [] for folder in folders}
    hits: dict[str, list[bool]] = {f"objectnet/top{k}_{among}": [] for k in (1, 5) for among in ("1000", "113")}
    for place, file in enumerate(files):
        image = Image.open(file)
        bordered = Image.new("RGB", (image.width + 4, image.height + 4), (255, 0, 0))
        bordered.paste(image.convert("RGB"), (2, 2))
        file = file.with_suffix(".png")
        bordered.save(file)
        scores = logits(module, file, inside)
        shared = sorted(CLASSES, key=lambda folder: -scores[CLASSES[folder]].max())
        true = folders[place % 6]
        pictures[true].append(file)
        if true != "air_freshener":  # no class of ImageNet's
            order = np.argsort(-scores)
            for k in (1, 5):
                hits[f"objectnet/top{k}_1000"].append(bool(set(order[:k].tolist()) & set(CLASSES[true])))
                hits[f"objectnet/top{k}_113"].append(true in shared[:k])
    objectnet(root, pictures, CLASSES)
    litter(root / "images")
    spoil(root / "images" / "chair" / "broken.png")
    expected = {name: float(np.mean(right)) for name, right in hits.items()}
    assert 0 < expected["objectnet/top1_1000"] < expected["objectnet/top5_1000"] < 1
    assert expected["objectnet/top1_1000"] != expected["objectnet/top1_113"]
    for given in (root, tmp_path):
        assert measure(ObjectNet(str(given)), module) == pytest.approx(expected)


def test_the_border_is_not_seen(tmp_path: Path, module: Colours) -> None:
    """Pictures that differ in their border alone are taken for the same."""
    features = []
    for number, colour in enumerate([(255, 0, 0), (0, 0, 255)]):
        image = Image.new("RGB", (40, 40), colour)
        image.paste(Image.open(odd_pictures(tmp_path / "files", 1, (36, 36))[0]).convert("RGB"), (2, 2))
        root = tmp_path / str(number)
        image.save(tmp_path / "bordered.png")
        objectnet(root, {"banana": [tmp_path / "bordered.png"]}, {"banana": [954]})
        seen: list = []
        handle = module.register_forward_hook(lambda _module, _inputs, output, seen=seen: seen.append(output))
        measure(ObjectNet(str(root)), module)
        handle.remove()
        features.append(seen[0])
    assert (features[0] == features[1]).all()


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda root: (root / "images").mkdir(), "must hold ObjectNet's folders images and mappings, and has images"),
        (lambda root: None, "and has nothing.*objectnet.dev"),
        (lambda root: objectnet(root, {}, {}), "images and mappings, and has mappings"),
    ],
)
def test_a_folder_that_is_another(tmp_path: Path, prepare, words: str) -> None:
    root = tmp_path / "objectnet-1.0"
    root.mkdir()
    prepare(root)
    refused(ObjectNet(str(root), bank="bank"), words)


def test_pictures_without_a_class_of_imagenets(tmp_path: Path) -> None:
    root = tmp_path / "objectnet-1.0"
    objectnet(root, {"banana": [], "air_freshener": odd_pictures(tmp_path / "files", 2)}, {"banana": [954]})
    put(odd_pictures(tmp_path / "files", 1)[0], root / "images" / "stray.png")
    refused(ObjectNet(str(root), bank="bank"), "has no picture in a folder of a class .* such as banana")


def test_off_without_a_folder() -> None:
    assert not ObjectNet().open()


def refused(evaluation: ObjectNet, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        evaluation.open()
    assert "\n" not in str(caught.value)
