"""What is drawn for a picture has torchvision's distribution, and is what happens to it, alone or in a batch."""

import pytest
import torch
from torchvision.transforms import ColorJitter, GaussianBlur
from torchvision.transforms.v2 import functional as tv

from xclr_lightning.data import photometric
from xclr_lightning.data.blur import gaussian_blur_
from xclr_lightning.data.colour import adjust_brightness_, adjust_contrast_, adjust_hue_, adjust_saturation_
from xclr_lightning.data.photometric import Photometric
from xclr_lightning.errors import UserError

DRAWS = 10_000
JITTER = (adjust_brightness_, adjust_contrast_, adjust_saturation_, adjust_hue_)  # in torchvision's numbering
NEVER = {"jitter_probability": 0.0, "grey": 0.0, "blur": 0.0}


def test_jitter_draws_torchvisions_strengths():
    stats = pytest.importorskip("scipy.stats")
    jitter = ColorJitter(0.8, 0.8, 0.8, 0.2)
    ranges = (jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue)
    theirs = torch.tensor([ColorJitter.get_params(*ranges)[1:] for _ in range(DRAWS)], dtype=torch.float64)
    plans = Photometric(jitter_probability=1.0).draw(DRAWS)
    for number, operation in enumerate(JITTER):
        ours = [strength for plan in plans for done, strength in plan[:4] if done is operation]
        assert len(ours) == DRAWS
        assert stats.ks_2samp(ours, theirs[:, number].numpy()).pvalue > 1e-3


@pytest.mark.parametrize("jitter", [0.5, 2.0])
def test_strengths_scale_as_those_of_torchvision(jitter):
    expected = ColorJitter(0.8 * jitter, 0.8 * jitter, 0.8 * jitter, 0.2 * jitter)
    ranges = (expected.brightness, expected.contrast, expected.saturation, expected.hue)
    plans = Photometric(jitter=jitter, jitter_probability=1.0).draw(DRAWS)
    for operation, (low, high) in zip(JITTER, ranges, strict=True):
        drawn = [strength for plan in plans for done, strength in plan[:4] if done is operation]
        assert (min(drawn), max(drawn)) == pytest.approx((low, high), abs=1e-3 * (high - low))


def test_each_picture_has_its_own_order_of_the_jitter():
    stats = pytest.importorskip("scipy.stats")
    plans = Photometric(jitter_probability=1.0).draw(DRAWS)
    counts: dict[tuple, int] = {}
    for plan in plans:
        order = tuple(JITTER.index(operation) for operation, _ in plan[:4])
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 24
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3


def test_orders_and_strengths_are_independent():
    stats = pytest.importorskip("scipy.stats")
    plans = Photometric(jitter_probability=1.0, blur=1.0).draw(DRAWS)
    strengths = [[dict(plan[:4])[operation] for plan in plans] for operation in JITTER]
    strengths += [[[operation for operation, _ in plan[:4]].index(JITTER[0]) for plan in plans]]
    strengths += [[plan[5][1] for plan in plans]]
    correlation = stats.spearmanr(torch.tensor(strengths).T.numpy()).statistic
    assert abs(correlation[~torch.eye(6, dtype=torch.bool).numpy()]).max() < 0.04  # four standard errors


def test_rates_are_binomial_and_independent():
    stats = pytest.importorskip("scipy.stats")
    plans = Photometric().draw(DRAWS)
    gates = [
        [plan[0] is not None for plan in plans],
        [bool(plan[4]) for plan in plans],
        [bool(plan[5]) for plan in plans],
    ]
    for gate, rate in zip(gates, (0.8, 0.2, 0.5), strict=True):
        assert stats.binomtest(sum(gate), DRAWS, rate).pvalue > 1e-3
    for first, second, rate in ((0, 1, 0.16), (0, 2, 0.4), (1, 2, 0.1)):
        both = sum(a and b for a, b in zip(gates[first], gates[second], strict=True))
        assert stats.binomtest(both, DRAWS, rate).pvalue > 1e-3


def test_blur_draws_torchvisions_deviations():
    stats = pytest.importorskip("scipy.stats")
    theirs = [GaussianBlur.get_params(0.1, 2.0) for _ in range(DRAWS)]
    ours = [plan[5][1] for plan in Photometric(blur=1.0).draw(DRAWS)]
    assert stats.ks_2samp(ours, theirs).pvalue > 1e-3


def one_by_one(image: torch.Tensor, plan: list) -> torch.Tensor:
    """Torchvision's functions on one picture, in the order of its plan."""
    taps = max(3, image.shape[-1] // 20 * 2 + 1)
    theirs = {
        adjust_brightness_: tv.adjust_brightness,
        adjust_contrast_: tv.adjust_contrast,
        adjust_saturation_: tv.adjust_saturation,
        adjust_hue_: tv.adjust_hue,
        gaussian_blur_: lambda image, sigma: tv.gaussian_blur(image, [taps, taps], [sigma, sigma]),
    }
    image = image.float() / 255
    for operation, strength in filter(None, plan):
        image = theirs[operation](image, strength)
    return image


@pytest.mark.parametrize("shape", [(40, 16, 16), (9, 31, 47), (5, 150, 150), (3, 400, 300)])
def test_result_is_torchvisions_of_what_was_drawn(shape):
    images = torch.randint(256, (shape[0], 3, *shape[1:]), dtype=torch.uint8)
    before, augment = images.clone(), Photometric()
    torch.manual_seed(7)
    plans = augment.draw(len(images))
    torch.manual_seed(7)
    result = augment(images)
    expected = torch.stack([one_by_one(image, plan) for image, plan in zip(images, plans, strict=True)])
    assert torch.equal(images, before)
    assert (result.shape, result.dtype) == (images.shape, torch.float32)
    # Each of six steps rounds to grey levels; contrast and saturation nearly double what came before.
    difference = (result - expected).abs()
    assert difference.mean() < 0.8 / 255
    assert difference.flatten().sort().values[int(0.99 * difference.numel())] < 4 / 255
    assert difference.max() < 12 / 255
    assert abs((result - expected).mean()) < 0.2 / 255


@pytest.mark.parametrize("pixels", [1, 16 * 16 * 5, 2**30])
def test_result_does_not_depend_on_how_many_are_augmented_at_a_time(pixels, monkeypatch):
    images = torch.randint(256, (24, 3, 16, 16), dtype=torch.uint8)
    torch.manual_seed(3)
    expected = Photometric()(images)
    monkeypatch.setattr(photometric, "CPU_PIXELS", pixels)
    torch.manual_seed(3)
    torch.testing.assert_close(Photometric()(images), expected, rtol=0, atol=0)


def test_a_picture_does_not_depend_on_the_others():
    images = torch.randint(256, (12, 3, 20, 20), dtype=torch.uint8)
    torch.manual_seed(5)
    expected = Photometric()(images)
    changed = torch.cat([images[:6], torch.zeros(14, 3, 20, 20, dtype=torch.uint8)])
    torch.manual_seed(5)
    torch.testing.assert_close(Photometric()(changed)[:6], expected[:6], rtol=0, atol=0)


def test_same_seed_same_result():
    images = torch.randint(256, (8, 3, 24, 24), dtype=torch.uint8)
    results = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(Photometric()(images))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


@pytest.mark.parametrize("settings", [NEVER, {**NEVER, "jitter": 0.0, "jitter_probability": 1.0}])
def test_nothing_happens_at_probability_zero(settings):
    images = torch.randint(256, (64, 3, 24, 24), dtype=torch.uint8)
    torch.testing.assert_close(Photometric(**settings)(images), images / 255, rtol=0, atol=1e-7)


@pytest.mark.parametrize("setting", ["jitter_probability", "blur"])
def test_every_picture_gets_its_own_draw_at_probability_one(setting):
    images = torch.randint(256, (1, 3, 80, 80), dtype=torch.uint8).repeat(32, 1, 1, 1)
    result = Photometric(**{**NEVER, setting: 1.0}, sigma=(0.5, 2.0))(images)  # weaker blurs leave a picture as it is
    assert not torch.isclose(result, images / 255, atol=1e-6).flatten(1).all(dim=1).any()
    assert len(result.unique(dim=0)) > 20  # deviations nearly alike come to the same weights


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 70), (16, 48), (224, 224)])
def test_output_is_float32_in_range(size):
    images = torch.randint(256, (4, 3, *size), dtype=torch.uint8)
    result = Photometric(jitter_probability=1.0, grey=0.5, blur=1.0)(images)
    assert (result.shape, result.dtype) == (images.shape, torch.float32)
    assert result.min() >= -1e-6
    assert result.max() <= 1 + 1e-6


def test_an_empty_batch_stays_empty():
    assert Photometric()(torch.zeros(0, 3, 8, 8, dtype=torch.uint8)).shape == (0, 3, 8, 8)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"jitter": -1.0}, r"data.augment.jitter -1.0: .* from 0 to 2.5"),
        ({"jitter": 3.0}, r"data.augment.jitter 3.0"),
        ({"jitter_probability": 1.5}, r"data.augment.jitter_probability 1.5: .* from 0 to 1"),
        ({"grey": -0.1}, r"data.augment.grey -0.1"),
        ({"blur": 2.0}, r"data.augment.blur 2.0"),
        ({"sigma": (0.0, 2.0)}, r"data.augment.sigma \[0.0, 2.0\]: .* positive"),
        ({"sigma": (2.0, 0.1)}, r"data.augment.sigma \[2.0, 0.1\]: .* lower one first"),
    ],
)
def test_a_setting_out_of_range_is_named(settings, words):
    with pytest.raises(UserError, match=words):
        Photometric(**settings)
