"""Torchvision's Gaussian blur for a batch, each picture by a deviation of its own, in whole numbers."""

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import torch
from torch import Tensor

# Beyond so many deviations a Gaussian's weights change no pixel by half a grey level.
DEVIATIONS = 3


def gaussian_blur_(images: Tensor, sigmas: Sequence[float]) -> None:
    """Blur in place, over a window of a tenth of the side, borders mirrored, to within two grey levels.

    Args:
        images: Shape: ``(n, 3, H, W)``, int16 in [0, 255].
        sigmas: Deviations in pixels, positive; one for each picture.

    Reference:
        Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, ICML 2020, appendix A.
    """
    count, channels, height, width = images.shape
    reach = window(width, max(sigmas))
    table = torch.tensor([window_weights(sigma, reach) for sigma in sigmas], dtype=torch.int16, device=images.device)
    weights = table.split(1, dim=1)
    padded = images.new_empty(count, channels, height + 2 * reach, width + 2 * reach)
    padded[:, :, reach : reach + height, reach : reach + width] = images
    _mirror_(padded, 3, reach)
    _mirror_(padded, 2, reach)
    # Rows one after another: what runs over their ends lies in the border, which is dropped.
    down = _blurred(_blurred(padded.view(count, -1), weights, 1), weights, width + 2 * reach)
    strides = (down.stride(0), *padded.stride()[1:])
    images.copy_(down.as_strided(images.shape, strides))


def window(width: int, sigma: float) -> int:
    """How many neighbours on either side a pixel of a picture so wide takes in: a tenth of it in all, or fewer."""
    return min(max(1, width // 20), math.ceil(DEVIATIONS * sigma))


def window_weights(sigma: float, reach: int) -> list[int]:
    """Weights of pixels by their distance up to ``reach``: those of a window add up to 256."""
    gaussian = [math.exp(-0.5 * (distance / sigma) ** 2) for distance in range(reach + 1)]
    scale = 256 / (2 * sum(gaussian) - gaussian[0])
    # Sums from each distance on are rounded, not weights: the errors of many small weights would add up.
    sums = [round(scale * sum(gaussian[distance:])) for distance in range(1, reach + 2)]
    return [256 - 2 * sums[0], *(more - fewer for more, fewer in pairwise(sums))]


def _blurred(values: Tensor, weights: Sequence[Tensor], step: int) -> Tensor:
    """Sum neighbours ``step`` apart by their weights, where both sides have all of them."""
    reach = len(weights) - 1
    length = values.shape[1] - 2 * reach * step
    result = values.new_full((len(values), length), 128)  # half of a level, for what is cut off is rounded down
    result.addcmul_(values.narrow(1, reach * step, length), weights[0])
    for distance in range(1, reach + 1):
        for place in (reach - distance, reach + distance):
            result.addcmul_(values.narrow(1, place * step, length), weights[distance])
    # Sums of up to 2¹⁶ wrap around: the upper byte is right all the same.
    return result.bitwise_right_shift_(8).bitwise_and_(255)


def _mirror_(padded: Tensor, dim: int, reach: int) -> None:
    """Fill the ``reach`` places before the first and after the last of a dimension."""
    side = padded.shape[dim] - 2 * reach
    before, after = padded.index_select(dim, _mirrored(side, reach, padded.device)).split(reach, dim)
    padded.narrow(dim, 0, reach).copy_(before)
    padded.narrow(dim, reach + side, reach).copy_(after)


@lru_cache(maxsize=64)
def _mirrored(side: int, reach: int, device: torch.device) -> Tensor:
    """Where, with ``reach`` places before the first, those mirror that lie before the first and after the last."""
    period = max(1, 2 * (side - 1))
    places = torch.cat([torch.arange(-reach, 0), torch.arange(side, side + reach)]).remainder(period)
    return (torch.minimum(places, (period - places).remainder(period)) + reach).to(device)
