"""Torchvision's Gaussian blur for a batch, each picture by a deviation of its own, as products with banded matrices."""

import math
from functools import lru_cache

import torch
from torch import Tensor

# Beyond so many deviations a Gaussian's weight is lost in float32's rounding.
DEVIATIONS = 5
# Rows or columns of a product at a time: fewer multiply less with zeros, but take more calls.
BLOCK = 64


def gaussian_blur_(images: Tensor, sigma: Tensor) -> None:
    """Blur in place, over a window of a tenth of the side, borders mirrored.

    Args:
        images: Shape: ``(n, 3, H, W)``, floats, contiguous.
        sigma: Deviations in pixels, positive, on the CPU. Shape: ``(n,)``.

    Reference:
        Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, ICML 2020, appendix A.
    """
    count, channels, height, width = images.shape
    reach = min(max(1, width // 20), math.ceil(DEVIATIONS * sigma.max()))
    sigma = sigma.to(images.device)
    matrices = {side: _blur_matrix(sigma, side, reach) for side in {height, width}}
    rows, across = images.view(count, channels * height, width), matrices[width].transpose(1, 2)
    parts = [torch.bmm(rows[:, :, around], across[:, around, inside]) for inside, around in _blocks(width, reach)]
    planes, down = torch.cat(parts, dim=2).view(-1, height, width), matrices[height].repeat_interleave(channels, dim=0)
    parts = [torch.bmm(down[:, inside, around], planes[:, around]) for inside, around in _blocks(height, reach)]
    torch.cat(parts, dim=1, out=images.view_as(planes))


def _blocks(side: int, reach: int) -> list[tuple[slice, slice]]:
    """Cut a side into blocks, and say from where each one's weights are not zero."""
    starts = range(0, side, BLOCK)
    return [(slice(s, s + BLOCK), slice(max(0, s - reach), min(side, s + BLOCK + reach))) for s in starts]


def _blur_matrix(sigma: Tensor, side: int, reach: int) -> Tensor:
    """Weights ``(n, side, side)`` by which each pixel of a row is the sum of those up to ``reach`` from it."""
    taps = torch.arange(-reach, reach + 1, device=sigma.device)
    weights = torch.exp(-0.5 * (taps / sigma[:, None]) ** 2)
    weights = weights / weights.sum(dim=1, keepdim=True)
    matrix = torch.zeros(len(sigma), side, side, device=sigma.device)
    places = _mirrored(side, reach, sigma.device).expand(len(sigma), -1, -1)
    return matrix.scatter_add_(2, places, weights[:, None].expand(-1, side, -1))


@lru_cache(maxsize=64)
def _mirrored(side: int, reach: int, device: torch.device) -> Tensor:
    """Where each pixel's neighbours are, beyond the border mirrored, shape ``(side, 2 · reach + 1)``, int64."""
    period = max(1, 2 * (side - 1))
    places = torch.arange(side, device=device)[:, None] + torch.arange(-reach, reach + 1, device=device)
    places = places.remainder(period)
    return torch.minimum(places, period - places)
