"""The Backgrounds Challenge in its official layout: accuracies are those of plain loops over its files."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from layouts import (
    RESIZE,
    SIDE,
    VARIANTS,
    Colours,
    StandIn,
    bg_challenge,
    central,
    litter,
    logits,
    masks,
    measure,
    odd_pictures,
    put,
    spoil,
)
from PIL import Image
from processes import in_processes
from torch import distributed as dist

from xclr_lightning.callbacks.imagenet9 import ImageNet9
from xclr_lightning.errors import UserError
from xclr_lightning.evaluation.imagenet import imagenet_classes
from xclr_lightning.evaluation.imagenet9 import CLASSES, imagenet9_classes

FOLDERS = ("00_dog", "02_wheeled vehicle", "03_reptile", "06_musical instrument", "08_fish")
NINE = imagenet9_classes(imagenet_classes())
ORDER = list(CLASSES.values())


@pytest.fixture
def module() -> Colours:
    """Its head prefers classes of the nine, dogs most."""
    module = Colours(imagenet_classes())
    module.weight[[name is not None for name in NINE]] *= 1.5
    return module


@pytest.fixture
def challenge(tmp_path: Path) -> Path:
    return written(tmp_path / "bg_challenge")


def written(root: Path, per_class: int = 3) -> Path:
    files = odd_pictures(root.parent / "files", per_class * len(FOLDERS))
    bg_challenge(root, {folder: files[place :: len(FOLDERS)] for place, folder in enumerate(FOLDERS)})
    return root


def taken_for(module: Colours, file: Path) -> str | None:
    """The argmax over all 1,000 classes, then the map to the nine."""
    return NINE[int(np.argmax(logits(module, file, lambda image: central(image, None))))]


def by_loop(module: Colours, root: Path) -> dict[str, float]:
    found = {}
    for variant in VARIANTS:
        files = sorted((root / variant / "val").rglob("*.JPEG"))
        found[f"imagenet9/{variant}"] = float(
            np.mean([taken_for(module, file) == file.parent.name[3:] for file in files])
        )
    return found | {"imagenet9/bg_gap": found["imagenet9/mixed_same"] - found["imagenet9/mixed_rand"]}


def test_a_thousand_classes_compete_and_nine_count(challenge: Path, module: Colours) -> None:
    for folder in FOLDERS[:3]:  # one more in each, in the folder of what it is taken for
        for number, file in enumerate(sorted((challenge / "original" / "val" / folder).glob("*.JPEG"))):
            name = taken_for(module, file)
            for variant in VARIANTS:
                if name:
                    put(
                        file,
                        challenge
                        / variant
                        / "val"
                        / f"{ORDER.index(name):02d}_{name}"
                        / f"more {folder} {number}.JPEG",
                    )
    expected = by_loop(module, challenge)
    assert 0 < min(expected[f"imagenet9/{variant}"] for variant in VARIANTS) < 1
    litter(challenge)
    for variant in VARIANTS:
        litter(challenge / variant / "val")
        spoil(challenge / variant / "val" / FOLDERS[1] / "broken.JPEG")
        put(odd_pictures(challenge.parent / "stray", 1, (SIDE, SIDE))[0], challenge / variant / "val" / "stray.png")
    assert measure(ImageNet9(str(challenge), SIDE), module) == pytest.approx(expected)


def test_adversarial_is_the_worst_over_all_backgrounds(challenge: Path, module: Colours) -> None:
    """Foregrounds are of the class that they are most often taken for; some are so on every background."""
    few = [NINE.index(name) for name in ORDER]  # one class of each competes, the others have no weight
    module.weight[[number for number in range(1000) if number not in few]] = 0
    grounds = [np.asarray(Image.open(file)) for file in sorted((challenge / "only_bg_t" / "val").rglob("*.JPEG"))]
    shutil.rmtree(challenge / "original")
    rng, kept = np.random.default_rng(0), []
    for number, file in enumerate(odd_pictures(challenge.parent / "cut", 25, (SIDE, SIDE), seed=4)):
        picture, mask = np.asarray(Image.open(file).convert("RGB")), np.zeros((SIDE, SIDE), dtype=np.uint8)
        top, left = rng.integers(0, 3, 2)
        mask[top:, left:] = 1
        names = []
        for ground in grounds:
            joined = ground * (1 - mask[..., None]) + mask[..., None] * picture
            Image.fromarray(joined).save(challenge.parent / "joined.png")
            names.append(taken_for(module, challenge.parent / "joined.png"))
        best = max(ORDER, key=names.count)
        folder = f"{ORDER.index(best):02d}_{best}"
        put(file, challenge / "original" / "val" / folder / f"{number}.JPEG")
        place = challenge / "fg_mask" / "val" / folder / f"{number}.npy"
        place.parent.mkdir(parents=True, exist_ok=True)
        np.save(place, mask)
        kept.append(set(names) == {best})
    assert 0.15 < np.mean(kept) < 0.85
    spoil(challenge / "only_bg_t" / "val" / FOLDERS[0] / "broken.JPEG")
    found = measure(ImageNet9(str(challenge), SIDE, adversarial=True), module)
    assert found["imagenet9/adversarial"] == pytest.approx(np.mean(kept))


def test_a_subset_of_foregrounds_and_backgrounds(challenge: Path, module: Colours) -> None:
    masks(challenge)
    module.weight[:] = 0
    module.weight[NINE.index("dog")] = 1.0
    evaluation = ImageNet9(str(challenge), SIDE, adversarial=True, subset=4)
    measure(evaluation, module)
    assert len(evaluation._adversary._pixels) == len(evaluation._adversary._used) == 4


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda root: shutil.rmtree(root / "fg_mask"), "fg_mask/val holds no masks.*backgrounds_challenge has fg_mask"),
        (lambda root: (root / "original/val/00_dog/0.JPEG").unlink(), "fg_mask/val/00_dog/0.npy has no picture"),
        (lambda root: np.save(root / "fg_mask/val/00_dog/0.npy", np.ones((3, 4))), r"\(3, 4\), its picture \(16, 16\)"),
        (lambda root: (root / "fg_mask/val/00_dog/0.npy").write_bytes(b"x"), "0.npy cannot be read as a mask"),
        (lambda root: shutil.rmtree(root / "no_fg"), "no_fg/val is missing.*backgrounds_challenge"),
    ],
)
def test_a_release_with_damage(challenge: Path, module: Colours, damage, words: str) -> None:
    masks(challenge)
    damage(challenge)
    with pytest.raises(UserError, match=words) as caught:
        measure(ImageNet9(str(challenge), SIDE, adversarial=True), module)
    assert "\n" not in str(caught.value)


def test_classes_that_are_no_wnids_keep_their_names(challenge: Path) -> None:
    classes = ["Dog", "03_reptile", "cheese"]
    module = Colours(classes)
    names = ["dog", "reptile", "cheese"]
    files = sorted((challenge / "original" / "val").rglob("*.JPEG"))
    hits = [
        names[int(np.argmax(logits(module, file, lambda image: central(image, None))))] == file.parent.name[3:]
        for file in files
    ]
    assert any(hits)
    assert measure(ImageNet9(str(challenge), SIDE), module)["imagenet9/original"] == pytest.approx(np.mean(hits))


def test_classes_that_have_nothing_to_do_with_the_folders(challenge: Path) -> None:
    with pytest.raises(
        UserError, match=r"no class of .* is among those of the module's head: dog, fish, .* against cat"
    ):
        measure(ImageNet9(str(challenge), SIDE), Colours(["cat", "tac"]))


def found(root: Path) -> list[Any]:
    """The numbers by each way of telling classes, and the backgrounds of one foreground."""
    results: list[Any] = []
    for by in ("knn", "probe", "head"):
        settings = {"adversarial": True, "bank": str(root / "bank"), "by": by, "k": 3}
        evaluation = ImageNet9(str(root / "bg_challenge"), SIDE, RESIZE, **settings)
        results.append(sorted(measure(evaluation, Colours(imagenet_classes())).items()))
    picture, mask = (torch.full((SIDE, SIDE), value, dtype=torch.uint8) for value in (9, 0))
    batches = evaluation._adversary._batches(StandIn(), Colours(), picture, mask > 0)
    results.append(torch.cat([batch.values for batch in batches]).tolist())
    return results


def run_rank(rank: int, root: Path) -> list[Any]:
    dist.init_process_group("gloo")
    return found(root)


def test_several_processes_find_what_one_does(tmp_path: Path) -> None:
    """Of 25 pictures in batches of 3, which three processes cannot share alike."""
    masks(written(tmp_path / "bg_challenge", 1))
    wnids = [imagenet_classes()[NINE.index(folder[3:])] for folder in FOLDERS]
    for number, file in enumerate(odd_pictures(tmp_path / "known", 25, (SIDE, SIDE), seed=1)):
        put(file, tmp_path / "bank" / wnids[number % len(wnids)] / file.name)
    alone = found(tmp_path)
    assert in_processes(3, tmp_path, run_rank, tmp_path) == [alone] * 3
    assert len(set(map(repr, alone))) == 4  # each way finds something else
