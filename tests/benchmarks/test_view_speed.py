"""Two SimCLR views of 224 pixels from JPEGs of 500 × 375, on one core, against lightly's transform of the same bytes.

Rounds take turns and count the processor's time of this thread, so that whatever else runs disturbs both alike. The
ratio depends on the files: the finer they are compressed, the more of the time is decoding, which both have to do.
"""

import io
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from PIL import Image

from xclr_lightning.data import Photometric, RandomCropView

ROUNDS = 7
BATCH = 16


def photographs(count: int = 32) -> Iterator[bytes]:
    """Pictures with channels alike and some edges, as smooth as makes files of photographs' size: about 45 kB."""
    rng = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(375)[:, None] * 375, np.fft.rfftfreq(500) * 500)
    for _ in range(count):
        spectra = rng.normal(size=(2, 4, *frequency.shape)) / (1 + frequency) ** 1.8
        layers = np.fft.irfft2(spectra[0] + 1j * spectra[1], (375, 500))
        layers /= layers.std(axis=(1, 2), keepdims=True)
        channels = layers[3] + 0.3 * layers[:3] + 0.7 * np.sign(layers[0])  # an object before a background
        pixels = (128 + 45 * channels).clip(0, 255).astype(np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels.transpose(1, 2, 0)).save(buffer, "JPEG", quality=86)
        yield buffer.getvalue()


def test_simclr_views() -> None:
    transforms = pytest.importorskip("lightly.transforms")
    torch.set_num_threads(1)
    files = list(photographs())
    theirs, view, photometric = transforms.SimCLRTransform(input_size=224), RandomCropView(224), Photometric()

    def crops(batch: list[bytes]) -> torch.Tensor:
        return torch.cat([view.several(Image.open(io.BytesIO(file)), 2) for file in batch])

    def lightly() -> None:
        for file in files:
            theirs(Image.open(io.BytesIO(file)).convert("RGB"))

    def worker() -> None:
        crops(files)

    def whole() -> None:
        for start in range(0, len(files), BATCH):
            photometric(crops(files[start : start + BATCH]))

    def normalised() -> None:
        for start in range(0, len(files), BATCH):
            views = photometric(crops(files[start : start + BATCH]))
            views.to(torch.float32).div_(255).sub_(0.45).div_(0.225)  # as the model does

    def seconds(function: Callable[[], None]) -> float:
        start = time.thread_time()
        function()
        return time.thread_time() - start

    ways = (lightly, worker, whole, normalised)
    times = np.array([[seconds(function) for function in ways] for _ in range(ROUNDS + 1)])[1:]
    of_worker, of_whole, of_all = np.median(times[:, :1] / times[:, 1:], axis=0)
    size = sum(map(len, files)) / len(files) / 1000
    print(f"\nTwo SimCLR views of a JPEG of {size:.0f} kB, of pictures a second {of_worker:.1f} × lightly's in the "
          f"workers (decoding and crops), {of_whole:.1f} × with colours and blur on the same core, {of_all:.1f} × with "
          "normalisation too")  # fmt: skip
    assert of_worker > 4.5
    assert of_whole > 3
