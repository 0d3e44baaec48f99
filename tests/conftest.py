"""What every test starts from: one thread, one seed, a cache of its own, no model hub, heard warnings; and pictures."""

import io
import logging
import os
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image

os.environ["HF_HUB_OFFLINE"] = "1"  # read when the hub's package is imported
# Of programs that tests start, too: beside another test on the next core, more threads would wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)  # small tensors gain nothing from more


@pytest.fixture(autouse=True)
def _isolated(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    logging.getLogger("xclr_lightning").propagate = True  # a command line run before kept its warnings to itself
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def make_picture() -> Callable[..., Image.Image]:
    """A picture without structure, of a given size."""

    def make(width: int = 12, height: int = 8) -> Image.Image:
        return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))

    return make


@pytest.fixture
def png() -> Callable[..., bytes]:
    """A picture whose every pixel has a given value, as the bytes of a file."""

    def encode(value: int = 0) -> bytes:
        buffer = io.BytesIO()
        Image.new("RGB", (12, 8), (value, value, value)).save(buffer, "PNG")
        return buffer.getvalue()

    return encode
