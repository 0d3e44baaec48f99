"""Torchvision's colour operations for batches, in place: each picture by a strength of its own.

They are for devices; pictures on the CPU go by :mod:`xclr_lightning.data.photometric_cpu`. Pictures are
``(n, 3, H, W)``, int16 in [0, 255]. As torchvision's do on uint8, every operation rounds to whole grey levels, which
are half as much to move as float32. Strengths, one for each picture, have few enough bits for products to fit 16.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def grey(images: Tensor) -> Tensor:
    """Luma of ``(n, 3, H, W)``, shape ``(n, 1, H, W)``."""
    red, green, blue = images.split(1, dim=1)
    # Sums of up to 2¹⁶ wrap around: the upper byte is right all the same.
    return _upper_byte((77 * red).add_(green, alpha=150).add_(blue, alpha=29).add_(128))


def adjust_brightness_(images: Tensor, factors: Sequence[float]) -> None:
    """Scale by factors in [0, 4)."""
    _blend_(images, None, factors)


def adjust_contrast_(images: Tensor, factors: Sequence[float]) -> None:
    """Scale distances from a picture's mean luma by factors in [0, 4)."""
    mean = grey(images).mean(dim=(2, 3), keepdim=True, dtype=torch.float32)
    _blend_(images, mean.round_().to(torch.int16), factors)


def adjust_saturation_(images: Tensor, factors: Sequence[float]) -> None:
    """Scale distances from each pixel's luma by factors in [0, 4); 0 leaves grey."""
    if any(factors):
        _blend_(images, grey(images), factors)
    else:
        images.copy_(grey(images))


def adjust_hue_(images: Tensor, shifts: Sequence[float]) -> None:
    """Turn hues by shifts in [−0.5, 0.5] of a full circle, keeping saturation and value of HSV."""
    thirds = [round(3 * shift) for shift in shifts]
    for image, third in zip(images, thirds, strict=True):
        if third:  # by a third of the circle, channels change places
            image.copy_(image.roll(third, 0))
    turns = [round(256 * (6 * shift - 2 * third)) for shift, third in zip(shifts, thirds, strict=True)]
    _turn_hue_(images, *_columns(images, [abs(turn) for turn in turns], [-1 if turn < 0 else 1 for turn in turns]))


def _blend_(images: Tensor, other: Tensor | None, factors: Sequence[float]) -> None:
    """Scale distances from ``other``, or from black, by factors in [0, 4), in fixed point of 7, 6 or 5 bits."""
    bits = [7 - (factor >= 1) - (factor >= 2) for factor in factors]
    scales = [round(factor * 2**bit) for factor, bit in zip(factors, bits, strict=True)]
    halves = [2**bit // 2 for bit in bits]
    rests = [2**bit - scale for bit, scale in zip(bits, scales, strict=True)]
    scale, rest, half, bit = _columns(images, scales, rests, halves, bits)
    images.mul_(scale).add_(half if other is None else (other * rest).add_(half)).bitwise_right_shift_(bit)
    if any(factor > 1 for factor in factors):  # shrunk distances stay in range
        images.clamp_(0, 255)


def _turn_hue_(images: Tensor, size: Tensor, sign: Tensor) -> None:
    """Turn hues by sizes up to 256, a sixth of the circle.

    Along the circle a channel stays at the greatest value for two sixths, falls for one, stays at the least for two and
    rises for one. Where it falls or rises it is the middle of the three. So a turn by t adds or takes t · (greatest −
    least), by which of its neighbours is the greater; and on the level parts 2 · channel − middle is how far beyond
    the bend the line would have gone.
    """
    red, green, blue = images.split(1, dim=1)
    low, high = torch.minimum(red, green), torch.maximum(red, green)
    least, greatest = torch.minimum(low, blue), torch.maximum(high, blue)
    middle = torch.minimum(high, blue, out=high)
    middle = torch.maximum(low, middle, out=middle)
    moved = torch.empty_like(images)
    for channel, (before, after) in enumerate(((blue, green), (red, blue), (green, red))):
        torch.sub(before, after, out=moved[:, channel : channel + 1])
    step = _upper_byte((greatest - least).mul_(size).add_(128)).mul_(sign)
    moved.sign_().mul_(step).add_(images, alpha=2).sub_(middle)
    torch.clamp(moved, least, greatest, out=images)


def _upper_byte(values: Tensor) -> Tensor:
    return values.bitwise_right_shift_(8).bitwise_and_(255)


def _columns(images: Tensor, *values: list[int]) -> tuple[Tensor, ...]:
    return torch.tensor(values, dtype=torch.int16, device=images.device).view(len(values), -1, 1, 1, 1).unbind()
