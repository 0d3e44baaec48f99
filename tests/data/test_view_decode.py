"""Opened pictures give Pillow's pixels by any way, smaller ones where asked, and BadImage where they cannot be read."""

import copy
import io
import pickle
from collections.abc import Callable

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

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
    "stored as rgb": lambda: file(smooth(63, 41), keep_rgb=True),
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
    expected = np.array(Image.open(io.BytesIO(data)).convert("RGB"))
    for image in (opened(data), opened(data).convert("RGB"), rgb(opened(data))):
        found = pixels(image)
        assert (found.dtype, found.shape) == (np.uint8, expected.shape)
        # Both decode by libjpeg-turbo; another build of it may round otherwise.
        assert np.abs(found.astype(int) - expected).max() <= 1


def test_a_jpeg_on_disk_is_read_by_pillow(tmp_path):
    (tmp_path / "a.jpg").write_bytes(FILES["rgb"]())
    with Image.open(tmp_path / "a.jpg") as image:
        assert np.array_equal(pixels(image), pixels(opened(FILES["rgb"]()).convert("RGB")))


@pytest.mark.parametrize("shrink", [2, 4, 8])
@pytest.mark.parametrize("kind", ["RGB", "L", "CMYK"])  # the last is read by Pillow
def test_a_jpeg_is_shrunk_in_decoding(kind, shrink):
    image = smooth(643, 481).convert(kind)
    small = pixels(opened(file(image, quality=95)), shrink)
    assert small.shape == (-(-481 // shrink), -(-643 // shrink), 3)
    expected = np.array(image.reduce(shrink).convert("RGB"))
    assert np.abs(small.astype(int) - expected).mean() < 2


@pytest.mark.parametrize("shrink", [1, 2, 4, 8])
def test_a_jpeg_of_any_size_comes_out_as_pillow_has_it(shrink):
    for width, height in ((8, 9), (17, 31), (65, 48), (203, 150)):
        data = file(smooth(width, height))
        by_pillow = Image.open(io.BytesIO(data))
        by_pillow.draft(None, (width // shrink, height // shrink))
        assert np.array_equal(pixels(opened(data), shrink), np.array(by_pillow.convert("RGB")))


def test_a_picture_of_fewer_rows_than_it_is_shrunk_by() -> None:
    assert pixels(opened(file(smooth(17, 5))), 8).shape == (1, 3, 3)
    assert pixels(opened(file(smooth(17, 5).convert("CMYK"))), 8).shape == (2, 5, 3)  # Pillow shrinks by the lesser


@pytest.mark.parametrize("kind", ["png", "palette"])
def test_others_stay_as_they_are(kind):
    assert pixels(opened(FILES[kind]()), 2).shape == (41, 63, 3)


def test_what_simplejpeg_does_not_read_pillow_does(monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise ValueError("unsupported")

    monkeypatch.setattr(decode, "decode_jpeg", refuse)
    expected = np.array(Image.open(io.BytesIO(FILES["rgb"]())))
    assert np.array_equal(pixels(opened(FILES["rgb"]())), expected)
    assert pixels(opened(FILES["rgb"]()), 2).shape == (21, 32, 3)


def test_an_opened_jpeg_is_a_picture_like_any_other() -> None:
    """Methods of Pillow's that a view of one's own may call, on what was not decoded yet."""
    data = FILES["rgb"]()
    expected = Image.open(io.BytesIO(data))
    assert opened(data).size == expected.size
    assert opened(data).getpixel((3, 4)) == expected.getpixel((3, 4))
    for done in (
        lambda image: image.crop((3, 4, 30, 20)),
        lambda image: image.resize((7, 9)),
        lambda image: image.convert("L"),
        lambda image: image.copy(),
        lambda image: pickle.loads(pickle.dumps(image)),
    ):
        assert np.array_equal(np.asarray(done(opened(data))), np.asarray(done(expected)))
    painted = opened(data)
    painted.putpixel((3, 4), (1, 2, 3))
    assert pixels(painted, 2)[4, 3].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    "derived",
    [
        lambda image: image,
        Image.Image.copy,
        lambda image: image.convert("RGB"),
        copy.deepcopy,
        lambda image: rgb(image),
    ],
)
def test_what_a_file_says_besides_stays_with_the_picture(derived: Callable[[Image.Image], Image.Image]) -> None:
    """Such as how the camera was held, on which a view of one's own may act."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    for settings in ({"exif": exif}, {"exif": exif, "icc_profile": b"of colours" * 9999}, {"comment": "said"}):
        data = file(smooth(63, 41), **settings)
        picture, expected = derived(opened(data)), Image.open(io.BytesIO(data))
        assert picture.info == expected.info
        assert picture.getexif() == expected.getexif()
        assert ImageOps.exif_transpose(picture).size == ImageOps.exif_transpose(expected).size
    assert ImageOps.exif_transpose(derived(opened(FILES["rgb"]()))).size == (63, 41)


def test_a_jpeg_that_would_fill_the_memory_is_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 63 * 41 // 2 - 1)
    with pytest.raises(BadImage, match="DecompressionBombError"):
        opened(FILES["rgb"]())


def test_what_follows_a_jpeg_in_its_file_does_not_matter():
    assert np.array_equal(pixels(opened(FILES["rgb"]() + b"and more")), pixels(opened(FILES["rgb"]())))


@pytest.mark.parametrize("kind", ["rgb", "progressive", "png"])
@pytest.mark.parametrize("read", [rgb, pixels, lambda image: pixels(image, 2)])
def test_a_truncated_file_is_a_bad_image(kind, read):
    data = FILES[kind]()
    with pytest.raises(BadImage, match=r"^(OSError|SyntaxError): "):
        read(opened(data[: 3 * len(data) // 4]))


@pytest.mark.parametrize("mode", ["I;16", "I"])
def test_sixteen_bits_are_scaled_to_eight(mode: str) -> None:
    """Pillow would cut off all above 255, which makes such pictures white."""
    levels = np.linspace(0, 65535, 64 * 4).reshape(4, 64)
    picture = Image.fromarray(levels.astype(np.uint16 if mode == "I;16" else np.int32))
    assert picture.mode == mode
    found = np.asarray(rgb(picture))
    np.testing.assert_array_equal(found, np.repeat((levels.astype(int) >> 8)[..., None], 3, axis=2))


def test_few_levels_of_many_bits_stay_as_they_are() -> None:
    levels = np.arange(256, dtype=np.int32).reshape(4, 64)
    np.testing.assert_array_equal(np.asarray(rgb(Image.fromarray(levels)))[..., 0], levels)


def test_floats_are_no_picture() -> None:
    with pytest.raises(BadImage, match="floats"):
        rgb(Image.fromarray(np.zeros((4, 4), dtype=np.float32)))


def test_what_is_said_of_a_broken_file_is_the_same_every_time() -> None:
    with pytest.raises(BadImage) as raised:
        opened(b"no picture")
    assert str(raised.value) == "UnidentifiedImageError: cannot identify image file"
