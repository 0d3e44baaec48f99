"""Crops have torchvision's distribution and pixels; evaluation views have their size."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import RandomResizedCrop, v2
from torchvision.transforms.v2 import functional as tv

from xclr_lightning.data import views as module
from xclr_lightning.data.views import EvalView, RandomCropView, random_box, stack_views

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


def fixed(monkeypatch, box, flip: bool, turn: float = 0.5) -> None:
    monkeypatch.setattr(module, "random_box", lambda *_: box)
    monkeypatch.setattr(module.torch, "rand", lambda _: torch.tensor([turn, 0.0 if flip else 1.0]))


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("box", [(10, 20, 110, 95), (0, 0, 200, 150), (50, 60, 70, 75)])
def test_pixels_are_a_crop_resized(box, flip, make_picture, monkeypatch):
    fixed(monkeypatch, box, flip)
    image = make_picture(200, 150)
    expected = tv.resize(tv.pil_to_tensor(image.crop(box)), [32, 32], antialias=True)
    expected = expected.flip(2) if flip else expected
    view = RandomCropView(32)(image)
    assert view.dtype == torch.uint8
    # At the border Pillow also reads what lies just outside the box.
    assert (view.int() - expected.int()).abs()[:, 1:-1, 1:-1].max() <= 1


def smooth_picture(size: int) -> Image.Image:
    rows, columns = np.mgrid[:size, :size] / size
    channels = [rows, columns, 0.5 + 0.5 * np.sin(4 * rows + 3 * columns)]
    return Image.fromarray((255 * np.stack(channels, axis=2)).astype(np.uint8))


@pytest.mark.parametrize("box", [(20, 30, 84, 94), (10, 10, 190, 180)])
@pytest.mark.parametrize("degrees", [0, 30, -90])
def test_turned_crop_is_that_of_the_turned_picture(box, degrees, monkeypatch):
    image = smooth_picture(200)
    fixed(monkeypatch, box, flip=False, turn=1.0)
    view = RandomCropView(32, rotation=degrees)(image) if degrees else RandomCropView(32, rotation=1e-9)(image)
    turned = image.rotate(degrees, Image.Resampling.BILINEAR).resize((32, 32), Image.Resampling.BILINEAR, box=box)
    difference = (view.int() - tv.pil_to_tensor(turned).int()).abs().float()
    # Edges of the black corners fall on slightly different pixels.
    assert difference.quantile(0.95) <= 4


def test_rotation_stays_within_its_range(monkeypatch, make_picture):
    angles = []
    crop = module._turned_crop
    monkeypatch.setattr(module, "_turned_crop", lambda *args: angles.append(args[3]) or crop(*args))
    stack_views(make_picture(), RandomCropView(8, rotation=20), 400)
    assert max(np.abs(np.degrees(angles))) <= 20
    assert min(angles) < -0.3 < 0.3 < max(angles)


def test_views_differ_and_half_are_flipped():
    image = Image.fromarray(np.tile(np.arange(0, 200, dtype=np.uint8)[None, :, None], (100, 1, 3)))
    views = stack_views(image, RandomCropView(8), 400)
    assert views.shape == (400, 3, 8, 8)
    assert len({bytes(view.numpy().tobytes()) for view in views}) > 390
    flipped = views[:, 0, 0, 0] > views[:, 0, 0, -1]
    assert 150 < flipped.sum() < 250


@pytest.mark.parametrize("size", [(1, 1), (3, 900), (900, 3)])
@pytest.mark.parametrize("rotation", [0.0, 15.0])
def test_extreme_pictures(size, rotation, make_picture):
    assert RandomCropView(24, rotation=rotation)(make_picture(*size)).shape == (3, 24, 24)


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (64, 64), (40, 33), (1000, 10)])
def test_evaluation_view_is_the_centre(size, make_picture):
    image = make_picture(*size)
    view = EvalView(size=28, resize=32)(image)
    steps = [v2.Resize(32, v2.InterpolationMode.BICUBIC), v2.CenterCrop(28), v2.PILToTensor()]
    assert (view.shape, view.dtype) == ((3, 28, 28), torch.uint8)
    assert torch.equal(view, v2.Compose(steps)(image))


def test_evaluation_view_of_a_picture_of_the_right_size_is_the_picture(make_picture):
    image = make_picture(24, 24)
    assert torch.equal(EvalView(24, resize=None)(image), tv.pil_to_tensor(image))
