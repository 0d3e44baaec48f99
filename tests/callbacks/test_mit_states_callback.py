"""MIT-States in its official layout, against a plain loop."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from layouts import RESIZE, Colours, central, litter, measure, odd_pictures, put, spoil
from PIL import Image

from xclr_lightning.callbacks import MITStates
from xclr_lightning.errors import UserError
from xclr_lightning.evaluation import linear_probe_predict

PAIRS = ("ripe apple", "unripe apple", "old bus", "ripe bus", "adj apple", "broken police car")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Folders with spaces and plain pictures, pictures of every mode, a stray file and a broken picture."""
    images = tmp_path / "release_dataset" / "images"
    for number, pair in enumerate(PAIRS):
        for place, picture in enumerate(odd_pictures(tmp_path / "drawn" / pair, 7, seed=number)):
            put(picture, images / pair / f"{place} {picture.name}")
    litter(images)
    spoil(images / "old bus" / "corrupt.jpg")
    return tmp_path


@pytest.mark.parametrize("plain", [False, True])
def test_against_a_plain_loop(root: Path, plain: bool) -> None:
    module = Colours()
    found = measure(MITStates(str(root), seed=3, plain=plain), module)
    features, names = [], []
    for file in sorted((root / "release_dataset" / "images").rglob("*")):
        if file.suffix in (".png", ".jpg") and file.name != "corrupt.jpg" and (plain or file.parent.name[:4] != "adj "):
            pixels = torch.from_numpy(np.array(central(Image.open(file).convert("RGB"), RESIZE))).permute(2, 0, 1)
            features.append(module(pixels[None])[0].numpy())
            names.append(file.parent.name.split(" ", 1))
    x = np.stack(features)
    order = np.random.default_rng(3).permutation(len(x))
    train, test = order[: (len(x) + 1) // 2], order[(len(x) + 1) // 2 :]
    right = []
    for place in (0, 1):
        kinds = sorted({name[place] for name in names})
        y = torch.tensor([kinds.index(name[place]) for name in names])
        predicted = linear_probe_predict(torch.from_numpy(x[train]), y[train], torch.from_numpy(x[test]))
        right.append((predicted == y[test]).numpy())
    assert found["mit_states/attribute"] == pytest.approx(right[0].mean())
    assert found["mit_states/object"] == pytest.approx(right[1].mean())
    assert found["mit_states/pair"] == pytest.approx((right[0] & right[1]).mean())


def test_the_seed_decides_the_halves(root: Path) -> None:
    values = [tuple(measure(MITStates(str(root), seed=seed), Colours()).values()) for seed in (0, 0, 1, 2, 3)]
    assert values[0] == values[1]
    assert len(set(values)) > 1


def few(tmp_path: Path, **folders: int) -> str:
    for folder, count in folders.items():
        for picture in odd_pictures(tmp_path / "drawn" / folder, count, seed=count):
            put(picture, tmp_path / "release_dataset" / "images" / folder.replace("_", " ") / picture.name)
    return str(tmp_path)


def test_two_pictures_are_enough(tmp_path: Path) -> None:
    """One to learn from, one to be right or wrong about."""
    found = measure(MITStates(few(tmp_path, ripe_apple=1, ripe_bus=1)), Colours())
    assert found == {"mit_states/attribute": 1, "mit_states/object": 0, "mit_states/pair": 0}


@pytest.mark.parametrize(
    ("folders", "settings", "words"),
    [
        (
            {"ripe_apple": 1},
            {},
            "1 of 1 pictures in .*images can be used: expected 2 or more in folders <state> <noun>",
        ),
        ({"adj_apple": 4, "adj_bus": 3}, {}, "0 of 7 pictures"),
        ({"apple": 4, "ripe_bus": 1}, {"plain": True}, "1 of 5 pictures"),
        ({"ripe_apple": 4, "old_bus": 3}, {"subset": 1}, "1 of 1 pictures .*raise mit_states.subset"),
    ],
)
def test_halves_of_which_one_is_empty(tmp_path: Path, folders: dict[str, int], settings: Any, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        MITStates(few(tmp_path, **folders), **settings).open()
    assert "\n" not in str(caught.value)


def test_pictures_that_turn_out_to_be_broken_are_too_few(tmp_path: Path) -> None:
    root = few(tmp_path, ripe_apple=1)
    spoil(tmp_path / "release_dataset" / "images" / "old bus" / "corrupt.jpg")
    with pytest.raises(UserError, match="1 of 2 pictures"):
        measure(MITStates(root), Colours())


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"release_dataset/images is missing: .*the release is at https://web\.mit\.edu"
    ):
        MITStates(str(tmp_path)).open()
