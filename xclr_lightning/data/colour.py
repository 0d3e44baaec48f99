"""Torchvision's colour operations for batches, in place: each picture by a strength of its own.

Pictures are ``(n, 3, H, W)``, float32 in [0, 1], and stay in that range. Strengths are ``(n,)`` on the CPU, whichever
device the pictures are on.
"""

import math

import torch
from torch import Tensor


def grey(images: Tensor) -> Tensor:
    """Luma of ``(n, 3, H, W)``, shape ``(n, 1, H, W)``."""
    red, green, blue = images.split(1, dim=1)
    return (0.2989 * red).add_(green, alpha=0.587).add_(blue, alpha=0.114)


def adjust_brightness_(images: Tensor, factor: Tensor) -> None:
    """Scale by factors ≥ 0."""
    _clamp_(images.mul_(_column(factor, images)), factor)


def adjust_contrast_(images: Tensor, factor: Tensor) -> None:
    """Scale distances from a picture's mean luma by factors ≥ 0."""
    scale = _column(factor, images)
    mean = grey(images.mean(dim=(2, 3), keepdim=True))
    _clamp_(images.mul_(scale).add_(mean * (1 - scale)), factor)


def adjust_saturation_(images: Tensor, factor: Tensor) -> None:
    """Scale distances from each pixel's luma by factors ≥ 0; 0 leaves grey."""
    scale = _column(factor, images)
    luma = grey(images).mul_(1 - scale)
    _clamp_(images.mul_(scale).add_(luma), factor)


def adjust_hue_(images: Tensor, shift: Tensor) -> None:
    """Turn hues by shifts in [−0.5, 0.5] of a full circle, keeping saturation and value of HSV."""
    sixths = 6 * shift
    times = max(1, math.ceil(sixths.abs().max()))
    sixths = (sixths / times).to(images.device)
    for _ in range(times):
        _turn_hue_(images, sixths)


def _turn_hue_(images: Tensor, sixths: Tensor) -> None:
    """Turn hues by at most a sixth of the circle.

    Along the circle a channel stays at the greatest value for two sixths, falls for one, stays at the least for two and
    rises for one. Where it falls or rises it is the middle of the three. So a turn by t adds or takes t · (greatest −
    least), by which of its neighbours is the greater; and on the level parts 2 · channel − middle is how far beyond
    the bend the line would have gone.
    """
    red, green, blue = images.unbind(1)
    low, high = torch.minimum(red, green), torch.maximum(red, green)
    least, greatest = torch.minimum(low, blue), torch.maximum(high, blue)
    middle = torch.minimum(high, blue, out=high)
    middle = torch.maximum(low, middle, out=middle)
    moved = torch.empty_like(images)
    for channel, (before, after) in enumerate(((blue, green), (red, blue), (green, red))):
        torch.sub(before, after, out=moved[:, channel])
    moved.sign_().mul_(((greatest - least).mul_(sixths[:, None, None]))[:, None])
    moved.add_(images, alpha=2).sub_(middle[:, None])
    torch.clamp(moved, least[:, None], greatest[:, None], out=images)


def _clamp_(images: Tensor, factor: Tensor) -> None:
    if factor.max() > 1:  # shrunk distances stay in range
        images.clamp_(0, 1)


def _column(values: Tensor, images: Tensor) -> Tensor:
    return values.to(images.device)[:, None, None, None]
