"""Every operation on one picture is torchvision's, to within the rounding to grey levels."""

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as tv

from xclr_lightning.data import photometric_cpu as cpu

OPERATIONS = {
    "brightness": (cpu.adjust_brightness, tv.adjust_brightness),
    "contrast": (cpu.adjust_contrast, tv.adjust_contrast),
    "saturation": (cpu.adjust_saturation, tv.adjust_saturation),
}
FACTORS = [0.0, 0.2, 0.75, 1.0, 1.3, 1.8, 3.0]
SHIFTS = [-0.5, -0.41, -1 / 3, -0.2, -1 / 6, -0.01, 0.0, 1e-4, 0.1, 1 / 6, 0.25, 1 / 3, 0.5]


def noise(height: int, width: int) -> np.ndarray:
    return torch.randint(256, (3, height, width), dtype=torch.uint8).numpy()


def colours() -> np.ndarray:
    """Every colour of a grid, black, white, greys and pure ones among them, ``(3, 40, 25)``."""
    levels = torch.tensor([0, 1, 2, 63, 64, 127, 128, 200, 254, 255], dtype=torch.uint8)
    return torch.cartesian_prod(levels, levels, levels).T.reshape(3, 40, 25).contiguous().numpy()


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_is_torchvisions(name, factor):
    operation, theirs = OPERATIONS[name]
    image = colours()
    expected = 255 * theirs(torch.from_numpy(image) / 255, factor).numpy()
    operation(image, factor, image)
    # Half a level, and up to one of luma as far as it takes part.
    assert np.abs(image - expected).max() <= 0.51 + abs(1 - factor)
    assert np.abs(image - expected).mean() < 0.3 + 0.3 * abs(1 - factor)


@pytest.mark.parametrize("name", OPERATIONS)
def test_factor_one_changes_nothing(name):
    image = colours()
    OPERATIONS[name][0](image, 1.0, image)
    assert np.array_equal(image, colours())


@pytest.mark.parametrize("shift", SHIFTS)
def test_hue_of_every_colour_of_a_grid(shift):
    image = colours()
    expected = 255 * tv.adjust_hue(torch.from_numpy(image) / 255, shift).numpy()
    cpu.adjust_hue(image, shift, image)
    assert np.abs(image - expected).max() <= 0.51


def test_without_saturation_all_channels_are_alike():
    image = colours()
    cpu.adjust_saturation(image, 0.0, image)
    assert (image == image[0]).all()


@pytest.mark.parametrize("sigma", [0.1, 0.5, 1.0, 2.0])
@pytest.mark.parametrize(
    ("height", "width", "taps"), [(2, 2, 3), (9, 11, 3), (40, 40, 5), (65, 127, 13), (30, 224, 23)]
)
def test_blur_is_torchvisions_over_a_tenth_of_the_side(height, width, taps, sigma):
    image = noise(height, width)
    expected = tv.gaussian_blur(torch.from_numpy(image).float(), [taps, taps], [sigma, sigma]).numpy()
    cpu.gaussian_blur(image, sigma, image)
    # Each direction rounds its weights to 8 bits.
    assert np.abs(image - expected).max() <= 2
    assert np.abs(image - expected).mean() < 0.4


@pytest.mark.parametrize("level", [0, 127, 128, 255])
@pytest.mark.parametrize(("height", "width"), [(50, 60), (1, 1), (1, 70), (70, 1), (2, 224)])
@pytest.mark.parametrize("sigma", [0.1, 0.7, 2.0])
def test_a_plain_picture_is_not_changed_by_blur(level, height, width, sigma):
    image = np.full((3, height, width), level, np.uint8)
    cpu.gaussian_blur(image, sigma, image)
    assert (image == level).all()


def test_blur_neither_brightens_nor_darkens():
    for sigma in np.linspace(0.1, 2, 8):
        image = noise(224, 224)
        before = image.mean()
        cpu.gaussian_blur(image, sigma, image)
        assert image.mean() == pytest.approx(before, abs=0.05)


@pytest.mark.parametrize(
    ("operation", "strength"),
    [
        (cpu.adjust_brightness, 1.3), (cpu.adjust_contrast, 1.3), (cpu.adjust_saturation, 1.3), (cpu.adjust_hue, 0.1),
        (cpu.adjust_hue, -0.4), (cpu.gaussian_blur, 1.0),
    ],
)  # fmt: skip
@pytest.mark.parametrize("layout", ["planes", "pixels"])
def test_the_source_stays_as_it_is(operation, strength, layout):
    image, target = colours(), np.empty_like(colours())
    source = image if layout == "planes" else np.ascontiguousarray(image.transpose(1, 2, 0)).transpose(2, 0, 1)
    operation(source, strength, target)
    assert np.array_equal(source, colours())
    operation(image, strength, image)
    assert np.array_equal(target, image)
