"""Where a random crop lies, and its pixels in the size of a view."""

import math

import numpy as np
import torch
from PIL import Image
from torch import Tensor

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


def resized_crop(picture: Tensor, box: Box, size: int) -> Tensor:
    """Crop and resize as torchvision does, bilinear with antialiasing.

    Args:
        picture: Shape: ``(3, height, width)``, uint8; quickest where a pixel's channels are side by side in memory.
        box: The crop.
        size: Side of the result.

    Returns:
        Shape: ``(3, size, size)``, uint8, in any layout.
    """
    left, top, right, bottom = box
    crop = picture[None, :, top:bottom, left:right].contiguous(memory_format=torch.channels_last)
    return torch.nn.functional.interpolate(crop, (size, size), mode="bilinear", antialias=True)[0]


def turned_crop(image: Image.Image, box: Box, size: int, angle: float) -> Tensor:
    """Crop, turn about the picture's centre and resize in one resampling; what lies outside the picture is black.

    Args:
        image: An RGB picture.
        box: The crop, in the picture before it is turned.
        size: Side of the result.
        angle: In radians.

    Returns:
        Shape: ``(3, size, size)``, uint8, in any layout.
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
    return torch.from_numpy(np.array(turned)).permute(2, 0, 1)
