"""Pictures opened from their files, and their pixels, for JPEG by the quickest way there is.

Pillow opens a file without reading its pixels. What the views need then decides how these are read: a JPEG by
torchvision's decoder, which gives the very values that Pillow would in about half the time; or, where far fewer pixels
are needed than it has, at a half, a quarter or an eighth of its size, which spares most of the inverse transforms.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from PIL import Image, JpegImagePlugin
from torch import Tensor

try:
    from torchvision.io import ImageReadMode, decode_jpeg
except ImportError:  # torchvision 0.29 announces that a later one leaves decoders to another package
    decode_jpeg = None


class BadImage(Exception):
    """A picture that cannot be read, with the kind of error and its message: training takes another in its place."""


@contextmanager
def reading() -> Iterator[None]:
    """Turn whatever is raised inside into :class:`BadImage`, for decoders raise nearly anything on broken input."""
    try:
        yield
    except BadImage:
        raise
    except Exception as error:
        raise BadImage(f"{type(error).__name__}: {error}") from error


def opened(data: bytes) -> Image.Image:
    """Open a picture's file without decoding it.

    Raises:
        BadImage: It is no picture.
    """
    with reading():
        return Image.open(io.BytesIO(data))


def rgb(image: Image.Image) -> Image.Image:
    """Decode a picture that was only opened, and turn it into RGB.

    Raises:
        BadImage: Its pixels cannot be read.
    """
    with reading():
        image.load()
        return image if image.mode == "RGB" else image.convert("RGB")


def pixels(image: Image.Image, shrink: int = 1) -> Tensor:
    """Pixels of a picture, opened or decoded.

    Args:
        image: The picture.
        shrink: 1, 2, 4 or 8: how many times fewer rows and columns will do. Only a JPEG that was not decoded yet, and
            not by all encoders, comes out smaller.

    Returns:
        Shape: ``(3, height, width)``, uint8, the channels of a pixel side by side in memory.

    Raises:
        BadImage: The pixels cannot be read.
    """
    if isinstance(image, JpegImagePlugin.JpegImageFile) and image.tile:  # Pillow has not decoded it
        if shrink > 1:
            image.draft(None, (image.width // shrink, image.height // shrink))
        elif decode_jpeg and isinstance(image.fp, io.BytesIO):
            try:
                data = torch.frombuffer(bytearray(image.fp.getbuffer()), dtype=torch.uint8)
                return decode_jpeg(data, ImageReadMode.RGB)
            except RuntimeError:
                pass  # Pillow reads kinds that torchvision does not, and says better what is wrong
    return torch.from_numpy(np.array(rgb(image))).permute(2, 0, 1)
