"""Every colour operation on a batch is torchvision's on each picture, to within the rounding to grey levels."""

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
    """Four pictures with black, white, grey and pure colours among their pixels, ``(4, 3, 9, 11)`` in [0, 255]."""
    images = torch.randint(256, (4, 3, 9, 11), dtype=torch.int16)
    images[:, :, 0, :8] = torch.cartesian_prod(*[torch.tensor([0, 255], dtype=torch.int16)] * 3).T
    images[:, :, 1] = images[:, :1, 1]
    images[:, 1, 2] = images[:, 2, 2]  # two channels alike
    images[:, 0, 3] = images[:, 1, 3]
    return images


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_is_torchvisions(name):
    operation, theirs, strengths = OPERATIONS[name]
    images = colours()
    floats = images / 255
    expected = torch.stack([theirs(image, strength) for image, strength in zip(floats, strengths, strict=True)])
    operation(images, strengths)
    # Strengths of 1.8 have six bits behind the point: half of the last one is two levels of white.
    torch.testing.assert_close(images.float(), 255 * expected, rtol=0, atol=2)
    assert (images - 255 * expected).abs().mean() < 0.5


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
@pytest.mark.parametrize("factor", [0.25, 0.5, 0.75, 1.25, 1.5, 1.75, 2.5, 3.0])
def test_factors_of_few_bits_leave_rounding_alone(name, factor):
    operation, theirs, _ = OPERATIONS[name]
    images = colours()
    expected = torch.stack([theirs(image, factor) for image in images / 255]) * 255
    operation(images, [factor] * 4)
    # Half a level, and up to one of luma as far as it takes part.
    torch.testing.assert_close(images.float(), expected, rtol=0, atol=0.51 + abs(1 - factor))


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_factor_one_changes_nothing(name):
    images = colours()
    before = images.clone()
    OPERATIONS[name][0](images, [1.0] * 4)
    assert torch.equal(images, before)


@pytest.mark.parametrize("shift", [-0.5, -0.41, -1 / 3, -0.2, -1 / 6, -0.01, 0.0, 1e-4, 0.1, 1 / 6, 0.25, 1 / 3, 0.5])
def test_hue_of_every_eight_bit_colour_in_a_grid(shift):
    levels = torch.tensor([0, 1, 2, 63, 64, 127, 128, 200, 254, 255], dtype=torch.int16)
    image = torch.cartesian_prod(levels, levels, levels).T.reshape(1, 3, 40, 25).contiguous()
    expected = 255 * tv.adjust_hue(image / 255, shift)
    colour.adjust_hue_(image, [shift])
    torch.testing.assert_close(image.float(), expected, rtol=0, atol=1)


@pytest.mark.parametrize("name", OPERATIONS)
def test_range_is_kept(name):
    operation, _, strengths = OPERATIONS[name]
    for strength in strengths:
        images = colours()
        operation(images, [strength] * 4)
        assert images.min() >= 0
        assert images.max() <= 255


@pytest.mark.parametrize("name", [*OPERATIONS, "blur"])
def test_operation_stays_on_the_device_of_the_pictures(name):
    operation, _, strengths = OPERATIONS.get(name, (gaussian_blur_, None, [0.1, 0.5, 1.0, 2.0]))
    operation(colours().to("meta"), strengths)  # values on the CPU could not be mixed in


def test_grey_is_torchvisions():
    images = colours()
    expected = 255 * tv.rgb_to_grayscale(images / 255)
    torch.testing.assert_close(colour.grey(images).float(), expected, rtol=0, atol=1)  # weights of 8 bits
