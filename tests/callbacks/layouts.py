"""Odd pictures in the official layouts of ImageNet's evaluation sets, and what a plain loop makes of them."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from lightning import LightningModule
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from xclr_lightning.data import EvalView, GraphDataModule
from xclr_lightning.distributed import rank

SIDE, RESIZE = 16, 20
VARIANTS = ("original", "mixed_same", "mixed_rand", "mixed_next", "only_fg", "no_fg", "only_bg_b", "only_bg_t")


class Colours(LightningModule):
    """Features are an 8 × 8 copy of the picture; a random layer tells classes apart, where they are given."""

    def __init__(self, classes: list[str] | None = None) -> None:
        super().__init__()
        self.classes = classes
        self.weight = torch.randn(len(classes or []), 192, generator=torch.Generator().manual_seed(1))

    def forward(self, images: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(images / 255 - 0.5, 8).flatten(1)

    def classify(self, features: Tensor) -> Tensor:
        return features @ self.weight.T


class StandIn:
    """As much of a Trainer as an evaluation asks for."""

    def __init__(self, stage: str = "fit", batch_size: int = 3) -> None:
        self.global_step, self.current_epoch, self.state = 0, 0, SimpleNamespace(fn=stage)
        self.is_global_zero, self.callbacks, self.loggers = rank() == 0, [], []
        self.precision_plugin = SimpleNamespace(forward_context=nullcontext)
        self.datamodule = GraphDataModule(
            "nowhere", batch_size=batch_size, num_workers=0, eval_view=EvalView(SIDE, RESIZE)
        )


def measure(evaluation, module: LightningModule, stage: str = "fit") -> dict[str, float]:
    """Open an evaluation, begin, and evaluate, as a run does."""
    trainer = StandIn(stage)
    evaluation.setup(trainer, module, stage)
    evaluation.on_fit_start(trainer, module)
    return evaluation.evaluate(trainer, module)


def odd_pictures(folder: Path, count: int, size: tuple[int, int] = (24, 21), seed: int = 0) -> list[Path]:
    """Pictures of every mode and of some formats in turn, each another."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, files = np.random.default_rng(seed), []
    kinds = [
        ("RGB", "png"),
        ("L", "png"),
        ("P", "png"),
        ("CMYK", "jpg"),
        ("RGBA", "png"),
        ("RGB", "jpg"),
        ("LA", "png"),
    ]
    for number in range(count):
        mode, suffix = kinds[number % len(kinds)]
        coarse = rng.integers(0, 256, (5, 5, 4), dtype=np.uint8)
        image = Image.fromarray(coarse, "RGBA").resize(size, Image.Resampling.BICUBIC)
        image = image if mode == "RGBA" else image.convert("RGB").convert(mode)
        files.append(folder / f"{number:03d}.{suffix}")
        image.save(files[-1], quality=95)
    return files


def put(picture: Path, place: Path) -> None:
    """Copy a picture; its name may say another format than it has, as happens in ImageNet."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(picture.read_bytes())


def litter(root: Path) -> None:
    """What is found in real folders: a note, hidden files, a table, and a picture that is cut off."""
    (root / "README.txt").write_text("a note")
    (root / ".DS_Store").write_bytes(b"\0")
    (root / "__MACOSX").mkdir()
    (root / "__MACOSX" / "._0.JPEG").write_bytes(b"\0")
    (root / "labels.csv").write_text("a,b\n")


def spoil(place: Path) -> None:
    """Write half a picture."""
    place.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 21, 3), dtype=np.uint8)).save(place, "PNG")
    place.write_bytes(place.read_bytes()[:-700])


def class_folders(root: Path, pictures: Mapping[str, Sequence[Path]], suffix: str = "JPEG") -> None:
    """``root/<class>/<number>.<suffix>``."""
    for folder, files in pictures.items():
        for number, picture in enumerate(files):
            put(picture, root / folder / f"{number}.{suffix}")


def bg_challenge(root: Path, pictures: Mapping[str, Sequence[Path]]) -> None:
    """The eight variants with the same pictures, another order of colours in each."""
    for place, variant in enumerate(VARIANTS):
        for folder, files in pictures.items():
            for number, picture in enumerate(files):
                target = root / variant / "val" / folder / f"{number}.JPEG"
                target.parent.mkdir(parents=True, exist_ok=True)
                image = Image.open(picture).convert("RGB").resize((SIDE, SIDE))
                Image.fromarray(np.roll(np.asarray(image), place, axis=2)[:, :: 1 - 2 * (place // 3 % 2)]).save(
                    target, "PNG"
                )


def masks(root: Path) -> None:
    """``fg_mask/val/<NN_class>/<picture>.npy``, a rectangle in each."""
    rng = np.random.default_rng(3)
    for picture in sorted((root / "original" / "val").rglob("*.JPEG")):
        mask = np.zeros((SIDE, SIDE), dtype=bool)
        top, left = rng.integers(0, SIDE // 3, 2)
        mask[top : top + rng.integers(7, 15), left : left + rng.integers(7, 15)] = True
        target = root / "fg_mask" / "val" / picture.parent.name / f"{picture.stem}.npy"
        target.parent.mkdir(parents=True, exist_ok=True)
        np.save(target, mask)


def objectnet(root: Path, pictures: Mapping[str, Sequence[Path]], classes: Mapping[str, Sequence[int]]) -> None:
    """``images`` and ``mappings``; ``classes`` are folders that stand for some of ImageNet's classes."""
    class_folders(root / "images", pictures, "png")
    mappings = root / "mappings"
    mappings.mkdir()
    names = [f"thing {i}, odd {i}" for i in range(1000)]
    labels = {folder: folder.replace("_", " ").capitalize() for folder in pictures}
    joined = {labels[folder]: "; ".join(names[i] for i in numbers) for folder, numbers in classes.items()}
    (mappings / "folder_to_objectnet_label.json").write_text(json.dumps(labels))
    (mappings / "objectnet_to_imagenet_1k.json").write_text(json.dumps(joined))
    (mappings / "imagenet_to_label_2012_v2").write_text("\n".join(reversed(names)) + "\n")
    (mappings / "pytorch_to_imagenet_2012_id.json").write_text(json.dumps({str(i): 999 - i for i in range(1000)}))


def logits(module: Colours, file: Path, crop: Callable[[Image.Image], Image.Image] | None = None) -> np.ndarray:
    """What the module's head says of a picture, cropped by Pillow alone."""
    image = (crop or (lambda whole: central(whole, RESIZE)))(Image.open(file).convert("RGB"))
    images = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
    return module.classify(module(images))[0].numpy()


def central(image: Image.Image, resize: int | None) -> Image.Image:
    """The shorter side to ``resize``, then the central square."""
    if resize:
        short = min(image.size)
        width, height = (resize * side // short for side in image.size)
        image = image.resize((width, height), Image.Resampling.BICUBIC)
    left, top = round((image.width - SIDE) / 2), round((image.height - SIDE) / 2)
    return image.crop((left, top, left + SIDE, top + SIDE))
