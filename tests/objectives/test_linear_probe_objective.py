"""The linear probe as papers run it: what is trained, what is not, what is scored, and what a checkpoint keeps."""

from pathlib import Path
from typing import Any

import pytest
import torch
from coloured import Saver, data_settings, quiet_trainer, write
from lightning import Trainer
from processes import in_processes
from torch import nn
from torch.nn import functional as F

from xclr_lightning.callbacks.features import features_of
from xclr_lightning.data import GraphDataModule
from xclr_lightning.data.views import EvalView
from xclr_lightning.errors import UserError
from xclr_lightning.objectives import SimCLR
from xclr_lightning.objectives.linear_probe import LinearProbe


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    """Of a data module of one view a picture."""
    known = data_settings(tmp_path)
    return known | {"num_views": 1, "view": known["eval_view"]}


def trainer(epochs: int = 1, **settings: Any) -> Trainer:
    return quiet_trainer(max_epochs=epochs, **settings)


def probe(**settings: Any) -> LinearProbe:
    torch.manual_seed(0)
    return LinearProbe(backbone="test_resnet", **settings)


def frozen(module: LinearProbe) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.backbone.state_dict().items()}


def test_it_learns_and_the_backbone_stays_as_it_is(settings: dict[str, Any]) -> None:
    module, running = probe(lr=10.0), trainer(12)
    before = frozen(module)
    running.fit(module, datamodule=GraphDataModule(**settings))
    assert any(name.endswith("running_mean") for name in before)
    assert [name for name, value in frozen(module).items() if not torch.equal(value, before[name])] == []
    assert module.classes == ["blue", "green", "red"]
    found = running.callback_metrics
    assert found["train/top1"] > 0.9
    assert found["val/top1"] > 0.9
    assert found["val/top5"] == 1


def test_only_the_layer_is_in_the_optimiser(settings: dict[str, Any]) -> None:
    module, running = probe(), trainer()
    running.fit(module, datamodule=GraphDataModule(**settings))
    (optimizer,) = running.optimizers
    trained = [p for group in optimizer.param_groups for p in group["params"]]
    assert {id(p) for p in trained} == {id(p) for p in module.head.parameters()}
    assert isinstance(optimizer, torch.optim.SGD)
    assert {(group["momentum"], group["weight_decay"]) for group in optimizer.param_groups} == {(0.9, 0.0)}
    assert {group["initial_lr"] for group in optimizer.param_groups} == {0.1 * 6 / 256}


def test_weights_are_those_of_a_plain_loop(settings: dict[str, Any]) -> None:
    """Without random views: SGD with a cosine on the features of an evaluating backbone, batch by batch."""
    module, seen = probe(lr=2.0), []
    step = module.step
    module.step = lambda batch, *rest: seen.append((batch["views"], batch["labels"])) or step(batch, *rest)  # type: ignore[method-assign]
    trainer(2, limit_val_batches=0).fit(module, datamodule=GraphDataModule(**settings))
    layer = nn.Linear(module.feature_dim, 3)
    for p in layer.parameters():
        nn.init.zeros_(p)
    optimizer = torch.optim.SGD(layer.parameters(), 2.0 * 6 / 256, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, len(seen))
    backbone = module.backbone.eval()
    for views, truth in seen:
        with torch.no_grad():
            features = backbone((views[0] / 255 - module.mean) / module.std)
        optimizer.zero_grad()
        F.cross_entropy(layer(features), truth).backward()
        optimizer.step()
        schedule.step()
    assert len(seen) == 8
    torch.testing.assert_close(module.head.weight, layer.weight, rtol=1e-4, atol=1e-7)


def test_every_held_out_picture_is_scored_once(settings: dict[str, Any]) -> None:
    """13 pictures in batches of 6, of which the loader of views would leave one out."""
    module, running = probe(lr=1.0), trainer()
    data = GraphDataModule(**settings)
    running.fit(module, datamodule=data)
    held_out = data.dataset("val")
    features = features_of(running, module, held_out.source)
    logits = module.classify(features.values)
    assert logits.shape == (13, 3)
    hits = logits.argmax(1) == torch.from_numpy(held_out.labels)[features.index]
    assert running.callback_metrics["val/top1"].item() == pytest.approx(hits.float().mean().item())


def test_a_class_that_training_lacks_is_an_error_and_no_loss(settings: dict[str, Any], tmp_path: Path) -> None:
    held_out = write(tmp_path / "odd", 12, ["grey", "red"])
    module, running = probe(lr=10.0), trainer(12)
    running.fit(module, datamodule=GraphDataModule(**{**settings, "val": held_out}))
    assert module.classes == ["blue", "green", "red"]
    assert running.callback_metrics["val/top1"].item() == pytest.approx(0.5)
    assert running.callback_metrics["val/loss"].isfinite()


def test_evaluation_leaves_the_layer_in_training_and_the_backbone_out_of_it() -> None:
    module = probe()
    assert not module.eval().training
    assert module.train().training
    assert not any(part.training for part in module.backbone.modules())


def test_a_checkpoint_classifies_by_itself(settings: dict[str, Any], tmp_path: Path) -> None:
    module, running = probe(lr=1.0), trainer(3)
    running.fit(module, datamodule=GraphDataModule(**settings))
    running.save_checkpoint(tmp_path / "x.ckpt")
    loaded = LinearProbe.load_from_checkpoint(tmp_path / "x.ckpt", weights_only=True)
    assert loaded.classes == module.classes
    features = torch.randn(4, module.feature_dim)
    assert torch.equal(loaded.classify(features), module.classify(features))
    again = trainer()
    found = again.test(probe(), datamodule=GraphDataModule(**settings), ckpt_path=tmp_path / "x.ckpt", verbose=False)
    assert found[0]["test/top1"] == pytest.approx(running.callback_metrics["val/top1"].item())


def test_a_run_goes_on_to_the_same_bits(settings: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "x.ckpt"
    whole, rest = probe(lr=1.0), probe(lr=1.0)
    trainer(4, callbacks=[Saver(file)]).fit(whole, datamodule=GraphDataModule(**settings))
    trainer(4).fit(rest, datamodule=GraphDataModule(**settings), ckpt_path=file, weights_only=True)
    saved = torch.load(file, weights_only=True)["state_dict"]["head.weight"]
    assert torch.equal(rest.head.weight, whole.head.weight)
    assert not torch.equal(rest.head.weight, saved)


def test_it_starts_from_an_objectives_checkpoint(tmp_path: Path) -> None:
    other = SimCLR(backbone="test_resnet", projector=(8,))
    torch.save({"state_dict": other.state_dict(), "hyper_parameters": {}}, tmp_path / "x.ckpt")
    module = probe(init_from=str(tmp_path / "x.ckpt"))
    for found, expected in zip(module.backbone.parameters(), other.backbone.parameters(), strict=True):
        assert torch.equal(found, expected)


def test_views_of_another_size_are_warned_of(settings: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("WARNING", "xclr_lightning")
    trainer().fit(probe(), datamodule=GraphDataModule(**settings))
    assert "pixels" not in caplog.text
    trainer().fit(probe(), datamodule=GraphDataModule(**{**settings, "view": EvalView(32, 32)}))
    assert "trained on views of 32 pixels and scored on pictures of 24" in caplog.text


def test_what_does_not_fit_is_said(settings: dict[str, Any], tmp_path: Path) -> None:
    running = trainer()
    running.fit(probe(), datamodule=GraphDataModule(**settings))
    running.save_checkpoint(tmp_path / "x.ckpt")
    odd = {**settings, "train": write(tmp_path / "odd", 12, ["grey", "red"])}
    with pytest.raises(UserError, match=r"tells 3 classes \(blue, green, red\) apart .* has 2 classes \(grey, red\)"):
        trainer().test(probe(), datamodule=GraphDataModule(**odd), ckpt_path=tmp_path / "x.ckpt", weights_only=True)
    with pytest.raises(UserError, match=r"LinearProbe needs the class of every picture: set data\.label"):
        trainer().fit(probe(), datamodule=GraphDataModule(**{**settings, "label": None}))
    torch.save({"state_dict": {}, "pytorch-lightning_version": "2.4.0"}, tmp_path / "y.ckpt")
    with pytest.raises(UserError, match=r"no LinearProbe's: .*model\.init_from"):
        LinearProbe.load_from_checkpoint(tmp_path / "y.ckpt", backbone="test_resnet", weights_only=True)


def run_rank(rank: int, settings: dict[str, Any]) -> dict[str, Any]:
    """One of two processes that train together."""
    module, running = probe(lr=10.0), trainer(4, devices=2, strategy="ddp")
    running.fit(module, datamodule=GraphDataModule(**settings))
    metrics = {name: value.item() for name, value in running.callback_metrics.items()}
    return {"state": module.state_dict(), "metrics": metrics}


def test_two_processes_are_one(settings: dict[str, Any], tmp_path: Path) -> None:
    found = in_processes(2, tmp_path, run_rank, settings)
    module, running = probe(lr=10.0), trainer(4)
    running.fit(module, datamodule=GraphDataModule(**settings))
    for result in found:
        torch.testing.assert_close(result["state"]["head.weight"], module.head.weight.data, rtol=1e-4, atol=1e-7)
        for name, value in module.backbone.state_dict().items():
            assert torch.equal(result["state"][f"backbone.{name}"], value)
    for name in ("val/top1", "val/top5", "train/top1"):
        assert found[0]["metrics"][name] == running.callback_metrics[name].item()
