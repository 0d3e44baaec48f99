"""Tar shards: reading beside decoding from memory, indexing beside tarfile's own walk, and opening what is indexed.

Nothing here asserts a time; ``make bench`` prints it.
"""

import io
import shutil
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from xclr_lightning.data import EvalView, RandomCropView, Shards
from xclr_lightning.data.dataset import ViewsDataset
from xclr_lightning.data.decode import opened
from xclr_lightning.data.shard_index import read_shard

sys.path.append(str(Path(__file__).parents[1] / "data"))
from img2dataset import write_shards


class Memory:
    """Encoded pictures in a list: what a source can be at best."""

    def __init__(self, pictures: list[bytes]) -> None:
        self.pictures = pictures

    def __len__(self) -> int:
        return len(self.pictures)

    def open(self, index: int) -> Image.Image:
        return opened(self.pictures[index])


@pytest.fixture
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path / "cache"))


def seconds(function: Callable[[], object]) -> float:
    start = time.thread_time()
    function()
    return time.thread_time() - start


def in_turns(rounds: int, *functions: Callable[[], object]) -> list[float]:
    """Medians of the CPU time of some functions, called in turns."""
    times = np.array([[seconds(function) for function in functions] for _ in range(rounds + 1)])
    return np.median(times[1:], axis=0).tolist()


@pytest.mark.usefixtures("_own_cache")
def test_reading(tmp_path: Path) -> None:
    """Noise of 256 pixels a side, as CC12M is stored mostly, as JPEG files of the usual size."""
    pictures, rng = [], np.random.default_rng(0)
    for _ in range(128):
        noise = Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).resize((256, 256), Image.BICUBIC)
        buffer = io.BytesIO()
        noise.save(buffer, "JPEG", quality=95)
        pictures.append(buffer.getvalue())
    with tarfile.open(tmp_path / "00000.tar", "w") as tar:
        for number, content in enumerate(pictures):
            info = tarfile.TarInfo(f"{number:09d}.jpg")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    order = rng.permutation(128).tolist()
    for name, view, count in (("two views of 224", RandomCropView(224), 2), ("evaluation's crop", EvalView(224), 1)):
        datasets = [ViewsDataset(source, view, count) for source in (Memory(pictures), Shards(tmp_path))]

        def epoch(dataset: ViewsDataset) -> None:
            torch.manual_seed(0)  # the same crops for both
            for index in order:
                dataset[index]

        memory, shards = in_turns(9, *(lambda dataset=dataset: epoch(dataset) for dataset in datasets))
        print(f"\nPictures from shards, {name}: {memory / shards:.3f} of the throughput from memory")


@pytest.mark.usefixtures("_own_cache")
def test_indexing(tmp_path: Path) -> None:
    write_shards(tmp_path, (2000,))
    path = tmp_path / "00000.tar"

    def ours() -> None:
        with path.open("rb") as file:
            read_shard(file.fileno(), "")

    def theirs() -> None:
        with tarfile.open(path, "r:") as tar:
            for _ in tar:
                pass

    own, peer = in_turns(5, ours, theirs)
    print(f"\nIndexing a shard, captions and metadata included: {peer / own:.1f} × faster than tarfile lists names, "
          f"{1e6 * own / 2000:.0f} µs a sample")  # fmt: skip


@pytest.mark.usefixtures("_own_cache")
def test_opening(tmp_path: Path) -> None:
    write_shards(tmp_path / "in", (100,))
    for number in range(1, 2000):
        shutil.copy(tmp_path / "in" / "00000.tar", tmp_path / "in" / f"{number:05d}.tar")
    times = []
    for _ in range(2):
        start = time.perf_counter()
        Shards(tmp_path / "in").image(100_000)
        times.append(time.perf_counter() - start)
    print(f"\n2,000 shards of 100 pictures, opened: {times[0]:.1f} s for the first time, then {times[1]:.2f} s")
