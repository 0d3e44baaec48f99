"""How a picture becomes views: random crops for training, the centre for evaluation, or torchvision's transforms."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms import v2
from torchvision.transforms.functional import center_crop

from xclr_lightning.data.crop import Box, random_box, resized_crop, turned_crop
from xclr_lightning.data.decode import pixels, rgb
from xclr_lightning.data.opencv import opencv
from xclr_lightning.errors import UserError

# How many times as long as wide a picture is of which evaluation resizes no more than it keeps.
_STRIP = 8


class View(ABC):
    """Turns a picture into a tensor. Subclass it for augmentations of your own, and name the subclass in a config.

    Draw from torch's global generator alone: its seed is what makes a run repeatable.
    """

    def __repr__(self) -> str:
        """The view as one would make it, from its public attributes."""
        settings = (f"{name}={value!r}" for name, value in vars(self).items() if not name.startswith("_"))
        return f"{type(self).__name__}({', '.join(settings)})"

    @abstractmethod
    def __call__(self, image: Image.Image) -> Tensor:
        """RGB picture to ``(3, size, size)``, uint8."""

    def several(self, image: Image.Image, count: int) -> Tensor:
        """Draw views of a picture that is decoded once.

        Args:
            image: The picture, of any mode, which may be opened without being decoded.
            count: How many views.

        Returns:
            Shape: ``(count, 3, size, size)``, uint8.

        Raises:
            BadImage: The picture's pixels cannot be read.
        """
        image = rgb(image)
        return torch.stack([self(image) for _ in range(count)])


class RandomCropView(View):
    """A random crop, resized and flipped: the geometry of SimCLR's augmentation, and the start of SupCon's.

    Colours are changed later, for a whole batch at once, by ``data.augment``.

    Args:
        size: Side of a view, in pixels.
        min_scale: Least share of the picture's area that a crop covers, in (0, 1].
        rotation: Pictures are turned by up to this many degrees before they are cropped.
        transforms: What each view then goes through, one by one in the workers: torchvision's transforms, or any module
            from ``(3, size, size)`` to the same, uint8. AutoAugment here is the augmentation of SupCon and of X-CLR on
            ImageNet.

    Raises:
        UserError: A setting is out of its range.

    Reference:
        Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, ICML 2020, appendix A.
        Cubuk et al., AutoAugment: Learning Augmentation Strategies from Data, CVPR 2019.
    """

    def __init__(
        self, size: int = 224, min_scale: float = 0.08, rotation: float = 0.0, transforms: Sequence[nn.Module] = ()
    ) -> None:
        if size < 1 or not 0 < min_scale <= 1:
            raise UserError(
                f"view of size {size}, min_scale {min_scale}: expected a positive size, a share from 0 to 1"
            )
        self.size, self.min_scale, self.rotation = size, min_scale, rotation
        self.transforms = tuple(transforms)

    def __call__(self, image: Image.Image) -> Tensor:
        return self.several(image, 1)[0]

    def several(self, image: Image.Image, count: int) -> Tensor:
        boxes = [random_box(image.width, image.height, self.min_scale) for _ in range(count)]
        chances = torch.rand(count, 2).tolist()
        crops = self._turned(image, boxes, chances) if self.rotation else self._crops(image, boxes)
        views = torch.empty(count, 3, self.size, self.size, dtype=torch.uint8)
        for planes, crop, (_, flip) in zip(views.numpy(), crops, chances, strict=True):
            opencv().split(opencv().flip(crop, 1) if flip < 0.5 else crop, list(planes))
        return torch.stack([_transformed(view, self.transforms) for view in views]) if self.transforms else views

    def _crops(self, image: Image.Image, boxes: list[Box]) -> list[np.ndarray]:
        width, height = image.size
        # With two pixels left for one of the view, the resampling of the crop is what one sees, not the decoder's.
        spare = min(min(right - left, bottom - top) for left, top, right, bottom in boxes) // (2 * self.size)
        picture = pixels(image, shrink=max(factor for factor in (1, 2, 4, 8) if factor <= max(1, spare)))
        x, y = picture.shape[1] / width, picture.shape[0] / height
        shrunk = [(round(box[0] * x), round(box[1] * y), round(box[2] * x), round(box[3] * y)) for box in boxes]
        return [resized_crop(picture, box, self.size) for box in shrunk]

    def _turned(self, image: Image.Image, boxes: list[Box], chances: list[list[float]]) -> list[np.ndarray]:
        picture = rgb(image)
        angles = [math.radians((2 * turn - 1) * self.rotation) for turn, _ in chances]
        return [turned_crop(picture, box, self.size, angle) for box, angle in zip(boxes, angles, strict=True)]


class EvalView(View):
    """The evaluation crop: the shorter side to ``resize`` (bicubic), then the centre, to the pixel as torchvision does.

    Of a picture more than 8 times as long as wide the centre alone is resized, which changes hardly a grey level.

    Args:
        size: Side of the view, in pixels; smaller pictures get a black border.
        resize: Length of the shorter side before the crop; None leaves pictures of the right size as they are.
    """

    def __init__(self, size: int = 224, resize: int | None = 256) -> None:
        self.size, self.resize = size, resize

    def __call__(self, image: Image.Image) -> Tensor:
        if self.resize is not None:
            image = self._resized(image, self.resize)
        left, top = (round((side - self.size) / 2) for side in image.size)
        if left or top or image.size != (self.size, self.size):
            if min(image.size) < self.size:
                image = center_crop(image, [self.size, self.size])
            else:
                image = image.crop((left, top, left + self.size, top + self.size))
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()

    def _resized(self, image: Image.Image, shorter: int) -> Image.Image:
        short = min(image.size)
        width, height = (shorter * side // short for side in image.size)
        if max(image.size) <= _STRIP * short:
            whole = (width, height) == image.size
            return image if whole else image.resize((width, height), Image.Resampling.BICUBIC)
        # One pixel wide and 4,000 long, it would become one of a million by 256.
        sides = np.array([width, height])
        kept = np.minimum(sides, self.size)
        start = np.round((sides - kept) / 2)
        box = np.stack([start, start + kept]) * image.size / sides
        return image.resize(tuple(kept.tolist()), Image.Resampling.BICUBIC, tuple(box.ravel().tolist()))


class TransformView(View):
    """Torchvision's transforms, one after another, from the RGB picture on.

    Args:
        transforms: Transforms or other modules; the first gets a Pillow picture, the last gives a picture or a tensor
            ``(3, size, size)``, uint8. Scaling to [0, 1] and normalisation are the model's business.

    Example:
        >>> view = TransformView([v2.RandomResizedCrop(8), v2.RandAugment()])
        >>> view(Image.new("RGB", (20, 10))).shape
        torch.Size([3, 8, 8])
    """

    def __init__(self, transforms: Sequence[nn.Module]) -> None:
        self.transforms = tuple(transforms)

    def __call__(self, image: Image.Image) -> Tensor:
        return _transformed(image, (*self.transforms, v2.PILToTensor()))


def _transformed(picture: Image.Image | Tensor, transforms: Sequence[nn.Module]) -> Tensor:
    for transform in transforms:
        picture = transform(picture)
    if not isinstance(picture, Tensor) or picture.dtype != torch.uint8 or picture.ndim != 3 or len(picture) != 3:
        found = f"{picture.dtype} {tuple(picture.shape)}" if isinstance(picture, Tensor) else type(picture).__name__
        raise UserError(
            f"a view's transforms gave {found}: expected a uint8 tensor (3, size, size); leave out conversion to float "
            "and normalisation, which the model does"
        )
    return picture
