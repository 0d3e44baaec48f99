"""Colour jitter, grey and blur for a whole batch at once, on whatever device it is, each picture with its own draw.

The operations and the distributions of their strengths are torchvision's (``ColorJitter``, ``RandomGrayscale``,
``GaussianBlur``); one by one in Python they would take longer than a small network's step.
"""

from collections.abc import Callable

import torch
from torch import Tensor

_LUMA = (0.2989, 0.587, 0.114)


class Photometric:
    """SimCLR's photometric augmentation of a batch.

    Args:
        jitter: Strength of the colour jitter, 1 for SimCLR's on ImageNet; 0 for none.
        jitter_probability: How often colours are jittered.
        grey: How often a view loses its colour.
        blur: How often a view is blurred.
        sigma: Range of the blur's deviation, in pixels.

    Reference:
        Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, ICML 2020, appendix A.

    Example:
        >>> Photometric()(torch.zeros(2, 3, 32, 32, dtype=torch.uint8)).dtype
        torch.float32
    """

    def __init__(
        self,
        jitter: float = 1.0,
        jitter_probability: float = 0.8,
        grey: float = 0.2,
        blur: float = 0.5,
        sigma: tuple[float, float] = (0.1, 2.0),
    ) -> None:
        self.jitter, self.jitter_probability = jitter, jitter_probability
        self.grey, self.blur, self.sigma = grey, blur, sigma

    def __call__(self, images: Tensor) -> Tensor:
        """Augment ``(n, 3, H, W)`` uint8 to float32 in [0, 1]."""
        images = images.float() / 255
        if self.jitter:
            images = self._where(self.jitter_probability, images, self._jittered)
        if self.grey:
            images = self._where(self.grey, images, lambda chosen: grey(chosen).expand_as(chosen))
        if self.blur:
            images = self._where(self.blur, images, self._blurred)
        return images

    def _where(self, probability: float, images: Tensor, operation: Callable[[Tensor], Tensor]) -> Tensor:
        chosen = (torch.rand(len(images), device=images.device) < probability).nonzero().flatten()
        return images.index_copy(0, chosen, operation(images[chosen])) if len(chosen) else images

    def _jittered(self, images: Tensor) -> Tensor:
        strength = 0.8 * self.jitter
        operations = [adjust_brightness, adjust_contrast, adjust_saturation, adjust_hue]
        # torchvision draws the order for each picture; here a batch shares one.
        for number in torch.randperm(4).tolist():
            if operations[number] is adjust_hue:
                images = adjust_hue(images, _uniform(images, -0.2 * self.jitter, 0.2 * self.jitter))
            else:
                images = operations[number](images, _uniform(images, max(0.0, 1 - strength), 1 + strength))
        return images

    def _blurred(self, images: Tensor) -> Tensor:
        kernel_size = max(3, images.shape[-1] // 20 * 2 + 1)
        return gaussian_blur(images, _uniform(images, *self.sigma), kernel_size)


def grey(images: Tensor) -> Tensor:
    """Luma of ``(n, 3, H, W)``, shape ``(n, 1, H, W)``."""
    red, green, blue = images.unbind(1)
    return (_LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue)[:, None]


def adjust_brightness(images: Tensor, factor: Tensor) -> Tensor:
    """Scale ``(n, 3, H, W)`` in [0, 1] by factors ``(n,)`` ≥ 0."""
    return (images * _column(factor)).clamp_(0, 1)


def adjust_contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Scale distances from a picture's mean luma by factors ``(n,)`` ≥ 0."""
    return _blend(images, grey(images).mean(dim=(1, 2, 3), keepdim=True), factor)


def adjust_saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Scale distances from each pixel's luma by factors ``(n,)`` ≥ 0."""
    return _blend(images, grey(images), factor)


def adjust_hue(images: Tensor, shift: Tensor) -> Tensor:
    """Turn hues by shifts ``(n,)`` in [−0.5, 0.5] of a full circle, keeping saturation and value of HSV."""
    value, brightest = images.max(dim=1)
    chroma = value - images.amin(dim=1)
    red, green, blue = images.unbind(1)
    scale = 1 / torch.where(chroma == 0, 1, chroma)
    hue = torch.where(
        brightest == 0,
        (green - blue) * scale,
        torch.where(brightest == 1, 2 + (blue - red) * scale, 4 + (red - green) * scale),
    )
    # In sixths of the circle; a channel is at full value within one sixth of its own hue, and falls off over the next.
    hue = hue + 6 * shift[:, None, None]
    channels = [value - chroma * _falloff(hue + offset) for offset in (5, 3, 1)]
    return torch.stack(channels, dim=1)


def gaussian_blur(images: Tensor, sigma: Tensor, kernel_size: int) -> Tensor:
    """Blur with a Gaussian of deviation ``sigma`` ``(n,)`` in pixels, cut to ``kernel_size`` taps, borders mirrored."""
    half = kernel_size // 2
    taps = torch.arange(-half, half + 1, device=images.device)
    weights = torch.exp(-0.5 * (taps / sigma[:, None]) ** 2)
    weights = weights / weights.sum(dim=1, keepdim=True)
    for axis in (2, 3):
        padding = (half, half, 0, 0) if axis == 3 else (0, 0, half, half)
        padded = torch.nn.functional.pad(images, padding, mode="reflect")
        images = torch.zeros_like(images)
        for tap in range(kernel_size):
            images.addcmul_(padded.narrow(axis, tap, images.shape[axis]), _column(weights[:, tap]))
    return images


def _falloff(hue: Tensor) -> Tensor:
    """How far a channel is below the value, in chromas, at a hue measured from five sixths before its own."""
    hue = hue.remainder(6)
    return torch.minimum(hue, 4 - hue).clamp_(0, 1)


def _blend(images: Tensor, base: Tensor, factor: Tensor) -> Tensor:
    return torch.lerp(base.expand_as(images), images, _column(factor)).clamp_(0, 1)


def _column(values: Tensor) -> Tensor:
    return values[:, None, None, None]


def _uniform(images: Tensor, low: float, high: float) -> Tensor:
    return torch.empty(len(images), device=images.device).uniform_(low, high)
