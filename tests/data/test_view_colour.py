"""Every colour operation on a batch is torchvision's on each picture."""

import pytest
import torch
from torchvision.transforms.v2 import functional as tv

from xclr_lightning.data import colour
from xclr_lightning.data.blur import gaussian_blur_

OPERATIONS = {
    "brightness": (colour.adjust_brightness_, tv.adjust_brightness, [0.0, 0.2, 1.0, 1.8]),
    "contrast": (colour.adjust_contrast_, tv.adjust_contrast, [0.0, 0.2, 1.0, 1.8]),
    "saturation": (colour.adjust_saturation_, tv.adjust_saturation, [0.0, 0.2, 1.0, 1.8]),
    "hue": (colour.adjust_hue_, tv.adjust_hue, [-0.5, -0.2, 0.0, 0.13]),
}


def colours() -> torch.Tensor:
    """Four pictures with black, white, grey and pure colours among their pixels, ``(4, 3, 9, 11)`` in [0, 1]."""
    images = torch.rand(4, 3, 9, 11)
    images[:, :, 0, :8] = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3).T
    images[:, :, 1] = images[:, :1, 1]
    images[:, 1, 2] = images[:, 2, 2]  # two channels alike
    images[:, 0, 3] = images[:, 1, 3]
    return images


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_is_torchvisions(name):
    operation, theirs, strengths = OPERATIONS[name]
    images = colours()
    expected = torch.stack([theirs(image, strength) for image, strength in zip(images, strengths, strict=True)])
    operation(images, torch.tensor(strengths))
    torch.testing.assert_close(images, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("shift", [-0.5, -0.41, -1 / 3, -0.2, -1 / 6, -0.01, 0.0, 1e-4, 0.1, 1 / 6, 0.25, 1 / 3, 0.5])
def test_hue_of_every_eight_bit_colour_in_a_grid(shift):
    levels = torch.tensor([0, 1, 2, 63, 64, 127, 128, 200, 254, 255]) / 255
    image = torch.cartesian_prod(levels, levels, levels).T.reshape(1, 3, 40, 25).contiguous()
    expected = tv.adjust_hue(image, shift)
    colour.adjust_hue_(image, torch.tensor([shift]))
    torch.testing.assert_close(image, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("name", OPERATIONS)
def test_range_is_kept(name):
    operation, _, strengths = OPERATIONS[name]
    images = colours()
    operation(images, torch.tensor(strengths))
    assert images.min() >= -1e-6
    assert images.max() <= 1 + 1e-6


@pytest.mark.parametrize("name", [*OPERATIONS, "blur"])
def test_operation_stays_on_the_device_of_the_pictures(name):
    operation, _, strengths = OPERATIONS.get(name, (gaussian_blur_, None, [0.1, 0.5, 1.0, 2.0]))
    operation(colours().to("meta"), torch.tensor(strengths))  # values on the CPU could not be mixed in


def test_grey_is_torchvisions():
    images = colours()
    torch.testing.assert_close(colour.grey(images), tv.rgb_to_grayscale(images))
