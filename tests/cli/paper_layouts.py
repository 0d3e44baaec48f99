"""The paper's data sets, tiny, in the layout of their files and with the oddities of the real ones."""

import hashlib
import io
import pickle
import runpy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import CIFAR10

WNIDS = ("n01440764", "n02105855", "n07747607")
CIFAR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
BROKEN = "n01440764/n01440764_broken.JPEG"

_write_shards = runpy.run_path(str(Path(__file__).parents[1] / "data" / "img2dataset.py"))["write_shards"]


def write_imagenet(root: Path, each: int = 8) -> None:
    """``train/<wnid>/*.JPEG`` and ``val/<wnid>/*.JPEG``: some grey, CMYK, or a PNG by the name of JPEG, one broken."""
    for part in ("train", "val"):
        for number in range(each * len(WNIDS)):
            wnid = WNIDS[number % len(WNIDS)]
            name = f"{wnid}_{number}.JPEG" if part == "train" else f"ILSVRC2012_val_{number + 1:08d}.JPEG"
            kind = {0: "L", 1: "CMYK", 2: "PNG"}.get(number, "RGB")
            _put(root / part / wnid / name, encoded(number, kind))
    _put(root / "train" / BROKEN, encoded(0)[:200])


def write_captioned_shards(root: Path) -> None:
    """Two shards as img2dataset leaves them, with 24 pictures and three failures."""
    captions = [f"{('a', 'two', 'some')[i % 3]} {('cats', 'dogs', 'ships', 'trees')[i % 4]}" for i in range(27)]
    _write_shards(root, (14, 13), failures={(0, 0), (0, 5), (1, 12)}, captions=captions, size=(48, 40))


def write_cifar10(root: Path, monkeypatch: pytest.MonkeyPatch, each: int = 2) -> Callable[[], None]:
    """CIFAR-10's pickled batches below ``root``, and torchvision told of their checksums.

    Returns:
        What tells torchvision in another process.
    """
    rng = np.random.default_rng(0)
    files = {}
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        labels = rng.permutation(np.arange(10).repeat(each)).tolist()
        data = rng.integers(0, 256, (len(labels), 3072), dtype=np.uint8)
        filenames = [f"{CIFAR_CLASSES[label]}_s_{i:06d}.png" for i, label in enumerate(labels)]
        files[name] = {"batch_label": name, "labels": labels, "data": data, "filenames": filenames}
    files["batches.meta"] = {"num_cases_per_batch": 10 * each, "label_names": list(CIFAR_CLASSES), "num_vis": 3072}
    checksums = {}
    for name, content in files.items():
        written = pickle.dumps(content, protocol=2)
        _put(root / "cifar-10-batches-py" / name, written)
        checksums[name] = hashlib.md5(written).hexdigest()
    meta, test = {**CIFAR10.meta, "md5": checksums.pop("batches.meta")}, checksums.pop("test_batch")
    known = {"train_list": [*checksums.items()], "test_list": [("test_batch", test)], "meta": meta}
    for name, value in known.items():
        monkeypatch.setattr(CIFAR10, name, value)
    monkeypatch.setenv("XCLR_DATA", str(root))
    return partial(_tell_torchvision, known)


def _tell_torchvision(known: dict[str, Any]) -> None:
    for name, value in known.items():
        setattr(CIFAR10, name, value)


def encoded(number: int, kind: str = "RGB") -> bytes:
    """A picture of some size and content: a JPEG of three channels, grey (``L``) or ``CMYK``, or a ``PNG``."""
    rng = np.random.default_rng(number)
    mode = "RGB" if kind == "PNG" else kind
    pixels = rng.integers(0, 256, (40 + number % 3, 44, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, "PNG" if kind == "PNG" else "JPEG")
    return buffer.getvalue()


def _put(place: Path, content: bytes) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
