"""Pictures opened from their files, and their pixels, for JPEG by the quickest way there is.

Pillow opens a file without reading its pixels. What the views need then decides how these are read: a JPEG by
simplejpeg, which gives the very values that Pillow would in about 0.6 of the time; and, where far fewer pixels are
needed than it has, at a half, a quarter or an eighth of its size, which spares most of the inverse transforms.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, JpegImagePlugin
from simplejpeg import decode_jpeg

# Pillow's modes of 16 bits, of which it would cut off all above 255.
DEEP = ("I;16", "I;16L", "I;16B", "I;16N", "I")


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
        said = re.sub(r" ?<_io\.\w+ object at \w+>", "", str(error))
        raise BadImage(f"{type(error).__name__}: {said}") from error


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
        if image.mode in DEEP:
            deep = np.asarray(image)
            image = Image.fromarray((deep >> (8 if image.mode != "I" or deep.max() > 255 else 0)).astype(np.uint8))
        elif image.mode == "F":
            raise BadImage("its pixels are floats, whose range is not known")
        return image if image.mode == "RGB" else image.convert("RGB")


def pixels(image: Image.Image, shrink: int = 1) -> np.ndarray:
    """Pixels of a picture, opened or decoded.

    Args:
        image: The picture.
        shrink: 1, 2, 4 or 8: how many times fewer rows and columns will do. Only a JPEG that was not decoded yet comes
            out smaller.

    Returns:
        Shape: ``(height, width, 3)``, uint8.

    Raises:
        BadImage: The pixels cannot be read.
    """
    if isinstance(image, JpegImagePlugin.JpegImageFile) and image.tile:  # Pillow has not decoded it
        if image.mode in ("RGB", "L") and isinstance(image.fp, io.BytesIO):
            try:
                return _jpeg_pixels(image.fp, image.size, shrink)
            except ValueError:
                pass  # Pillow reads some that are not quite right, and says better what is wrong with others
        image.draft(None, (image.width // shrink, image.height // shrink))
    return np.array(rgb(image))


def _jpeg_pixels(file: io.BytesIO, size: tuple[int, int], shrink: int) -> np.ndarray:
    width, height = (-(-side // shrink) if shrink > 1 else 0 for side in size)  # 0: as many as there are
    decoded: np.ndarray = decode_jpeg(file.getbuffer(), "RGB", min_width=width, min_height=height)
    return decoded
