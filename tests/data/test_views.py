"""Views are crops of the picture, drawn from torch's generator alone, by whatever class a config names."""

import io

import numpy as np
import pytest
import torch
from jsonargparse import ArgumentParser
from PIL import Image
from torch import nn
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as tv

from xclr_lightning.data import views as module
from xclr_lightning.data.crop import resized_crop
from xclr_lightning.data.decode import rgb
from xclr_lightning.data.views import EvalView, RandomCropView, TransformView, View
from xclr_lightning.errors import UserError


def jpeg(image: Image.Image, quality: int = 95) -> Image.Image:
    """Opened, not decoded."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def ramp(width: int = 200, height: int = 100) -> Image.Image:
    """Brighter towards the right."""
    return Image.fromarray(np.tile(np.linspace(0, 255, width).astype(np.uint8)[None, :, None], (height, 1, 3)))


def seeded(seed: int, image: Image.Image, view: View, count: int = 2) -> torch.Tensor:
    torch.manual_seed(seed)
    return view.several(image, count)


@pytest.mark.parametrize("opened", [False, True])
def test_a_view_is_a_crop_resized_or_its_mirror_image(opened, make_picture, monkeypatch):
    box = (10, 20, 110, 95)
    monkeypatch.setattr(module, "random_box", lambda *_: box)
    image = jpeg(make_picture(200, 150)) if opened else make_picture(200, 150)
    views = RandomCropView(32).several(image, 40)
    expected = torch.from_numpy(resized_crop(np.array(image.convert("RGB")), box, 32)).permute(2, 0, 1)
    assert (views.shape, views.dtype) == ((40, 3, 32, 32), torch.uint8)
    straight = (views.int() - expected.int()).abs().flatten(1).amax(dim=1) <= 1
    mirrored = (views.int() - expected.flip(2).int()).abs().flatten(1).amax(dim=1) <= 1
    assert (straight ^ mirrored).all()
    assert straight.any()
    assert mirrored.any()


def test_half_of_the_views_are_flipped():
    stats = pytest.importorskip("scipy.stats")
    views = RandomCropView(2).several(ramp(64, 48), 10_000)
    flipped = int((views[:, 0, 0, 0] > views[:, 0, 0, -1]).sum())
    assert stats.binomtest(flipped, len(views), 0.5).pvalue > 1e-3


def test_views_of_a_picture_differ():
    views = RandomCropView(8).several(ramp(), 400)
    assert len(views.unique(dim=0)) > 390


VIEWS = {
    "crop": RandomCropView(16),
    "turned": RandomCropView(16, rotation=20),
    "imagenet policy": RandomCropView(16, transforms=[v2.AutoAugment()]),
    "own": TransformView([v2.RandomResizedCrop(16), v2.RandomHorizontalFlip(), v2.RandAugment()]),
}


@pytest.mark.parametrize("name", VIEWS)
def test_the_seed_decides_the_views(name, make_picture):
    image, view = make_picture(60, 40), VIEWS[name]
    first = seeded(1, image, view, 4)
    assert first.shape == (4, 3, 16, 16)
    assert torch.equal(seeded(1, image, view, 4), first)
    assert not torch.equal(seeded(2, image, view, 4), first)


@pytest.mark.parametrize("name", ["crop", "turned"])
def test_one_view_is_the_first_of_several(name, make_picture):
    image = make_picture(60, 40)
    torch.manual_seed(4)
    assert torch.equal(VIEWS[name](image), seeded(4, image, VIEWS[name], 1)[0])


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (500, 3), (2, 2)])
@pytest.mark.parametrize("name", VIEWS)
def test_extreme_pictures(size, name, make_picture):
    assert VIEWS[name].several(make_picture(*size), 3).shape == (3, 3, 16, 16)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1", "I;16"])
@pytest.mark.parametrize("name", VIEWS)
def test_pictures_of_any_mode(mode, name, make_picture):
    image = make_picture(40, 30)
    image = Image.fromarray(np.full((30, 40), 900, np.uint16)) if mode == "I;16" else image.convert(mode)
    assert torch.equal(seeded(3, image, VIEWS[name]), seeded(3, rgb(image), VIEWS[name]))


def test_rotation_stays_within_its_range(monkeypatch, make_picture):
    angles = []
    crop = module.turned_crop
    monkeypatch.setattr(module, "turned_crop", lambda *args: angles.append(args[3]) or crop(*args))
    RandomCropView(8, rotation=20).several(make_picture(), 400)
    assert max(np.abs(np.degrees(angles))) <= 20
    assert min(angles) < -0.3 < 0.3 < max(angles)


def test_a_large_jpeg_is_decoded_small_and_looks_the_same(monkeypatch):
    rows, columns = np.mgrid[:1200, :1600]
    channels = [columns / 1600, rows / 1200, 0.5 + 0.5 * np.sin(rows / 90 + columns / 70)]
    image = Image.fromarray((255 * np.stack(channels, axis=2)).astype(np.uint8))
    view, asked, whole = RandomCropView(32, min_scale=0.3), [], module.pixels
    monkeypatch.setattr(module, "pixels", lambda image, shrink: asked.append(shrink) or whole(image, shrink))
    small = seeded(1, jpeg(image), view, 8)
    assert asked == [8]
    difference = (small.int() - seeded(1, image, view, 8).int()).abs().float()
    assert difference.mean() < 1.5
    assert difference.max() <= 12


def test_an_ordinary_jpeg_is_decoded_whole(make_picture):
    image = jpeg(make_picture(500, 375))
    views = seeded(1, image, RandomCropView(224))
    assert torch.equal(views, seeded(1, image.convert("RGB"), RandomCropView(224)))


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (64, 64), (40, 33), (1000, 10), (33, 32), (101, 67)])
def test_evaluation_view_is_the_centre(size, make_picture):
    image = make_picture(*size)
    view = EvalView(size=28, resize=32)(image)
    steps = [v2.Resize(32, v2.InterpolationMode.BICUBIC), v2.CenterCrop(28), v2.PILToTensor()]
    assert (view.shape, view.dtype) == ((3, 28, 28), torch.uint8)
    assert torch.equal(view, v2.Compose(steps)(image))


@pytest.mark.parametrize("size", [(40, 400), (400, 40), (1, 300), (1000, 60), (7, 701), (300, 2500)])
@pytest.mark.parametrize("settings", [(28, 32), (32, 28), (25, 32)])
def test_evaluation_view_of_a_strip_is_its_centre(settings, size, make_picture, monkeypatch):
    """Pillow turns numbers to grey levels twice, in an order that depends on the sizes: two levels off at most."""
    image = make_picture(*size).point(lambda level: 64 + level // 2)  # without overshoots to be cut off
    resized, sizes = Image.Image.resize, []
    monkeypatch.setattr(Image.Image, "resize", lambda image, to, *rest: sizes.append(to) or resized(image, to, *rest))
    view = EvalView(*settings)(image)
    assert max(sizes.pop()) <= settings[0]
    monkeypatch.setattr(module, "_STRIP", 1e9)
    assert (view.int() - EvalView(*settings)(image).int()).abs().max() <= 2
    assert max(sizes.pop()) >= 8 * settings[1]


@pytest.mark.parametrize("turned", [False, True])
def test_evaluation_view_of_a_line(turned):
    line = np.arange(60_000, dtype=np.uint16).astype(np.uint8)
    image = Image.fromarray(np.tile(line[:, None, None] if turned else line[None, :, None], (1, 1, 3)))
    view = EvalView()(image)
    assert view.shape == (3, 224, 224)
    low, high = line[29_999], line[30_000]
    assert high == low + 1
    assert low <= view.min() <= view.max() <= high


@pytest.mark.parametrize("size", [(20, 31), (31, 20), (28, 12), (29, 29)])
def test_evaluation_view_of_a_small_picture_has_a_border(size, make_picture):
    image = make_picture(*size)
    expected = v2.Compose([v2.CenterCrop(28), v2.PILToTensor()])(image)
    assert torch.equal(EvalView(size=28, resize=None)(image), expected)


def test_evaluation_view_of_a_large_jpeg_is_exact(make_picture):
    image = jpeg(make_picture(900, 700))
    expected = EvalView(28, 32)(image.convert("RGB"))
    assert torch.equal(EvalView(28, 32).several(jpeg(make_picture(900, 700)), 1)[0], expected)


def test_evaluation_view_of_a_picture_of_the_right_size_is_the_picture(make_picture):
    image = make_picture(24, 24)
    assert torch.equal(EvalView(24, resize=None)(image), tv.pil_to_tensor(image))


@pytest.mark.parametrize("policy", list(v2.AutoAugmentPolicy) if hasattr(v2, "AutoAugmentPolicy") else [])
def test_policy_is_torchvisions_on_the_crop(policy, make_picture):
    image, transform = make_picture(60, 40), v2.AutoAugment(policy)
    plain = seeded(9, image, RandomCropView(16), 3)
    expected = torch.stack([transform(view) for view in plain])  # goes on drawing where the crops left off
    assert torch.equal(seeded(9, image, RandomCropView(16, transforms=[transform]), 3), expected)


@pytest.mark.parametrize("short", ["RandomCropView", "TransformView"])
def test_torchvisions_transforms_are_named_in_a_config(short, make_picture):
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--view", type=View)
    policy = {"class_path": "torchvision.transforms.v2.AutoAugment", "init_args": {"policy": "CIFAR10"}}
    crop = {"class_path": "torchvision.transforms.v2.RandomResizedCrop", "init_args": {"size": 16}}
    settings = {
        "RandomCropView": {"size": 16, "transforms": [policy]},
        "TransformView": {"transforms": [crop, policy]},
    }[short]
    config = parser.parse_object({"view": {"class_path": f"xclr_lightning.data.views.{short}", "init_args": settings}})
    view = parser.instantiate_classes(config).view
    assert view.transforms[-1].policy.value == "cifar10"
    assert view.several(make_picture(30, 20), 2).shape == (2, 3, 16, 16)
    assert "CIFAR10" in parser.dump(config)


class Half(nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image.half()


@pytest.mark.parametrize(
    ("view", "found"),
    [
        (RandomCropView(8, transforms=[Half()]), r"torch.float16 \(3, 8, 8\)"),
        (TransformView([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]), r"torch.float32 \(3, 20, 30\)"),
        (TransformView([v2.Grayscale()]), r"torch.uint8 \(1, 20, 30\)"),
    ],
)
def test_transforms_that_give_something_else_are_refused(view, found, make_picture):
    with pytest.raises(UserError, match=f"transforms gave {found}: expected a uint8 tensor"):
        view.several(make_picture(30, 20), 1)


@pytest.mark.parametrize("settings", [{"size": 0}, {"min_scale": 0.0}, {"min_scale": 8}])
def test_a_setting_out_of_range_is_named(settings):
    with pytest.raises(UserError, match=r"view of size \d+, min_scale [\d.]+: expected"):
        RandomCropView(**settings)
