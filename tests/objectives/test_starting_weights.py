"""Weights to start from: our checkpoints, timm's files, and what fits neither."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from xclr_lightning.errors import UserError
from xclr_lightning.objectives import SimCLR
from xclr_lightning.objectives.starting_weights import load_backbone


def backbone(seed: int, **kwargs: object) -> torch.nn.Module:
    torch.manual_seed(seed)
    return timm.create_model("test_resnet", **{"num_classes": 0, **kwargs})


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


@pytest.mark.parametrize("ema_decay", [0.0, 0.5])
def test_checkpoints_of_any_objective(tmp_path: Path, ema_decay: float):
    module = SimCLR(backbone="test_resnet", projector=(8,), ema_decay=ema_decay)
    expected = module.backbone
    if module.average is not None:
        for p in module.average.parameters():
            p.add_(1)
        expected = module.average["backbone"]
    torch.save({"state_dict": module.state_dict(), "hyper_parameters": {}}, tmp_path / "x.ckpt")
    target = backbone(1)
    load_backbone(target, str(tmp_path / "x.ckpt"))
    assert same(target, expected)


@pytest.mark.parametrize("kind", ["safetensors", "pth", "training"])
def test_files_of_timm(tmp_path: Path, kind: str):
    classifier = backbone(2, num_classes=7)
    file = tmp_path / ("x.safetensors" if kind == "safetensors" else "x.pth")
    if kind == "safetensors":
        save_file(classifier.state_dict(), file)
    else:
        torch.save({"state_dict": classifier.state_dict()} if kind == "training" else classifier.state_dict(), file)
    target = backbone(1)
    load_backbone(target, str(file))
    classifier.reset_classifier(0)
    assert same(target, classifier)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(UserError, match=r"no weights .*x\.ckpt: model\.init_from wants"):
        load_backbone(backbone(0), str(tmp_path / "x.ckpt"))


@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04 a torn archive"])
@pytest.mark.parametrize("name", ["x.ckpt", "x.safetensors"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes, name: str):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match="cannot be read as weights") as error:
        load_backbone(backbone(0), str(tmp_path / name))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda weights: weights.pop("conv1.0.weight"), "in 1 places, it lacks conv1.0.weight"),
        (lambda weights: weights.update(extra=torch.zeros(1)), "in 1 places, it has extra"),
        (lambda weights: weights.update({"conv1.1.bias": torch.zeros(3)}), r"it has conv1.1.bias of shape \(3,\), not"),
    ],
)
def test_another_models_weights_are_refused(tmp_path: Path, change, words: str):
    weights = backbone(0).state_dict()
    change(weights)
    torch.save(weights, tmp_path / "x.pth")
    target = backbone(1)
    before = {name: value.clone() for name, value in target.state_dict().items()}
    with pytest.raises(UserError, match=words):
        load_backbone(target, str(tmp_path / "x.pth"))
    assert all(torch.equal(value, before[name]) for name, value in target.state_dict().items())


def test_an_average_starts_where_the_backbone_does(tmp_path: Path):
    torch.save(backbone(5).state_dict(), tmp_path / "x.pth")
    module = SimCLR(backbone="test_resnet", projector=(8,), ema_decay=0.9, init_from=str(tmp_path / "x.pth"))
    assert same(module.backbone, backbone(5))
    assert same(module.average["backbone"], backbone(5))


def test_a_checkpoint_needs_no_pretrained_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked = []
    make = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda name, **kwargs: asked.append(kwargs) or make(name, num_classes=0))
    settings = {"backbone": "test_resnet", "backbone_kwargs": {"pretrained": True}, "projector": (8,)}
    saved = {
        "state_dict": SimCLR(**settings).state_dict(),
        "hyper_parameters": settings,
        "pytorch-lightning_version": "2.4.0",
    }
    torch.save(saved, tmp_path / "x.ckpt")
    SimCLR.load_from_checkpoint(tmp_path / "x.ckpt")
    assert [kwargs["pretrained"] for kwargs in asked] == [True, False]
