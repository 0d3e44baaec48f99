"""Every operation on a batch is torchvision's on each picture, with a draw of its own."""

import pytest
import torch
from torchvision.transforms.v2 import functional as tv

from xclr_lightning.data import photometric
from xclr_lightning.data.photometric import Photometric

OPERATIONS = {
    "brightness": (photometric.adjust_brightness, tv.adjust_brightness, [0.0, 0.2, 1.0, 1.8]),
    "contrast": (photometric.adjust_contrast, tv.adjust_contrast, [0.0, 0.2, 1.0, 1.8]),
    "saturation": (photometric.adjust_saturation, tv.adjust_saturation, [0.0, 0.2, 1.0, 1.8]),
    "hue": (photometric.adjust_hue, tv.adjust_hue, [-0.5, -0.2, 0.0, 0.13]),
    "blur": (
        lambda images, sigma: photometric.gaussian_blur(images, sigma, 5),
        lambda image, sigma: tv.gaussian_blur(image, [5, 5], [sigma, sigma]),
        [0.1, 0.5, 1.0, 2.0],
    ),
}


def colours() -> torch.Tensor:
    """Four pictures with black, white, grey and pure colours among their pixels, ``(4, 3, 9, 11)`` in [0, 1]."""
    images = torch.rand(4, 3, 9, 11)
    images[:, :, 0, :8] = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3).T
    images[:, :, 1] = images[:, :1, 1]
    return images


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_is_torchvisions(name):
    ours, theirs, strengths = OPERATIONS[name]
    images = colours()
    expected = torch.stack([theirs(image, strength) for image, strength in zip(images, strengths, strict=True)])
    torch.testing.assert_close(ours(images.clone(), torch.tensor(strengths)), expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_leaves_its_input_alone_and_its_range_whole(name):
    operation, _, strengths = OPERATIONS[name]
    images = colours()
    before = images.clone()
    result = operation(images, torch.tensor(strengths))
    assert torch.equal(images, before)
    assert result.min() >= -1e-6
    assert result.max() <= 1 + 1e-6


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_makes_nothing_on_another_device(name):
    operation, _, strengths = OPERATIONS[name]
    assert operation(colours().to("meta"), torch.tensor(strengths, device="meta")).device.type == "meta"


def test_grey_is_torchvisions():
    images = colours()
    torch.testing.assert_close(photometric.grey(images), tv.rgb_to_grayscale(images))


def batch(count: int = 64) -> torch.Tensor:
    """The same picture over and over, uint8."""
    return torch.randint(256, (1, 3, 24, 24), dtype=torch.uint8).repeat(count, 1, 1, 1)


NEVER = {"jitter_probability": 0.0, "grey": 0.0, "blur": 0.0}


@pytest.mark.parametrize("settings", [NEVER, {**NEVER, "jitter": 0.0, "jitter_probability": 1.0}])
def test_nothing_happens_at_probability_zero(settings):
    images = batch()
    assert torch.equal(Photometric(**settings)(images), images / 255)


@pytest.mark.parametrize("setting", ["jitter_probability", "blur"])
def test_every_picture_gets_its_own_draw_at_probability_one(setting):
    images = batch(32)
    result = Photometric(**{**NEVER, setting: 1.0})(images)
    assert not (result == images / 255).flatten(1).all(dim=1).any()
    assert len(result.unique(dim=0)) == 32


def test_grey_at_probability_one():
    images = batch(8)
    result = Photometric(**{**NEVER, "grey": 1.0})(images)
    torch.testing.assert_close(result, tv.rgb_to_grayscale(images / 255, num_output_channels=3))


@pytest.mark.parametrize("setting", ["jitter_probability", "grey", "blur"])
def test_probabilities_are_shares_of_the_batch(setting):
    images = torch.randint(256, (1, 3, 4, 4), dtype=torch.uint8).repeat(4000, 1, 1, 1)
    result = Photometric(**{**NEVER, setting: 0.3})(images)
    changed = ~torch.isclose(result, images / 255, atol=1e-6).flatten(1).all(dim=1)
    assert 0.25 < changed.float().mean() < 0.35


def test_jitter_draws_torchvisions_strengths(monkeypatch):
    drawn = {}

    def record(name: str):
        def operation(images: torch.Tensor, *strengths) -> torch.Tensor:
            drawn[name], *drawn["kernel"] = strengths
            return images

        return operation

    for name in ("adjust_brightness", "adjust_contrast", "adjust_saturation", "adjust_hue", "gaussian_blur"):
        monkeypatch.setattr(photometric, name, record(name))
    Photometric(jitter_probability=1.0, grey=0.0, blur=1.0)(torch.zeros(4000, 3, 40, 40, dtype=torch.uint8))
    factor = (0.2, 1.8)
    ranges = {"adjust_brightness": factor, "adjust_contrast": factor, "adjust_saturation": factor}
    for name, (low, high) in {**ranges, "adjust_hue": (-0.2, 0.2), "gaussian_blur": (0.1, 2.0)}.items():
        assert drawn[name].shape == (4000,)
        assert low <= drawn[name].min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < drawn[name].max() <= high
        assert drawn[name].mean().item() == pytest.approx((low + high) / 2, abs=0.03 * (high - low))
    assert drawn["kernel"] == [5]  # a tenth of the side, and odd


@pytest.mark.parametrize("size", [(2, 2), (16, 48), (224, 224)])
def test_output_is_float32_in_range(size):
    images = torch.randint(256, (4, 3, *size), dtype=torch.uint8)
    before = images.clone()
    result = Photometric(jitter_probability=1.0, grey=0.5, blur=1.0)(images)
    assert (result.shape, result.dtype) == (images.shape, torch.float32)
    assert torch.equal(images, before)
    assert result.min() >= -1e-6
    assert result.max() <= 1 + 1e-6


def test_an_empty_batch_stays_empty():
    assert Photometric()(torch.zeros(0, 3, 8, 8, dtype=torch.uint8)).shape == (0, 3, 8, 8)
