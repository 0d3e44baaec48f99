"""How a picture becomes a view: a random crop for training, the centre for evaluation."""

import math
from abc import ABC, abstractmethod

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2


class View(ABC):
    """Turns a picture into a tensor. Subclass it for augmentations of your own, and name the subclass in a config."""

    @abstractmethod
    def __call__(self, image: Image.Image) -> Tensor:
        """RGB picture to ``(3, size, size)``, uint8."""


class RandomCropView(View):
    """The geometry of SimCLR's augmentation: rotate, crop and resize, flip.

    Colours are changed later, for a whole batch at once, by ``data.augment``.

    Args:
        size: Side of a view, in pixels.
        min_scale: Least share of the picture's area that a crop covers, in (0, 1].
        rotation: Pictures are turned by up to this many degrees before they are cropped.

    Reference:
        Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, ICML 2020, appendix A.
    """

    def __init__(self, size: int = 224, min_scale: float = 0.08, rotation: float = 0.0) -> None:
        self.size, self.min_scale, self.rotation = size, min_scale, rotation

    def __call__(self, image: Image.Image) -> Tensor:
        box = random_box(image.width, image.height, self.min_scale)
        turn, flip = torch.rand(2).tolist()
        if self.rotation:
            image = _turned_crop(image, box, self.size, math.radians((2 * turn - 1) * self.rotation))
        else:
            image = image.resize((self.size, self.size), Image.Resampling.BILINEAR, box=box)
        pixels = torch.from_numpy(np.asarray(image).transpose(2, 0, 1).copy())
        return pixels.flip(2) if flip < 0.5 else pixels


def random_box(width: int, height: int, min_scale: float) -> tuple[int, int, int, int]:
    """Draw the crop of torchvision's ``RandomResizedCrop``: left, top, right, bottom in pixels.

    Its area is a uniform share of the picture's, its sides' ratio log-uniform in [3/4, 4/3]; after ten draws that do
    not fit, it is the largest central box of an allowed ratio.
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


def _turned_crop(image: Image.Image, box: tuple[int, int, int, int], size: int, angle: float) -> Image.Image:
    """Crop, turn about the picture's centre and resize in one resampling; what lies outside the picture is black."""
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
    return image.transform((size, size), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)


class EvalView(View):
    """The evaluation crop: the shorter side to ``resize`` (bicubic), then the centre.

    Args:
        size: Side of the view, in pixels.
        resize: Length of the shorter side before the crop; None leaves pictures of the right size as they are.
    """

    def __init__(self, size: int = 224, resize: int | None = 256) -> None:
        steps = [] if resize is None else [v2.Resize(resize, v2.InterpolationMode.BICUBIC)]
        self._transform = v2.Compose([*steps, v2.CenterCrop(size), v2.PILToTensor()])

    def __call__(self, image: Image.Image) -> Tensor:
        return self._transform(image)


def stack_views(image: Image.Image, view: View, count: int) -> Tensor:
    """Draw several views of a picture that was decoded once. Shape: ``(count, 3, size, size)``."""
    return torch.stack([view(image) for _ in range(count)])
