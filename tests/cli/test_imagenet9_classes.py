"""The Backgrounds Challenge with ImageNet as the bank: all its classes vote, and nine of them count."""

import json
from pathlib import Path

import pytest

from xclr_lightning.callbacks.imagenet9 import VARIANTS

from .conftest import copy

BANK = {"n02099601": 0, "n02114367": 1, "n02480495": 2, "n07753592": 3}  # dog, carnivore, primate, a banana


def test_all_classes_vote_and_nine_count(cli, config: Path, pictures: Path, tmp_path: Path) -> None:
    files = sorted(pictures.rglob("*.png"))
    for wnid, number in BANK.items():
        copy(files[number], tmp_path / "imagenet" / wnid / "picture.png")
    # Each of the challenge's pictures is one of the bank, and so gets its class.
    asked = [("00_dog", 0), ("04_carnivore", 1), ("07_primate", 2), ("00_dog", 3), ("07_primate", 1)]
    for variant in VARIANTS:
        for place, (folder, number) in enumerate(asked):
            copy(files[number], tmp_path / "challenge" / variant / "val" / folder / f"{place}.png")
    arguments = ["--imagenet9.root", tmp_path / "challenge", "--imagenet9.bank", tmp_path / "imagenet"]
    arguments += ["--imagenet9.k", 1, "--imagenet9.size", 32, "--imagenet9.resize", 36]
    outcome = cli("fit", "--config", config, *arguments, "--run_dir", "run")
    assert outcome.status == 0, outcome.err
    metrics = json.loads(Path("run/metrics.json").read_text())
    assert [metrics[f"imagenet9/{variant}"] for variant in VARIANTS] == pytest.approx([0.6] * 8)
