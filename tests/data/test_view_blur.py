"""The blur of a batch is torchvision's on each picture, to within two grey levels."""

import pytest
import torch
from torchvision.transforms.v2 import functional as tv

from xclr_lightning.data.blur import gaussian_blur_

SIGMAS = [0.1, 0.5, 1.0, 2.0]


def levels(*shape: int) -> torch.Tensor:
    return torch.randint(256, shape, dtype=torch.int16)


@pytest.mark.parametrize(
    ("height", "width", "taps"),
    [(2, 2, 3), (9, 11, 3), (32, 32, 3), (40, 40, 5), (37, 60, 7), (65, 127, 13), (224, 224, 23)],
)
@pytest.mark.parametrize("together", [True, False])
def test_blur_is_torchvisions_over_a_tenth_of_the_side(height, width, taps, together):
    images = levels(4, 3, height, width)
    floats = images.float()
    expected = torch.stack(
        [tv.gaussian_blur(image, [taps, taps], [s, s]) for image, s in zip(floats, SIGMAS, strict=True)]
    )
    count = 4 if together else 1
    for start in range(0, 4, count):
        gaussian_blur_(images[start : start + count], SIGMAS[start : start + count])
    # Each direction rounds its weights to 8 bits and its result to whole levels.
    torch.testing.assert_close(images.float(), expected, rtol=0, atol=2)
    assert (images - expected).abs().mean() < 0.4


def test_the_many_small_weights_of_a_wide_blur_add_up():
    images = levels(1, 3, 60, 1000)
    expected = tv.gaussian_blur(images.float(), [101, 101], [20.0, 20.0])
    gaussian_blur_(images, [20.0])
    torch.testing.assert_close(images.float(), expected, rtol=0, atol=3)


def test_blur_neither_brightens_nor_darkens():
    images = levels(8, 3, 224, 224)
    before = images.float().mean()
    gaussian_blur_(images, torch.linspace(0.1, 2, 8).tolist())
    assert images.float().mean() == pytest.approx(before.item(), abs=0.05)


@pytest.mark.parametrize("level", [0, 127, 128, 255])
@pytest.mark.parametrize("sigma", [0.1, 0.7, 2.0])
def test_a_plain_picture_stays_as_it_is(level, sigma):
    images = torch.full((1, 3, 50, 60), level, dtype=torch.int16)
    gaussian_blur_(images, [sigma])
    assert (images == level).all()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 30), (30, 1), (1, 70), (2, 224)])
def test_a_side_shorter_than_the_reach_is_mirrored_again_and_again(height, width):
    images = torch.full((1, 3, height, width), 99, dtype=torch.int16)
    gaussian_blur_(images, [2.0])
    assert (images == 99).all()


def test_every_picture_has_its_own_deviation():
    images = levels(1, 3, 40, 40).repeat(3, 1, 1, 1)
    gaussian_blur_(images, [0.1, 1.0, 2.0])
    floats = images.float()
    roughness = (floats - floats.mean(dim=(2, 3), keepdim=True)).square().mean(dim=(1, 2, 3))
    assert roughness[0] > 2 * roughness[1] > 2 * roughness[2]
