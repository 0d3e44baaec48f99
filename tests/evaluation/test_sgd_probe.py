"""Many heads at once are each what PyTorch's own SGD makes of it alone, and the rate is chosen on training data."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xclr_lightning.evaluation import sgd_probe, topk_accuracy
from xclr_lightning.evaluation.linear_head import LinearHead, standardisation
from xclr_lightning.evaluation.sgd_probe import SGDHeads, train_heads

CLASSES, RATES = 3, (0.03, 0.3, 3.0)


def problem(count: int = 230, shift: float = 0.0) -> tuple[Tensor, Tensor]:
    """Overlapping clouds, dimensions of very different scale."""
    draw = torch.Generator().manual_seed(count)
    labels = torch.arange(count) % CLASSES
    centres = torch.randn(CLASSES, 5, generator=torch.Generator().manual_seed(3))
    cloud = centres[labels] + 0.7 * torch.randn(count, 5, generator=draw)
    return cloud * torch.logspace(-1, 1, 5) + shift, labels


def by_pytorch(x: Tensor, labels: Tensor, rate: float, epochs: int, size: int, seed: int) -> nn.Linear:
    """One head, by autograd and torch's own optimiser and schedule."""
    x = (x - x.mean(0)) / x.std(0, correction=0)
    layer = nn.Linear(5, CLASSES)
    for p in layer.parameters():
        nn.init.zeros_(p)
    steps = len(x) // size
    optimizer = torch.optim.SGD(layer.parameters(), rate * size / 256, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * steps)
    draw = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for batch in torch.randperm(len(x), generator=draw)[: steps * size].split(size):
            optimizer.zero_grad()
            F.cross_entropy(layer(x[batch]), labels[batch]).backward()
            optimizer.step()
            schedule.step()
    return layer


def test_each_head_is_pytorchs_own_sgd() -> None:
    x, labels = problem()
    heads = train_heads(x, labels, CLASSES, RATES, epochs=4, batch_size=50, seed=7)
    for head, rate in zip(heads, RATES, strict=True):
        layer = by_pytorch(x, labels, rate, 4, 50, 7)
        torch.testing.assert_close(head.weight, layer.weight.detach(), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(head.bias, layer.bias.detach(), rtol=1e-4, atol=1e-5)


def test_a_head_does_not_depend_on_the_others() -> None:
    x, labels = problem()
    together = train_heads(x, labels, CLASSES, RATES, epochs=3, batch_size=64)
    for head, rate in zip(together, RATES, strict=True):
        (alone,) = train_heads(x, labels, CLASSES, [rate], epochs=3, batch_size=64)
        torch.testing.assert_close(head.weight, alone.weight, rtol=1e-5, atol=1e-6)


def test_the_same_seed_gives_the_same_bits_and_another_one_does_not() -> None:
    x, labels = problem()
    a, b, c = (train_heads(x, labels, CLASSES, [0.3], batch_size=32, seed=seed)[0].weight for seed in (0, 0, 1))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_global_random_numbers_are_left_alone() -> None:
    x, labels = problem()
    before = torch.get_rng_state()
    sgd_probe(x, labels, CLASSES, epochs=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_rows_left_out_are_not_learned_from() -> None:
    x, labels = problem()
    rows = torch.arange(0, 230, 2)
    (some,) = train_heads(x, labels, CLASSES, [0.3], rows, epochs=3)
    swapped = labels.clone()
    swapped[1::2] = (swapped[1::2] + 1) % CLASSES
    (same,) = train_heads(x, swapped, CLASSES, [0.3], rows, epochs=3)
    assert torch.equal(some.weight, same.weight)


def test_half_precision_features_train_float32_heads() -> None:
    x, labels = problem()
    (head,), (half,) = (train_heads(f, labels, CLASSES, [0.3], batch_size=32) for f in (x, x.half()))
    assert half.weight.dtype == torch.float32
    torch.testing.assert_close(half.weight, head.weight, rtol=0.05, atol=0.01)


def test_no_autograd_is_needed() -> None:
    x, labels = problem()
    expected = train_heads(x, labels, CLASSES, [0.3])[0].weight
    with torch.inference_mode():
        assert torch.equal(train_heads(x, labels, CLASSES, [0.3])[0].weight, expected)


def test_the_rate_is_the_best_on_what_was_held_out() -> None:
    x, labels = problem(600)
    head, rate = sgd_probe(x, labels, CLASSES, (1e-6, 0.5), epochs=20, batch_size=32)
    assert rate == 0.5
    assert torch.equal(head.weight, train_heads(x, labels, CLASSES, [0.5], epochs=20, batch_size=32)[0].weight)
    test, truth = problem(900)
    assert head.accuracy(test, truth) > 0.8


def test_equally_good_rates_go_to_the_first() -> None:
    x = torch.tensor([[0.0], [1.0]]).repeat(40, 1)
    assert sgd_probe(x, x[:, 0].long(), 2, (0.2, 0.5), epochs=5, batch_size=16)[1] == 0.2


def test_a_rate_at_which_it_diverges_is_not_chosen() -> None:
    x, labels = problem(600)
    assert sgd_probe(x, labels, CLASSES, (0.5, 1e38), epochs=5, batch_size=32)[1] == 0.5


def test_fewer_samples_than_a_batch() -> None:
    x, labels = problem(9)
    assert train_heads(x, labels, CLASSES, [0.3], epochs=50)[0].accuracy(x, labels) > 0.6


def test_gradients_are_autograds() -> None:
    heads = SGDHeads(2, CLASSES, 5)
    heads.weight.normal_(generator=torch.Generator().manual_seed(0))
    x, labels = problem(20)
    weight, bias = heads.weight.clone().requires_grad_(), heads.bias.clone().requires_grad_()
    sum(F.cross_entropy(F.linear(x, w, b), labels) for w, b in zip(weight, bias, strict=True)).backward()
    found_weight, found_bias, scores = heads.gradients(x, labels)
    torch.testing.assert_close(found_weight, weight.grad, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found_bias, bias.grad, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(scores, torch.stack([F.linear(x, w) for w in heads.weight], 1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("shift", [0.0, 1000.0])
def test_standardisation_is_exact_far_from_zero(dtype: torch.dtype, shift: float) -> None:
    x = problem(20_000, shift)[0].to(dtype)
    mean, scale = standardisation(x)
    torch.testing.assert_close(mean, x.double().mean(0).float())
    torch.testing.assert_close(scale, x.double().std(0, correction=0).float(), rtol=1e-5, atol=0)


def test_a_constant_dimension_has_a_scale() -> None:
    x, labels = problem()
    x = torch.cat([x, torch.full((len(x), 1), 7.0)], dim=1)
    assert standardisation(x)[1].min() > 0
    assert train_heads(x, labels, CLASSES, [0.3], batch_size=32)[0].weight.isfinite().all()


def test_accuracy_is_counted_over_blocks_and_unknown_classes_are_errors() -> None:
    head = LinearHead(torch.zeros(2), torch.ones(2), torch.eye(2), torch.zeros(2))
    x = torch.eye(2).repeat(10_000, 1)
    labels = torch.tensor([0, 1]).repeat(10_000)
    labels[::4] = -1
    assert head.accuracy(x, labels) == 0.75


def test_topk_agrees_with_counting() -> None:
    scores, labels = torch.randn(50, 7), torch.randint(-1, 7, (50,))
    for k in (1, 3, 7, 9):
        hits = [int(label in score.argsort(descending=True)[:k]) for score, label in zip(scores, labels, strict=True)]
        assert topk_accuracy(scores, labels, k) == pytest.approx(sum(hits) / 50)
