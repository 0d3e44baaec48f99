"""Scenes with captions in tar shards, laid out as img2dataset lays them out (its ``webdataset`` output format)."""

import hashlib
import json
import tarfile
from collections.abc import Iterable, Iterator
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from xclr_lightning.data.demo.recipe import CATEGORIES, Recipe


class Sample(NamedTuple):
    """One picture to store: its JPEG bytes, name and category of what it shows, category of its background."""

    jpeg: bytes
    concept: str
    category: int
    background: int


def _metadata(key: str, sample: Sample, frame: int) -> dict[str, object]:
    return {
        "caption": f"a photo of a {sample.concept}",
        "url": None,
        "key": key,
        "status": "success",
        "error_message": None,
        "width": frame,
        "height": frame,
        "original_width": frame,
        "original_height": frame,
        "exif": "{}",
        "sha256": hashlib.sha256(sample.jpeg).hexdigest(),
        "concept": sample.concept,
        "category": CATEGORIES[sample.category],
        "background": CATEGORIES[sample.background],
    }


def _members(key: str, sample: Sample, frame: int) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of a sample's three files, in the order webdataset's writer sorts them."""
    metadata = _metadata(key, sample, frame)
    yield f"{key}.jpg", sample.jpeg
    yield f"{key}.json", json.dumps(metadata, indent=4, ensure_ascii=False).encode()
    yield f"{key}.txt", str(metadata["caption"]).encode()


def write_shards(folder: Path, samples: Iterable[Sample], recipe: Recipe) -> None:
    """Write ``00000.tar``, ``00000_stats.json``, ``00001.tar``, … with the same bytes for the same samples.

    Args:
        folder: Existing empty folder.
        samples: In the order to be stored.
        recipe: Gives the number of samples per shard and the side of the pictures.
    """
    remaining = iter(samples)
    number = 0
    while batch := list(islice(remaining, recipe.shard_size)):
        with tarfile.open(folder / f"{number:05d}.tar", "w") as tar:
            for place, sample in enumerate(batch):
                for name, content in _members(f"{number:05d}{place:04d}", sample, recipe.frame):
                    member = tarfile.TarInfo(name)  # its defaults are time 0 and owner 0
                    member.size = len(content)
                    tar.addfile(member, BytesIO(content))
        _write_stats(folder / f"{number:05d}_stats.json", len(batch))
        number += 1


def _write_stats(path: Path, count: int) -> None:
    stats = {
        "count": count,
        "successes": count,
        "failed_to_download": 0,
        "failed_to_resize": 0,
        "status_dict": {"success": count},
    }
    path.write_text(json.dumps(stats, indent=4), encoding="utf-8")
