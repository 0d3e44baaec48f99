"""Ridge regression against plain solving and scikit-learn, its leave-one-out against fits without each sample."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from xclr_lightning.evaluation import ridge_probe
from xclr_lightning.evaluation.ridge import Ridge, RidgeMoments, ridge_moments

CLASSES = 4


def problem(count: int = 90, width: int = 6, noise: float = 0.9) -> tuple[Tensor, Tensor]:
    """Overlapping clouds off the origin, dimensions of very different scale; double."""
    draw = torch.Generator().manual_seed(count)
    labels = torch.randint(0, CLASSES, (count,), generator=draw)
    centres = torch.randn(CLASSES, width, generator=torch.Generator().manual_seed(3))
    cloud = centres[labels] + noise * torch.randn(count, width, generator=draw)
    return (cloud * torch.logspace(-2, 2, width) + 5).double(), labels


def solved(x: Tensor, labels: Tensor, strength: float, mean: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Weight and bias of standardised features by the normal equations, the bias a column of ones without penalty."""
    ones = torch.cat([(x - mean) / scale, torch.ones(len(x), 1, dtype=x.dtype)], dim=1)
    penalty = strength * torch.eye(ones.shape[1], dtype=x.dtype)
    penalty[-1, -1] = 0
    both = torch.linalg.solve(ones.T @ ones / len(x) + penalty, ones.T @ one_hot(labels, CLASSES).double() / len(x))
    return both[:-1].T, both[-1]


def standard(x: Tensor) -> tuple[Tensor, Tensor]:
    return x.mean(0), x.std(0, correction=0)


@pytest.mark.parametrize("strength", [1e-6, 1e-2, 10.0])
@pytest.mark.parametrize("shape", [(90, 6), (12, 20)])
def test_it_solves_the_normal_equations(strength: float, shape: tuple[int, int]) -> None:
    x, labels = problem(*shape)
    head = Ridge(ridge_moments(x, labels, CLASSES)).head(strength)
    weight, bias = solved(x, labels, strength, *standard(x))
    torch.testing.assert_close(head.weight.double(), weight, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(head.bias.double(), bias, rtol=1e-5, atol=1e-6)


def test_it_classifies_as_scikit_learns() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    (x, labels), (test, truth) = problem(), problem(400)
    mean, scale = standard(x)
    for strength in (1e-3, 1.0):
        # Its penalty stands beside the sum over samples, ours beside the mean.
        reference = linear_model.RidgeClassifier(alpha=strength * len(x))
        reference.fit(((x - mean) / scale).numpy(), labels.numpy())
        head = Ridge(ridge_moments(x, labels, CLASSES)).head(strength)
        expected = torch.from_numpy(reference.predict(((test - mean) / scale).numpy()))
        assert (head(test).argmax(1) == expected).float().mean() > 0.995
        assert 0.5 < head.accuracy(test, truth) < 1


@pytest.mark.parametrize("strength", [1e-3, 1.0])
@pytest.mark.parametrize("shape", [(40, 6), (10, 15)])
def test_left_out_scores_are_those_of_fits_without_the_sample(strength: float, shape: tuple[int, int]) -> None:
    x, labels = problem(*shape)
    mean, scale = standard(x)
    found = Ridge(ridge_moments(x, labels, CLASSES)).left_out_scores(x, labels, strength)
    for i in range(len(x)):
        rest = torch.arange(len(x)) != i
        # The penalty beside the sum is the same with a sample less.
        share = strength * len(x) / (len(x) - 1)
        weight, bias = solved(x[rest], labels[rest], share, mean, scale)
        torch.testing.assert_close(found[i], weight @ ((x[i] - mean) / scale) + bias, rtol=1e-6, atol=1e-8)


def test_hits_count_the_left_out_scores() -> None:
    x, labels = problem()
    ridge = Ridge(ridge_moments(x, labels, CLASSES), (1e-3, 1.0, 1e3))
    expected = [(ridge.left_out_scores(x, labels, s).argmax(1) == labels).sum().item() for s in ridge.strengths]
    assert ridge.left_out_hits(x, labels).tolist() == expected
    assert len(set(expected)) > 1


@pytest.mark.parametrize("cuts", [(31,), (0, 90), (1, 2, 50)])
def test_parts_of_a_set_add_up_to_it(cuts: tuple[int, ...]) -> None:
    x, labels = problem()
    parts = list(zip(x.tensor_split(cuts), labels.tensor_split(cuts), strict=True))
    summed = RidgeMoments(*(sum(field) for field in zip(*(ridge_moments(*p, CLASSES) for p in parts), strict=True)))
    for found, expected in zip(summed, ridge_moments(x, labels, CLASSES), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
    whole = Ridge(summed)
    hits = sum(whole.left_out_hits(*part) for part in parts)
    assert torch.equal(hits, whole.left_out_hits(x, labels))


def test_the_strength_is_what_leave_one_out_prefers_and_of_equals_the_largest() -> None:
    x, labels = problem(60, 40, noise=3.0)
    head, strength = ridge_probe(x, labels, CLASSES)
    ridge = Ridge(ridge_moments(x, labels, CLASSES))
    hits = ridge.left_out_hits(x, labels)
    assert hits[ridge.strengths.index(strength)] == hits.max()
    assert strength > 1e-6  # a perfect fit of noise is not preferred
    assert torch.equal(head.weight, ridge.head(strength).weight)
    assert ridge.strongest(torch.tensor([3, 5, 5, 5, 4, 1, 1, 1, 0])) == 1e-3


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-3), (torch.float16, 0.05)])
def test_lesser_precision_costs_little(dtype: torch.dtype, tolerance: float) -> None:
    x, labels = problem()
    exact, rounded = (Ridge(ridge_moments(f, labels, CLASSES)).head(0.01).weight for f in (x, x.to(dtype)))
    assert (exact - rounded).norm() < tolerance * exact.norm()


def test_scale_and_shift_of_features_do_not_matter() -> None:
    x, labels = problem()
    a, b = (Ridge(ridge_moments(f, labels, CLASSES)).head(0.1) for f in (x, x * 8 + 640))
    torch.testing.assert_close(a.weight, b.weight, rtol=1e-4, atol=1e-6)


def test_constant_features_and_absent_classes_do_no_harm() -> None:
    x, labels = problem()
    wide = torch.cat([x, torch.full((len(x), 1), 7.0, dtype=x.dtype)], dim=1)
    head, _ = ridge_probe(wide, labels, CLASSES + 1)
    plain, _ = ridge_probe(x, labels, CLASSES)
    assert torch.equal(head(wide).argmax(1), plain(x).argmax(1))
