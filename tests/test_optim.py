"""Which parameters decay and adapt, and how the learning rate moves."""

import pytest
import timm
import torch
from timm.optim import Lars
from torch import nn

from xclr_lightning.optim import build_optimizer, parameter_groups, scaled_lr, warmup_cosine


def network() -> nn.Module:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2), nn.LayerNorm(2))
    model[4].bias.requires_grad_(False)
    return model


def settings(model: nn.Module, groups: list[dict]) -> dict[str, tuple[float, float]]:
    """Name → learning rate and weight decay; every parameter is in one group."""
    of = {id(p): (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}
    assert len(of) == sum(len(group["params"]) for group in groups)
    return {name: of[id(p)] for name, p in model.named_parameters() if id(p) in of}


def test_only_matrices_and_convolutions_decay():
    model = network()
    assert settings(model, parameter_groups(model, model[0], 0.1, 0.05)) == {
        "0.weight": (0.1, 0.05),
        "0.bias": (0.1, 0.0),
        "1.weight": (0.1, 0.0),
        "1.bias": (0.1, 0.0),
        "3.weight": (0.1, 0.05),
        "3.bias": (0.1, 0.0),
        "4.weight": (0.1, 0.0),  # 4.bias is frozen
    }


def test_what_a_backbone_keeps_from_decay():
    model = timm.create_model("vit_tiny_patch16_224", num_classes=0, img_size=32)
    found = settings(model, parameter_groups(model, model, 0.1, 0.05))
    assert found["pos_embed"] == found["cls_token"] == (0.1, 0.0)
    assert found["blocks.3.attn.qkv.weight"] == (0.1, 0.05)
    lars = build_optimizer(parameter_groups(model, model, 0.1, 0.0), "lars")
    adapted = {id(p) for group in lars.param_groups if group["always_adapt"] for p in group["params"]}
    assert id(model.pos_embed) not in adapted
    assert id(model.blocks[3].attn.qkv.weight) in adapted


def test_learning_rates_fall_from_the_last_layer_to_the_first():
    model = nn.ModuleDict({"backbone": timm.create_model("resnet18", num_classes=0), "projector": nn.Linear(512, 8)})
    found = settings(model, parameter_groups(model, model["backbone"], 1.0, 0.0, 0.1, 0.5))
    assert found["projector.weight"] == found["projector.bias"] == (1.0, 0.0)
    blocks = [f"backbone.layer{stage}.{block}.conv1.weight" for stage in (4, 3, 2, 1) for block in (1, 0)]
    rates = [found[name][0] for name in [*blocks, "backbone.conv1.weight"]]
    assert rates == pytest.approx([0.1 * 0.5**depth for depth in range(9)])


@pytest.mark.parametrize("weight_decay", [0.0, 1e-9])
def test_lars_adapts_matrices_only(weight_decay):
    """An adapted step does not depend on the gradient's scale; a plain one is proportional to it."""
    steps = []
    for scale in (1.0, 100.0):
        torch.manual_seed(0)
        model = nn.Linear(3, 2)
        before = [p.detach().clone() for p in model.parameters()]
        optimizer = build_optimizer(parameter_groups(model, model, 1.0, weight_decay), "lars")
        for p in model.parameters():
            p.grad = scale * torch.ones_like(p)
        optimizer.step()
        steps.append([p.detach() - old for p, old in zip(model.parameters(), before, strict=True)])
    torch.testing.assert_close(steps[1][0], steps[0][0], rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(steps[1][1], 100 * steps[0][1])


@pytest.mark.parametrize(("name", "cls"), [("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD), ("lars", Lars)])
def test_optimizers(name, cls):
    model = network()
    optimizer = build_optimizer(parameter_groups(model, model[0], 0.1, 0.05), name, momentum=0.8)
    assert type(optimizer) is cls
    assert {group["lr"] for group in optimizer.param_groups} == {0.1}
    assert all(group.get("momentum", 0.8) == 0.8 for group in optimizer.param_groups)


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
