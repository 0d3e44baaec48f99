"""Pictures opened from their files, and their pixels, for JPEG by the quickest way there is.

Opening reads a file's header. What the views need then decides how the pixels are read: those of a JPEG by simplejpeg,
which gives the very values that Pillow would in about 0.6 of the time; and, where far fewer are needed than it has, at
a half, a quarter or an eighth of its size, which spares most of the inverse transforms.
"""

import io
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from PIL import Image
from simplejpeg import decode_jpeg, decode_jpeg_header

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


class Jpeg(Image.Image):
    """A JPEG whose header was read, and whose pixels are when they are asked for. Grey ones are RGB, too.

    It is a picture of Pillow's, whose headers were not parsed in Python: most of what a small one costs.

    Args:
        data: The whole file.
        size: Width and height, in pixels.
        info: What the file says besides, as Pillow has it: EXIF, colour profile, comment.
    """

    format = "JPEG"

    def __init__(self, data: bytes, size: tuple[int, int], info: dict[Any, Any]) -> None:
        super().__init__()
        self._data, self._mode, self._size, self.info = data, "RGB", size, info

    def load(self) -> Any:
        """Decode the pixels, as Pillow's methods ask for before they use them."""
        if self._im is None:
            self.im = Image.fromarray(self.decoded()).im
        return super().load()

    def decoded(self, shrink: int = 1) -> np.ndarray:
        """Pixels, at 1/``shrink`` of the size if nobody has asked for all. Shape: ``(height, width, 3)``, uint8."""
        if self._im is not None:
            return np.array(self)
        width, height = (-(-side // shrink) if shrink > 1 else 0 for side in self.size)  # 0: as many as there are
        try:
            found: np.ndarray = decode_jpeg(self._data, "RGB", min_width=width, min_height=height)
            return found
        except ValueError:  # Pillow reads some that are not quite right, and says better what is wrong with others
            return _drafted(Image.open(io.BytesIO(self._data)), shrink)


def opened(data: bytes) -> Image.Image:
    """Open a picture's file without decoding it.

    Raises:
        BadImage: It is no picture.
    """
    with reading():
        return _jpeg(data) or Image.open(io.BytesIO(data))


def _jpeg(data: bytes) -> Jpeg | None:
    """None for what is left to Pillow: other formats, colours of print, what is broken, and what is too large."""
    if not data.startswith(b"\xff\xd8"):
        return None
    try:
        height, width, colours, _ = decode_jpeg_header(data)
    except ValueError:
        return None
    if width * height > (Image.MAX_IMAGE_PIXELS or math.inf) or colours not in ("RGB", "YCbCr", "Gray"):
        return None
    return Jpeg(data, (width, height), Image.open(io.BytesIO(data)).info if _says_more(data) else {})


def _says_more(data: bytes) -> bool:
    """Whether a JPEG has segments of applications, or a comment, beyond JFIF's own, which comes first."""
    after = 4 + int.from_bytes(data[4:6], "big") if data[2:4] == b"\xff\xe0" else 2
    return data[after : after + 1] == b"\xff" and data[after + 1] in (*range(0xE0, 0xF0), 0xFE)


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
    with reading():
        return image.decoded(shrink) if isinstance(image, Jpeg) else _drafted(image, shrink)


def _drafted(image: Image.Image, shrink: int) -> np.ndarray:
    # Does nothing to what is decoded, or no JPEG.
    image.draft(None, (max(1, image.width // shrink), max(1, image.height // shrink)))
    return np.array(rgb(image))
