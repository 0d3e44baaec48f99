"""The short form of a model's name, on a command line and as a module."""

from pathlib import Path

import pytest
import torch

from xclr_lightning.errors import UserError
from xclr_lightning.model_by_name import load_module, of_timm, spell_out
from xclr_lightning.objectives import SimCLR

SPELT = ["--model", "xclr_lightning.objectives.pretrained.Pretrained", "--model.backbone", "resnet18.a1_in1k"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["test", "--ckpt_path", "resnet18.a1_in1k"], ["test", *SPELT]),
        (["test", "--ckpt_path=resnet18.a1_in1k", "--knn.k", "3"], ["test", *SPELT, "--knn.k", "3"]),
        (
            ["test", "--ckpt_path", "resnet18.a1_in1k", "--config", "a.yaml", "--seed_everything", "1"],
            ["test", "--config", "a.yaml", *SPELT, "--seed_everything", "1"],
        ),
        (["test", "--config", "a.yaml", "--ckpt_path", "x.ckpt"], None),
        (["test", "--config", "a.yaml"], None),
    ],
)
def test_a_command_line_is_spelt_out(given: list[str], expected: list[str] | None) -> None:
    assert spell_out(given) == (given if expected is None else expected)


def test_a_file_comes_before_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert of_timm("test_resnet")
    monkeypatch.chdir(tmp_path)
    Path("test_resnet").write_text("")
    assert not of_timm("test_resnet")


def test_a_checkpoint_that_does_not_say_its_class(tmp_path: Path) -> None:
    module = SimCLR(backbone="test_resnet", projector=(8,))
    torch.save({"state_dict": module.state_dict(), "hyper_parameters": dict(module.hparams)}, tmp_path / "x.ckpt")
    with pytest.raises(UserError, match="does not say which class"):
        load_module(str(tmp_path / "x.ckpt"))


def test_a_class_that_is_gone(tmp_path: Path) -> None:
    saved = {"state_dict": {}, "hyper_parameters": {"_class_path": "no_such_module.Mine"}}
    torch.save(saved, tmp_path / "x.ckpt")
    with pytest.raises(UserError, match=r"its model no_such_module\.Mine cannot be made: No module"):
        load_module(str(tmp_path / "x.ckpt"))


def test_a_compiled_backbone_is_used_as_it_is(tmp_path: Path) -> None:
    module = SimCLR(backbone="test_resnet", projector=(8,), compile=True)
    name = {
        "_class_path": "xclr_lightning.objectives.SimCLR",
        "_instantiator": "lightning.pytorch.cli.instantiate_module",
    }
    settings = {"backbone": "test_resnet", "projector": [8], "compile": True}
    saved = {
        "state_dict": module.state_dict(),
        "hyper_parameters": settings | name,
        "pytorch-lightning_version": "2.4.0",
    }
    torch.save(saved, tmp_path / "x.ckpt")
    loaded = load_module(str(tmp_path / "x.ckpt"))
    assert module.backbone._compiled_call_impl is not None
    assert loaded.backbone._compiled_call_impl is None
    images = torch.rand(2, 3, 32, 32)
    assert torch.isfinite(loaded(images)).all()
