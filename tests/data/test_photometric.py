"""What is drawn for a picture has torchvision's distribution, and is what happens to it, on the CPU or on a device."""

import pytest
import torch
from torchvision.transforms import ColorJitter, GaussianBlur, RandomApply, RandomGrayscale
from torchvision.transforms.v2 import functional as tv

from xclr_lightning.data.photometric import Photometric, augment_on_cpu, augment_on_device
from xclr_lightning.errors import UserError

DRAWS = 10_000
JITTER = ("brightness", "contrast", "saturation", "hue")  # in torchvision's numbering
NEVER = {"jitter_probability": 0.0, "grey": 0.0, "blur": 0.0}


def test_jitter_draws_torchvisions_strengths():
    stats = pytest.importorskip("scipy.stats")
    jitter = ColorJitter(0.8, 0.8, 0.8, 0.2)
    ranges = (jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue)
    theirs = torch.tensor([ColorJitter.get_params(*ranges)[1:] for _ in range(DRAWS)], dtype=torch.float64)
    plans = Photometric(jitter_probability=1.0).draw(DRAWS)
    for number, operation in enumerate(JITTER):
        ours = [strength for plan in plans for done, strength in plan[:4] if done == operation]
        assert len(ours) == DRAWS
        assert stats.ks_2samp(ours, theirs[:, number].numpy()).pvalue > 1e-3


@pytest.mark.parametrize("jitter", [0.5, 2.0])
def test_strengths_scale_as_those_of_torchvision(jitter):
    expected = ColorJitter(0.8 * jitter, 0.8 * jitter, 0.8 * jitter, 0.2 * jitter)
    ranges = (expected.brightness, expected.contrast, expected.saturation, expected.hue)
    plans = Photometric(jitter=jitter, jitter_probability=1.0).draw(DRAWS)
    for operation, (low, high) in zip(JITTER, ranges, strict=True):
        drawn = [strength for plan in plans for done, strength in plan[:4] if done == operation]
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
        "brightness": tv.adjust_brightness,
        "contrast": tv.adjust_contrast,
        "saturation": tv.adjust_saturation,
        "hue": tv.adjust_hue,
        "blur": lambda image, sigma: tv.gaussian_blur(image, [taps, taps], [sigma, sigma]),
    }
    image = image.float() / 255
    for operation, strength in filter(None, plan):
        image = theirs[operation](image, strength)
    return image


@pytest.mark.parametrize("augment", [augment_on_cpu, augment_on_device])
@pytest.mark.parametrize("shape", [(40, 16, 16), (9, 31, 47), (5, 150, 150), (3, 400, 300)])
def test_result_is_torchvisions_of_what_was_drawn(shape, augment):
    images = torch.randint(256, (shape[0], 3, *shape[1:]), dtype=torch.uint8)
    before = images.clone()
    torch.manual_seed(7)
    plans = Photometric().draw(len(images))
    result = augment(images, plans)
    expected = torch.stack([one_by_one(image, plan) for image, plan in zip(images, plans, strict=True)])
    assert torch.equal(images, before)
    assert (result.shape, result.dtype) == (images.shape, torch.uint8)
    # Each of six steps rounds to grey levels; contrast and saturation nearly double what came before.
    difference = (result / 255 - expected).abs()
    assert difference.mean() < 0.8 / 255
    assert difference.flatten().sort().values[int(0.99 * difference.numel())] < 4 / 255
    assert difference.max() < 12 / 255
    assert abs((result / 255 - expected).mean()) < 0.2 / 255


def test_what_is_drawn_is_done():
    images = torch.randint(256, (24, 3, 20, 20), dtype=torch.uint8)
    torch.manual_seed(3)
    found = Photometric()(images)
    torch.manual_seed(3)
    assert torch.equal(found, augment_on_cpu(images, Photometric().draw(24)))


def test_a_batch_of_a_device_stays_on_it():
    plans = Photometric(jitter_probability=1.0, grey=1.0, blur=1.0).draw(4)
    result = augment_on_device(torch.empty(4, 3, 16, 16, dtype=torch.uint8, device="meta"), plans)
    assert (result.device.type, result.dtype, result.shape) == ("meta", torch.uint8, (4, 3, 16, 16))


@pytest.mark.parametrize("layout", ["channels last", "every other"])
def test_pictures_of_any_layout(layout):
    images = torch.randint(256, (12, 3, 20, 20), dtype=torch.uint8)
    plans = Photometric(jitter_probability=1.0, blur=1.0).draw(6)
    other = images[::2]
    if layout == "channels last":
        other = other.contiguous(memory_format=torch.channels_last)
    assert torch.equal(augment_on_cpu(other, plans), augment_on_cpu(images[::2].clone(), plans))


@pytest.mark.parametrize("augment", [augment_on_cpu, augment_on_device])
def test_a_picture_does_not_depend_on_the_others(augment):
    images = torch.randint(256, (12, 3, 20, 20), dtype=torch.uint8)
    plans, others = Photometric().draw(12), Photometric().draw(14)
    changed = torch.cat([images[:6], torch.zeros(14, 3, 20, 20, dtype=torch.uint8)])
    assert torch.equal(augment(changed, plans[:6] + others)[:6], augment(images, plans)[:6])


def looks(images: torch.Tensor) -> dict[str, torch.Tensor]:
    """How bright, contrasted, colourful, blurred and red each of ``(n, 3, H, W)`` in [0, 255] is, ``(n,)`` each."""
    luma = images.mean(dim=1)
    return {
        "brightness": luma.mean(dim=(1, 2)),
        "contrast": luma.std(dim=(1, 2)),
        "colour": images.std(dim=1).mean(dim=(1, 2)),
        "detail": luma.diff(dim=2).abs().mean(dim=(1, 2)),
        "red": (images[:, 0] - luma).mean(dim=(1, 2)),
    }


def test_views_of_a_picture_look_as_torchvisions_do():
    stats = pytest.importorskip("scipy.stats")
    image, count = torch.randint(256, (3, 16, 16), dtype=torch.uint8), 1500
    image[0] //= 2
    blur, grey = RandomApply([GaussianBlur(3, (0.1, 2.0))], 0.5), RandomGrayscale(0.2)
    jitter = RandomApply([ColorJitter(0.8, 0.8, 0.8, 0.2)], 0.8)
    theirs = looks(255 * torch.stack([blur(grey(jitter(image / 255))) for _ in range(count)]))
    for name, values in looks(Photometric()(image.expand(count, -1, -1, -1)).float()).items():
        # Those spared have the same value but for rounding, by which a test of ranks would tell them apart.
        assert stats.ks_2samp(values.round().numpy(), theirs[name].round().numpy()).pvalue > 1e-3, name


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
    assert torch.equal(Photometric(**settings)(images), images)


@pytest.mark.parametrize("setting", ["jitter_probability", "blur"])
def test_every_picture_gets_its_own_draw_at_probability_one(setting):
    images = torch.randint(256, (1, 3, 80, 80), dtype=torch.uint8).repeat(32, 1, 1, 1)
    result = Photometric(**{**NEVER, setting: 1.0}, sigma=(0.5, 2.0))(images)  # weaker blurs leave a picture as it is
    assert (result != images).flatten(1).any(dim=1).all()
    assert len(result.unique(dim=0)) > 20  # deviations nearly alike come to the same weights


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 70), (16, 48), (224, 224)])
def test_pictures_of_any_size(size):
    images = torch.randint(256, (4, 3, *size), dtype=torch.uint8)
    result = Photometric(jitter_probability=1.0, grey=0.5, blur=1.0)(images)
    assert (result.shape, result.dtype) == (images.shape, torch.uint8)


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
