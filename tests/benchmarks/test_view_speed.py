"""Two SimCLR views of 224 pixels from JPEGs of 500 × 375, on one core, against lightly's transform of the same bytes.

Rounds take turns and count the processor's time of this thread, so that whatever else runs disturbs both alike. The
ratio depends on the files: the finer they are compressed, the more of the time is decoding, which both have to do. So
there are photographs, by what Pillow writes unasked and finer, and artificial pictures with edges everywhere.
"""

import io
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from PIL import Image

from xclr_lightning.data import Photometric, RandomCropView
from xclr_lightning.data.decode import opened

COUNT = 32
ROUNDS = 7
BATCH = 16


def photographs(quality: int) -> Iterator[bytes]:
    """Parts of the two photographs that scikit-learn has."""
    rng = np.random.default_rng(0)
    for photograph in pytest.importorskip("sklearn.datasets").load_sample_images().images:
        for _ in range(COUNT // 2):
            width = rng.uniform(500, 569)
            left, top = rng.uniform(0, 640 - width), rng.uniform(0, 427 - 0.75 * width)
            box = (left, top, left + width, top + 0.75 * width)
            yield jpeg(Image.fromarray(photograph).resize((500, 375), Image.Resampling.LANCZOS, box), quality)


def artificial(quality: int) -> Iterator[bytes]:
    """Noise as smooth as makes files of photographs' size, channels alike, and some edges."""
    rng = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(375)[:, None] * 375, np.fft.rfftfreq(500) * 500)
    for _ in range(COUNT):
        spectra = rng.normal(size=(2, 4, *frequency.shape)) / (1 + frequency) ** 1.8
        layers = np.fft.irfft2(spectra[0] + 1j * spectra[1], (375, 500))
        layers /= layers.std(axis=(1, 2), keepdims=True)
        channels = layers[3] + 0.3 * layers[:3] + 0.7 * np.sign(layers[0])  # an object before a background
        pixels = (128 + 45 * channels).clip(0, 255).astype(np.uint8)
        yield jpeg(Image.fromarray(pixels.transpose(1, 2, 0)), quality)


def jpeg(picture: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


@pytest.mark.parametrize(("pictures", "quality"), [(photographs, 75), (photographs, 90), (artificial, 86)])
def test_simclr_views(pictures: Callable[[int], Iterator[bytes]], quality: int) -> None:
    transforms = pytest.importorskip("lightly.transforms")
    torch.set_num_threads(1)
    files = list(pictures(quality))
    theirs, view, photometric = transforms.SimCLRTransform(input_size=224), RandomCropView(224), Photometric()

    def pillow() -> None:
        for file in files:
            Image.open(io.BytesIO(file)).load()

    def lightly() -> None:
        for file in files:
            theirs(Image.open(io.BytesIO(file)).convert("RGB"))

    def worker() -> None:
        for file in files:
            view.several(opened(file), 2)

    def batches() -> Iterator[torch.Tensor]:
        for start in range(0, len(files), BATCH):
            yield photometric(torch.cat([view.several(opened(file), 2) for file in files[start : start + BATCH]]))

    def whole() -> None:
        for _ in batches():
            pass

    def normalised() -> None:
        for views in batches():
            views.to(torch.float32).div_(255).sub_(0.45).div_(0.225)  # as the model does

    def seconds(function: Callable[[], None]) -> float:
        start = time.thread_time()
        function()
        return time.thread_time() - start

    ways = (pillow, lightly, worker, whole, normalised)
    times = np.array([[seconds(function) for function in ways] for _ in range(ROUNDS + 1)])[1:]
    of_worker, of_whole, of_all = np.median(times[:, 1:2] / times[:, 2:], axis=0)
    size, decoding = sum(map(len, files)) / len(files) / 1e3, np.median(times[:, 0]) / len(files) * 1e3
    print(f"\n{pictures.__name__} of {size:.0f} kB, which Pillow decodes in {decoding:.2f} ms, to two SimCLR views: of "
          f"pictures a second {of_worker:.1f} × lightly's in the workers (decoding and crops), {of_whole:.1f} × with "
          f"colours and blur on the same core, {of_all:.1f} × with normalisation too")  # fmt: skip
    assert of_worker > 4.5
    assert of_whole > 3
