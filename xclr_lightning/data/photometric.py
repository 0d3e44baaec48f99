"""Colour jitter, grey and blur of a batch, on whatever device it is, each picture with its own draw.

Draws are torchvision's (``ColorJitter``, ``RandomGrayscale``, ``GaussianBlur``), the order of the jitter's four
operations among them. They come from torch's global generator of the CPU, so every device sees the same ones. Pictures
are int16 meanwhile: as torchvision's do on uint8, operations round to whole grey levels.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from xclr_lightning.data.blur import gaussian_blur_
from xclr_lightning.data.colour import adjust_brightness_, adjust_contrast_, adjust_hue_, adjust_saturation_
from xclr_lightning.errors import UserError

# What is done to one picture, and how strongly; None where it is spared.
Step = tuple[Callable[[Tensor, Sequence[float]], None], float] | None

# On the CPU so many pixels are augmented at a time, that all operations find them in the cache of one core.
CPU_PIXELS = 2**16


class Photometric:
    """SimCLR's photometric augmentation of a batch.

    Args:
        jitter: Strength of the colour jitter, 1 for SimCLR's on ImageNet; 0 for none; at most 2.5.
        jitter_probability: How often colours are jittered.
        grey: How often a view loses its colour.
        blur: How often a view is blurred.
        sigma: Range of the blur's deviation, in pixels.

    Raises:
        UserError: A setting is out of its range.

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
        if not 0 <= jitter <= 2.5:  # beyond, hues would be turned by more than half a circle
            raise UserError(f"data.augment.jitter {jitter}: expected a strength from 0 to 2.5")
        for name, share in (("jitter_probability", jitter_probability), ("grey", grey), ("blur", blur)):
            if not 0 <= share <= 1:
                raise UserError(f"data.augment.{name} {share}: expected a probability from 0 to 1")
        if not 0 < sigma[0] <= sigma[1]:
            raise UserError(f"data.augment.sigma {list(sigma)}: expected two positive numbers, the lower one first")
        self.jitter, self.jitter_probability = jitter, jitter_probability
        self.grey, self.blur, self.sigma = grey, blur, sigma

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Augment ``(n, 3, H, W)`` uint8 to float32 in [0, 1]."""
        plans = self.draw(len(images))
        result = torch.empty(images.shape, device=images.device)
        count = max(1, CPU_PIXELS // images.shape[2:].numel() if images.device.type == "cpu" else len(images))
        for start in range(0, len(images), count):
            part = slice(start, start + count)
            levels = images[part].to(torch.int16)
            augment_(levels, plans[part])
            result[part].copy_(levels).mul_(1 / 255)
        return result

    def draw(self, count: int) -> list[list[Step]]:
        """Decide what is done to each of ``count`` pictures: the jitter's four steps in random order, grey, blur."""
        return [self._plan(*numbers) for numbers in torch.rand(count, 12).tolist()]

    def _plan(self, *uniform: float) -> list[Step]:
        """Turn twelve uniform numbers in [0, 1) into the steps of one picture."""
        gates, order, strengths, deviation = uniform[:3], uniform[3:7], uniform[7:11], uniform[11]
        jitter: list[Step] = [None] * 4
        if self.jitter and gates[0] < self.jitter_probability:
            low, high = max(0.0, 1 - 0.8 * self.jitter), 1 + 0.8 * self.jitter
            *factors, shift = strengths
            scales = (adjust_brightness_, adjust_contrast_, adjust_saturation_)
            steps: list[Step] = [(scale, low + (high - low) * u) for scale, u in zip(scales, factors, strict=True)]
            steps.append((adjust_hue_, 0.2 * self.jitter * (2 * shift - 1)))
            jitter = [steps[number] for number in sorted(range(4), key=order.__getitem__)]
        grey = (adjust_saturation_, 0.0) if gates[1] < self.grey else None
        blur = (gaussian_blur_, self.sigma[0] + (self.sigma[1] - self.sigma[0]) * deviation)
        return [*jitter, grey, blur if gates[2] < self.blur else None]


def augment_(images: Tensor, plans: list[list[Step]]) -> None:
    """Take every picture's steps in place, those of one kind together.

    Args:
        images: Shape: ``(n, 3, H, W)``, int16 in [0, 255].
        plans: As many steps for each of the n pictures, taken in their order.
    """
    for steps in zip(*plans, strict=True):
        for operation in {step[0]: None for step in steps if step}:
            chosen = [number for number, step in enumerate(steps) if step and step[0] is operation]
            strengths = [step[1] for step in steps if step and step[0] is operation]
            if len(chosen) == len(images):
                operation(images, strengths)
            else:
                some = images[chosen]
                operation(some, strengths)
                images[chosen] = some
