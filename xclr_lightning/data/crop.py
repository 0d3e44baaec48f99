"""Where a random crop lies, and its pixels in the size of a view."""

import math

import numpy as np
import torch
from PIL import Image

# Left, top, right, bottom, in pixels.
Box = tuple[int, int, int, int]


def random_box(width: int, height: int, min_scale: float) -> Box:
    """Draw the crop of torchvision's ``RandomResizedCrop``.

    Its area is a uniform share of the picture's, its sides' ratio log-uniform in [3/4, 4/3]; after ten draws that do
    not fit, it is the largest central box of an allowed ratio.

    Args:
        width: Of the picture, in pixels.
        height: Of the picture, in pixels.
        min_scale: Least share of the picture's area, in (0, 1].
    """
    log_ratio = math.log(4 / 3)
    for _ in range(10):
        scale, shape, x, y = torch.rand(4).tolist()
        area = width * height * (min_scale + (1 - min_scale) * scale)
        ratio = math.exp((2 * shape - 1) * log_ratio)
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            left, top = int(x * (width - w + 1)), int(y * (height - h + 1))
            return left, top, left + w, top + h
    w, h = min(width, round(height * 4 / 3)), min(height, round(width * 4 / 3))
    left, top = (width - w) // 2, (height - h) // 2
    return left, top, left + w, top + h


def resized_crop(picture: np.ndarray, box: Box, size: int) -> np.ndarray:
    """Crop and resize as torchvision does, bilinear with antialiasing.

    Args:
        picture: Shape: ``(height, width, 3)``, uint8.
        box: The crop.
        size: Side of the result.

    Returns:
        Shape: ``(size, size, 3)``, uint8.
    """
    left, top, right, bottom = box
    crop = torch.from_numpy(np.ascontiguousarray(picture[top:bottom, left:right]))
    channels_last = crop[None].permute(0, 3, 1, 2)  # torch is quickest on this layout
    resized = torch.nn.functional.interpolate(channels_last, (size, size), mode="bilinear", antialias=True)
    return resized[0].permute(1, 2, 0).numpy()


def turned_crop(image: Image.Image, box: Box, size: int, angle: float) -> np.ndarray:
    """Crop, turn about the picture's centre and resize in one resampling; what lies outside the picture is black.

    Args:
        image: An RGB picture.
        box: The crop, in the picture before it is turned.
        size: Side of the result.
        angle: In radians.

    Returns:
        Shape: ``(size, size, 3)``, uint8.
    """
    left, top, right, bottom = (float(side) for side in box)
    if (shrink := int(min(right - left, bottom - top) / size)) > 1:  # bilinear sampling alone would alias
        image = image.reduce(shrink)
        left, top, right, bottom = (side / shrink for side in box)
    cos, sin, scale_x, scale_y = math.cos(angle), math.sin(angle), (right - left) / size, (bottom - top) / size
    x, y = left - image.width / 2, top - image.height / 2
    matrix = (
        cos * scale_x, -sin * scale_y, cos * x - sin * y + image.width / 2,
        sin * scale_x, cos * scale_y, sin * x + cos * y + image.height / 2,
    )  # fmt: skip
    turned = image.transform((size, size), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    return np.array(turned)
