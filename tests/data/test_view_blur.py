"""The blur of a batch is torchvision's on each picture."""

import pytest
import torch
from torchvision.transforms.v2 import functional as tv

from xclr_lightning.data.blur import BLOCK, gaussian_blur_

SIGMAS = [0.1, 0.5, 1.0, 2.0]


@pytest.mark.parametrize(
    ("height", "width", "taps"),
    [(2, 2, 3), (9, 11, 3), (32, 32, 3), (40, 40, 5), (37, 60, 7), (BLOCK + 1, 2 * BLOCK - 1, 13), (224, 224, 23)],
)
@pytest.mark.parametrize("together", [True, False])
def test_blur_is_torchvisions_over_a_tenth_of_the_side(height, width, taps, together):
    images = torch.rand(4, 3, height, width)
    expected = torch.stack(
        [tv.gaussian_blur(image, [taps, taps], [s, s]) for image, s in zip(images, SIGMAS, strict=True)]
    )
    count = 4 if together else 1
    for part, sigma in zip(images.split(count), torch.tensor(SIGMAS).split(count), strict=True):
        gaussian_blur_(part, sigma)
    torch.testing.assert_close(images, expected, rtol=0, atol=3e-6)  # a Gaussian's tail beyond five deviations


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 30), (30, 1)])
def test_a_side_of_one_pixel_is_its_own_mirror_image(height, width):
    images = torch.full((1, 3, height, width), 0.25)
    gaussian_blur_(images, torch.tensor([2.0]))
    torch.testing.assert_close(images, torch.full((1, 3, height, width), 0.25))


def test_every_picture_has_its_own_deviation():
    image = torch.rand(1, 3, 40, 40)
    images = image.repeat(3, 1, 1, 1)
    gaussian_blur_(images, torch.tensor([0.1, 1.0, 2.0]))
    roughness = (images - images.mean(dim=(2, 3), keepdim=True)).square().mean(dim=(1, 2, 3))
    assert roughness[0] > 2 * roughness[1] > 2 * roughness[2]
