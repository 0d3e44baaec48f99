"""Which parameters decay and adapt, and how the learning rate moves."""

import pytest
import torch
from torch import nn

from xclr_lightning.optim import build_optimizer, scaled_lr, warmup_cosine


def network() -> nn.Module:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2), nn.LayerNorm(2))
    model[4].bias.requires_grad_(False)
    return model


@pytest.mark.parametrize("name", ["adamw", "lars"])
def test_only_matrices_and_convolutions_decay(name):
    model = network()
    groups = build_optimizer(model, name, lr=0.1, weight_decay=0.05).param_groups
    decays = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    expected = {
        id(p): 0.05 if key in {"0.weight", "3.weight"} else 0.0
        for key, p in model.named_parameters()
        if key != "4.bias"  # frozen
    }
    assert decays == expected
    assert {group["lr"] for group in groups} == {0.1}


def test_lars_adapts_only_the_group_that_decays():
    """An adapted step does not depend on the gradient's scale; a plain one is proportional to it."""
    steps = []
    for scale in (1.0, 100.0):
        torch.manual_seed(0)
        model = nn.Linear(3, 2)
        before = [p.detach().clone() for p in model.parameters()]
        optimizer = build_optimizer(model, "lars", lr=1.0, weight_decay=1e-9)
        for p in model.parameters():
            p.grad = scale * torch.ones_like(p)
        optimizer.step()
        steps.append([p.detach() - old for p, old in zip(model.parameters(), before, strict=True)])
    torch.testing.assert_close(steps[1][0], steps[0][0], rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(steps[1][1], 100 * steps[0][1])


@pytest.mark.parametrize(
    ("warmup", "total", "values"),
    [
        (4, 24, {0: 0.2, 3: 0.8, 4: 1.0, 14: 0.5, 24: 0.0, 30: 0.0}),
        (0, 10, {0: 1.0, 5: 0.5, 10: 0.0}),
        (0, 0, {0: 1.0}),  # a run without steps
    ],
)
def test_warmup_then_cosine(warmup, total, values):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule = warmup_cosine(optimizer, warmup, total)
    seen = []
    for _ in range(max(values) + 1):
        seen.append(schedule.get_last_lr()[0] / 2.0)
        optimizer.step()
        schedule.step()
    assert [seen[step] for step in values] == pytest.approx(list(values.values()), abs=1e-12)


@pytest.mark.parametrize(
    ("lr", "batch", "rule", "expected"),
    [(0.075, 1024, "none", 0.075), (0.1, 1024, "linear", 0.4), (0.1, 128, "linear", 0.05), (0.075, 4096, "sqrt", 4.8)],
)
def test_scaled_lr(lr, batch, rule, expected):
    assert scaled_lr(lr, batch, rule) == pytest.approx(expected)
