"""Opened pictures give Pillow's pixels by any way, smaller ones where asked, and BadImage where they cannot be read."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from xclr_lightning.data import decode
from xclr_lightning.data.decode import BadImage, opened, pixels, rgb


def smooth(width: int, height: int) -> Image.Image:
    rows, columns = np.mgrid[:height, :width]
    channels = [columns / width, rows / height, 0.5 + 0.5 * np.sin(9 * rows / height + 7 * columns / width)]
    return Image.fromarray((255 * np.stack(channels, axis=2)).astype(np.uint8))


def file(image: Image.Image, kind: str = "JPEG", **settings) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **settings)
    return buffer.getvalue()


FILES = {
    "rgb": lambda: file(smooth(63, 41)),
    "progressive": lambda: file(smooth(63, 41), progressive=True),
    "full colour": lambda: file(smooth(63, 41), subsampling=0, quality=95),
    "grey": lambda: file(smooth(63, 41).convert("L")),
    "cmyk": lambda: file(smooth(63, 41).convert("CMYK")),
    "one pixel": lambda: file(smooth(1, 1)),
    "png": lambda: file(smooth(63, 41), "PNG"),
    "palette": lambda: file(smooth(63, 41).quantize(9), "PNG"),
    "transparent": lambda: file(smooth(63, 41).convert("RGBA"), "PNG"),
    "grey png": lambda: file(smooth(63, 41).convert("L"), "PNG"),
    "bilevel": lambda: file(smooth(63, 41).convert("1"), "PNG"),
    "gif": lambda: file(smooth(63, 41), "GIF"),
}


@pytest.mark.parametrize("kind", FILES)
def test_pixels_are_pillows(kind):
    data = FILES[kind]()
    expected = torch.from_numpy(np.array(opened(data).convert("RGB"))).permute(2, 0, 1)
    for image in (opened(data), opened(data).convert("RGB"), rgb(opened(data))):
        found = pixels(image)
        assert found.dtype == torch.uint8
        # Both decode by libjpeg-turbo; another build of it may round otherwise.
        assert (found.int() - expected.int()).abs().max() <= 1


def test_a_jpeg_on_disk_is_read_by_pillow(tmp_path):
    (tmp_path / "a.jpg").write_bytes(FILES["rgb"]())
    with Image.open(tmp_path / "a.jpg") as image:
        assert torch.equal(pixels(image), pixels(opened(FILES["rgb"]()).convert("RGB")))


@pytest.mark.parametrize("shrink", [2, 4, 8])
def test_a_jpeg_is_shrunk_in_decoding(shrink):
    image = smooth(643, 481)
    small = pixels(opened(file(image, quality=95)), shrink)
    assert small.shape == (3, -(-481 // shrink), -(-643 // shrink))
    expected = torch.from_numpy(np.array(image.reduce(shrink))).permute(2, 0, 1)
    assert (small.int() - expected.int()).abs().float().mean() < 2


@pytest.mark.parametrize("kind", ["png", "palette"])
def test_others_stay_as_they_are(kind):
    assert pixels(opened(FILES[kind]()), 2).shape == (3, 41, 63)


def test_what_torchvision_does_not_read_pillow_does(monkeypatch):
    def refuse(*_: object) -> None:
        raise RuntimeError("unsupported")

    monkeypatch.setattr(decode, "decode_jpeg", refuse)
    expected = torch.from_numpy(np.array(opened(FILES["rgb"]()).convert("RGB"))).permute(2, 0, 1)
    assert torch.equal(pixels(opened(FILES["rgb"]())), expected)


@pytest.mark.parametrize("kind", ["rgb", "progressive", "png"])
@pytest.mark.parametrize("read", [rgb, pixels, lambda image: pixels(image, 2)])
def test_a_truncated_file_is_a_bad_image(kind, read):
    data = FILES[kind]()
    with pytest.raises(BadImage, match=r"^(OSError|SyntaxError): "):
        read(opened(data[: 3 * len(data) // 4]))
