"""Torchvision's colour operations and blur for one picture on the CPU, by OpenCV.

Each writes to ``target`` what becomes of ``source``, which may be the same array: ``(3, H, W)``, uint8, the target
contiguous. As torchvision's do on uint8, every operation rounds to whole grey levels and cuts off what lies beyond.
OpenCV does in one pass, on 64 values at a time, what takes torch several passes over larger numbers; for devices there
is :mod:`xclr_lightning.data.colour`.
"""

import numpy as np

from xclr_lightning.data.blur import window, window_weights
from xclr_lightning.data.opencv import opencv

LUMA = (0.299, 0.587, 0.114)


def adjust_brightness(source: np.ndarray, factor: float, target: np.ndarray) -> None:
    """Scale by a factor of 0 or more."""
    opencv().convertScaleAbs(_rows(source), _rows(target), factor)


def adjust_contrast(source: np.ndarray, factor: float, target: np.ndarray) -> None:
    """Scale distances from the picture's mean luma by a factor of 0 or more."""
    mean = sum(weight * opencv().mean(plane)[0] for weight, plane in zip(LUMA, source, strict=True))
    rows = _rows(source)
    opencv().addWeighted(rows, factor, rows, 0, (1 - factor) * mean, _rows(target))


def adjust_saturation(source: np.ndarray, factor: float, target: np.ndarray) -> None:
    """Scale distances from each pixel's luma by a factor of 0 or more; 0 leaves grey."""
    cv, (red, green, blue) = opencv(), source
    luma = cv.addWeighted(red, LUMA[0], green, LUMA[1], 0)
    luma = cv.addWeighted(luma, 1, blue, LUMA[2], 0, luma)
    for before, after in zip(source, target, strict=True):
        cv.addWeighted(before, factor, luma, 1 - factor, 0, after)


def adjust_hue(source: np.ndarray, shift: float, target: np.ndarray) -> None:
    """Turn hues by a shift in [−0.5, 0.5] of a full circle, keeping saturation and value of HSV.

    Along the circle a channel stays at the greatest value for two sixths, falls for one, stays at the least for two and
    rises for one. Where it falls or rises it is the middle of the three. So a turn by t moves it t · (greatest − least)
    up or down, by which of its neighbours is the greater; and on the level parts by less, for the middle is as far from
    them as the bend. No channel has farther to go than its neighbours are apart.
    """
    cv, third = opencv(), round(3 * shift)
    red, green, blue = np.roll(source, third, 0) if third else source  # by a third, channels change places
    turn = 6 * shift - 2 * third
    low, high = cv.min(red, green), cv.max(red, green)
    middle = cv.max(low, cv.min(high, blue))
    low, high = cv.min(low, blue, low), cv.max(high, blue, high)
    step = cv.subtract(high, low)
    step = cv.convertScaleAbs(step, step, abs(turn))
    neighbours = ((blue, green), (red, blue), (green, red)) if turn > 0 else ((green, blue), (blue, red), (red, green))
    rises = [cv.subtract(before, after) for before, after in neighbours]  # 0 for differences below
    for channel, up, turned in zip((red, green, blue), rises, target, strict=True):
        move = cv.absdiff(channel, middle)
        move = cv.subtract(step, move, move)
        up = cv.min(move, up, up)
        down = cv.subtract(move, up, move)
        raised = cv.min(high, cv.add(channel, up, up), up)
        cv.max(low, cv.subtract(raised, down, down), turned)


def gaussian_blur(source: np.ndarray, sigma: float, target: np.ndarray) -> None:
    """Blur by a deviation in pixels, over a window of a tenth of the side, borders mirrored.

    Reference:
        Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, ICML 2020, appendix A.
    """
    weights = window_weights(sigma, window(source.shape[2], sigma))
    kernel = np.array(weights[:0:-1] + weights) / 256
    for before, after in zip(source, target, strict=True):
        opencv().sepFilter2D(before, -1, kernel, kernel, after)


def _rows(image: np.ndarray) -> np.ndarray:
    return image.reshape(-1, image.shape[2])
