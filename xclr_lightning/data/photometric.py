"""Colour jitter, grey and blur of a batch, each picture with its own draw.

Draws are torchvision's (``ColorJitter``, ``RandomGrayscale``, ``GaussianBlur``), the order of the jitter's four
operations among them. They come from torch's global generator of the CPU, so every device sees the same ones. What was
drawn is done on the CPU to one picture after another, each staying in the core's cache for all its steps; on a device
to all pictures together, a kind of step at a time. Either rounds to whole grey levels, as torchvision does on uint8.
"""

import torch
from torch import Tensor

from xclr_lightning.data import blur, colour, photometric_cpu
from xclr_lightning.errors import UserError

# What is done to one picture, and how strongly; None where it is spared.
Step = tuple[str, float] | None

ON_CPU = {
    "brightness": photometric_cpu.adjust_brightness,
    "contrast": photometric_cpu.adjust_contrast,
    "saturation": photometric_cpu.adjust_saturation,
    "hue": photometric_cpu.adjust_hue,
    "blur": photometric_cpu.gaussian_blur,
}
ON_DEVICE = {
    "brightness": colour.adjust_brightness_,
    "contrast": colour.adjust_contrast_,
    "saturation": colour.adjust_saturation_,
    "hue": colour.adjust_hue_,
    "blur": blur.gaussian_blur_,
}


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
        torch.uint8
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
        """Augment ``(n, 3, H, W)``, uint8, to another of the same.

        Raises:
            UserError: They are of another dtype.
        """
        if images.dtype != torch.uint8:
            raise UserError(f"data.augment got views of {images.dtype}: expected uint8 from data.view")
        plans = self.draw(len(images))
        return augment_on_cpu(images, plans) if images.device.type == "cpu" else augment_on_device(images, plans)

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
            scales = ("brightness", "contrast", "saturation")
            steps: list[Step] = [(scale, low + (high - low) * u) for scale, u in zip(scales, factors, strict=True)]
            steps.append(("hue", 0.2 * self.jitter * (2 * shift - 1)))
            jitter = [steps[number] for number in sorted(range(4), key=order.__getitem__)]
        grey = ("saturation", 0.0) if gates[1] < self.grey else None
        blur = ("blur", self.sigma[0] + (self.sigma[1] - self.sigma[0]) * deviation)
        return [*jitter, grey, blur if gates[2] < self.blur else None]


def refuse_normalised(views: Tensor) -> None:
    """Refuse augmented views that the model, which normalises them itself, would scale a second time.

    Raises:
        UserError: They are floats beyond 0 to 1.
    """
    low, high = (views.min().item(), views.max().item()) if views.is_floating_point() else (0, 1)
    if low < -0.01 or high > 1.01:
        raise UserError(
            f"data.augment gives numbers from {low:.2g} to {high:.2g}: expected uint8, or floats from 0 to 1, for the "
            "model normalises them itself"
        )


def augment_on_cpu(images: Tensor, plans: list[list[Step]]) -> Tensor:
    """Take every picture's steps, one picture after another.

    Args:
        images: Shape: ``(n, 3, H, W)``, uint8.
        plans: As many steps for each of the n pictures, taken in their order.

    Returns:
        Shape: ``(n, 3, H, W)``, uint8.
    """
    result = torch.empty(images.shape, dtype=torch.uint8)
    for source, plan, target in zip(images.numpy(), plans, result.numpy(), strict=True):
        for name, strength in filter(None, plan):
            ON_CPU[name](source, strength, target)
            source = target
        if source is not target:
            target[:] = source
    return result


def augment_on_device(images: Tensor, plans: list[list[Step]]) -> Tensor:
    """Take the steps of all pictures together, those of one kind at a time; see :func:`augment_on_cpu`."""
    levels = images.to(torch.int16)
    for steps in zip(*plans, strict=True):
        for name in {step[0]: None for step in steps if step}:
            chosen = [number for number, step in enumerate(steps) if step and step[0] == name]
            strengths = [step[1] for step in steps if step and step[0] == name]
            if len(chosen) == len(images):
                ON_DEVICE[name](levels, strengths)
            else:
                some = levels[chosen]
                ON_DEVICE[name](some, strengths)
                levels[chosen] = some
    return levels.to(torch.uint8)
