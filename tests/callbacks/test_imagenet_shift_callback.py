"""ImageNet's variants in their official layouts: accuracy is that of a plain loop over their files."""

import logging
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from layouts import Colours, class_folders, litter, logits, measure, odd_pictures, put, spoil

from xclr_lightning.callbacks.imagenet_shift import ImageNetShift
from xclr_lightning.errors import UserError
from xclr_lightning.evaluation.imagenet import imagenet_classes, variant_classes

WNIDS = imagenet_classes()


def filled(root: Path, module: Colours, classes: list[int], names: list[str]) -> float:
    """Write pictures, two thirds of them into the folder of what they are taken for; the share that is right."""
    pictures, right = defaultdict(list), []
    for number, file in enumerate(odd_pictures(root.parent / f"{root.name} files", 17)):
        best = classes[int(np.argmax(logits(module, file)[classes]))]
        true = best if number % 3 else classes[(number * 7) % len(classes)]
        pictures[names[true]].append(file)
        right.append(best == true)
    class_folders(root, pictures)
    litter(root)
    spoil(root / names[classes[0]] / "broken.JPEG")
    return float(np.mean(right))


@pytest.mark.parametrize("variant", ["a", "r", "sketch", "v2"])
def test_accuracy_is_that_of_a_plain_loop(tmp_path: Path, variant: str, caplog: pytest.LogCaptureFixture) -> None:
    module = Colours(WNIDS)
    classes = [WNIDS.index(wnid) for wnid in variant_classes(variant)] if variant in "ar" else list(range(1000))  # type: ignore[arg-type]
    names = [str(i) for i in range(1000)] if variant == "v2" else WNIDS
    expected = filled(tmp_path / "set", module, classes, names)
    assert 0.5 < expected < 1
    with caplog.at_level(logging.WARNING, "xclr_lightning"):
        found = measure(ImageNetShift(**{variant: str(tmp_path / "set")}), module)
    assert found == {f"imagenet_shift/{variant}": pytest.approx(expected)}
    assert "1 pictures could not be read" in caplog.text


def test_a_head_may_know_more_classes_in_another_order(tmp_path: Path) -> None:
    module = Colours(["n00000000", *reversed(WNIDS), "n99999999"])
    place = [module.classes.index(wnid) for wnid in WNIDS]
    right = 0
    for number, file in enumerate(odd_pictures(tmp_path / "files", 9)):
        best = WNIDS[int(np.argmax(logits(module, file)[place]))]
        true = best if number % 2 else WNIDS[number]
        right += best == true
        put(file, tmp_path / "sketch" / true / file.name)
    assert measure(ImageNetShift(sketch=str(tmp_path / "sketch")), module) == {
        "imagenet_shift/sketch": pytest.approx(right / 9)
    }


def test_numbers_are_no_text(tmp_path: Path) -> None:
    """Sorted as text, 10 would come second."""
    module = Colours(WNIDS)
    (file,) = odd_pictures(tmp_path / "files", 1)
    best = int(np.argmax(logits(module, file)))
    assert sorted(map(str, range(1000))).index(str(best)) != best
    for folder in map(str, range(1000)):
        (tmp_path / "v2" / folder).mkdir(parents=True)
    put(file, tmp_path / "v2" / str(best) / "0.jpeg")
    assert measure(ImageNetShift(v2=str(tmp_path / "v2")), module) == {"imagenet_shift/v2": 1.0}


def test_pictures_outside_of_the_classes_do_not_count(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    module = Colours(WNIDS)
    expected = filled(tmp_path / "a", module, [WNIDS.index(wnid) for wnid in variant_classes("a")], WNIDS)
    for place in ("examples.png", f"{WNIDS[0]}/tench.png", "extra/x.png"):  # the tench is no class of A's
        put(odd_pictures(tmp_path / "more", 1)[0], tmp_path / "a" / place)
    with caplog.at_level(logging.WARNING, "xclr_lightning"):
        found = measure(ImageNetShift(a=str(tmp_path / "a")), module)
    assert found == {"imagenet_shift/a": pytest.approx(expected)}
    assert "imagenet_shift: 3 pictures of a are in no folder of a class" in caplog.text


@pytest.mark.parametrize(
    ("variant", "place", "words"),
    [
        ("v2", "n01440764/0.png", "imagenet_shift.v2: .*0 … 999, and has n01440764/….*modestyachts/ImageNetV2"),
        ("v2", "matched-frequency/0/0.png", "0 … 999, and has matched-frequency/0/…"),
        ("a", "0/0.png", "n01498041 … n12267677, and has 0/….*natural-adv-examples"),
        ("r", "dog/0.png", "n01443537 … n12267677, and has dog/….*imagenet-r"),
        ("sketch", "sketch/n01440764/0.png", "n01440764 … n15075141, and has sketch/n01440764/….*ImageNet-Sketch"),
    ],
)
def test_a_folder_that_is_another(tmp_path: Path, variant: str, place: str, words: str) -> None:
    put(odd_pictures(tmp_path / "files", 1)[0], tmp_path / "set" / place)
    refused(ImageNetShift(bank="bank", **{variant: str(tmp_path / "set")}), words)


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    refused(ImageNetShift(bank="bank", r=str(tmp_path / "nowhere")), "nowhere")


def test_off_without_a_folder() -> None:
    assert not ImageNetShift().open()


def refused(evaluation: ImageNetShift, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        evaluation.open()
    assert "\n" not in str(caught.value)
