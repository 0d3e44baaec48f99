"""Crops have torchvision's distribution and pixels."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.v2 import functional as tv

from xclr_lightning.data.crop import random_box, resized_crop, turned_crop

DRAWS = 10_000


def statistics(boxes: list[tuple[int, int, int, int]], width: int, height: int) -> dict[str, torch.Tensor]:
    """Share of the area, log of the ratio, and place between the borders, ``(n,)`` each."""
    left, top, right, bottom = torch.tensor(boxes, dtype=torch.float64).T
    w, h = right - left, bottom - top
    free = (w < width) & (h < height)
    return {
        "area": w * h / (width * height),
        "ratio": (w / h).log(),
        "x": (left / (width - w))[free],
        "y": (top / (height - h))[free],
    }


@pytest.mark.parametrize(
    ("width", "height", "min_scale"), [(120, 90, 0.08), (90, 200, 0.08), (64, 64, 0.5), (400, 40, 0.08)]
)
def test_boxes_are_torchvisions(width, height, min_scale):
    stats = pytest.importorskip("scipy.stats")
    ours = [random_box(width, height, min_scale) for _ in range(DRAWS)]
    shape = torch.empty(3, height, width)
    theirs = []
    for _ in range(DRAWS):
        top, left, h, w = RandomResizedCrop.get_params(shape, [min_scale, 1.0], [3 / 4, 4 / 3])
        theirs.append((left, top, left + w, top + h))
    expected = statistics(theirs, width, height)
    for name, values in statistics(ours, width, height).items():
        assert stats.ks_2samp(values.numpy(), expected[name].numpy()).pvalue > 1e-3, name


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 500), (500, 1), (2, 3), (1000, 20), (7, 31)])
@pytest.mark.parametrize("min_scale", [0.001, 0.08, 1.0])
def test_boxes_lie_within_the_picture(width, height, min_scale):
    for _ in range(300):
        left, top, right, bottom = random_box(width, height, min_scale)
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height


@pytest.mark.parametrize(
    ("width", "height", "expected"), [(300, 30, (130, 0, 170, 30)), (30, 300, (0, 130, 30, 170)), (60, 60, None)]
)
def test_where_no_draw_fits_the_centre_is_taken(width, height, expected):
    box = random_box(width, height, 1.0)
    if expected is None:  # a square is its own largest crop of ratio 1, drawn or not
        assert (box[2] - box[0]) * (box[3] - box[1]) >= 0.99 * 3600
    else:
        assert box == expected


@pytest.mark.parametrize("box", [(10, 20, 110, 95), (0, 0, 200, 150), (50, 60, 70, 75), (5, 5, 6, 6), (9, 0, 10, 150)])
@pytest.mark.parametrize("size", [32, 64])
def test_pixels_are_torchvisions(box, size, make_picture):
    image = make_picture(200, 150)
    left, top, right, bottom = box
    picture = tv.pil_to_tensor(image)
    expected = tv.resized_crop(picture, top, left, bottom - top, right - left, [size, size], antialias=True)
    found = resized_crop(np.array(image), box, size)
    assert (found.dtype, found.shape) == (np.uint8, (size, size, 3))
    # By a tensor's layout, torch rounds in one step or two.
    assert np.abs(found.astype(int) - expected.permute(1, 2, 0).numpy()).max() <= 1
    pillow = np.array(image.crop(box).resize((size, size), Image.Resampling.BILINEAR))
    assert np.abs(found.astype(int) - pillow).max() <= 1


def smooth_picture(size: int) -> Image.Image:
    rows, columns = np.mgrid[:size, :size] / size
    channels = [rows, columns, 0.5 + 0.5 * np.sin(4 * rows + 3 * columns)]
    return Image.fromarray((255 * np.stack(channels, axis=2)).astype(np.uint8))


@pytest.mark.parametrize("box", [(20, 30, 84, 94), (10, 10, 190, 180)])
@pytest.mark.parametrize("degrees", [0, 30, -90])
def test_turned_crop_is_that_of_the_turned_picture(box, degrees):
    image = smooth_picture(200)
    view = turned_crop(image, box, 32, np.radians(degrees))
    turned = image.rotate(degrees, Image.Resampling.BILINEAR).resize((32, 32), Image.Resampling.BILINEAR, box=box)
    # Edges of the black corners fall on slightly different pixels.
    assert np.quantile(np.abs(view.astype(int) - np.array(turned)), 0.95) <= 4
