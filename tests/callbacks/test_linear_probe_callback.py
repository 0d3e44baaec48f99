"""The probe beside the objective: it learns, and nothing else notices."""

from pathlib import Path
from typing import Any

import pytest
import torch
from coloured import Saver, data_settings, quiet_trainer, write
from lightning import Callback, LightningModule, Trainer
from processes import in_processes
from torch import Tensor, nn
from torch.nn import functional as F

from xclr_lightning.callbacks.features import features_of
from xclr_lightning.callbacks.linear_probe import OnlineProbe, ProbeSet
from xclr_lightning.data import GraphDataModule, RandomCropView
from xclr_lightning.data.views import EvalView
from xclr_lightning.errors import UserError
from xclr_lightning.objectives import SimCLR

BACKBONE = {"backbone": "test_resnet", "backbone_kwargs": {"drop_rate": 0.2}, "projector": (8,)}
# The network stands still, so that all that can differ is who has which part of a batch.
STILL = {"lr": 0.0, "backbone_kwargs": {}}


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    return data_settings(tmp_path) | {"view": RandomCropView(24)}


def fitted(
    settings: dict[str, Any], probe: Callback | None, epochs: int = 2, model: dict[str, Any] | None = None, **more: Any
) -> tuple[SimCLR, Trainer]:
    torch.manual_seed(0)
    module = SimCLR(**{**BACKBONE, **(model or {})})
    fit = {name: more.pop(name) for name in ("ckpt_path", "weights_only") if name in more}
    callbacks = [*([] if probe is None else [probe]), *more.pop("callbacks", [])]
    trainer = quiet_trainer(max_epochs=epochs, callbacks=callbacks, **more)
    trainer.fit(module, datamodule=GraphDataModule(**settings), **fit)
    return module, trainer


def probe_on(settings: dict[str, Any], **more: Any) -> OnlineProbe:
    return OnlineProbe({"held": ProbeSet(settings["val"])}, **more)


def test_the_network_does_not_notice(settings: dict[str, Any]) -> None:
    plain, _ = fitted(settings, None)
    beside, trainer = fitted(settings, probe_on(settings))
    for (name, found), expected in zip(beside.state_dict().items(), plain.state_dict().values(), strict=True):
        assert torch.equal(found, expected), name
    assert len(trainer.optimizers) == 1


def test_it_learns(settings: dict[str, Any]) -> None:
    _, trainer = fitted(settings, probe_on(settings, lr=10.0), epochs=12, model={"lr": 1e-5})
    metrics = trainer.callback_metrics
    assert metrics["linear_probe/train_top1"] > 0.8
    assert metrics["held/top1"] > 0.8
    assert metrics["held/top5"] == 1


class Recorder(Callback):
    """Keeps what the probe was given."""

    def __init__(self) -> None:
        self.seen: list[tuple[Tensor, Tensor]] = []

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, i: int) -> None:
        self.seen.append((outputs["features"], batch["labels"]))


def test_it_is_a_layer_on_the_batches_features(settings: dict[str, Any]) -> None:
    """Against autograd, torch's SGD and its schedule, on the features recorded."""
    probe, recorder = probe_on(settings, lr=3.0), Recorder()
    module, trainer = fitted(settings, probe, callbacks=[recorder])
    layer = nn.Linear(module.feature_dim, 3)
    for p in layer.parameters():
        nn.init.zeros_(p)
    optimizer = torch.optim.SGD(layer.parameters(), 3.0 * 6 / 256, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, len(recorder.seen))
    hits = []
    for features, labels in recorder.seen:
        assert features.shape[0] == 12  # two views
        assert not features.requires_grad
        scores = layer(features)
        hits.append((scores.argmax(1) == labels.repeat(2)).float().mean().item())
        optimizer.zero_grad()
        F.cross_entropy(scores, labels.repeat(2)).backward()
        optimizer.step()
        schedule.step()
    state = probe.state_dict()
    assert len(recorder.seen) == 8
    torch.testing.assert_close(state["weight"][0], layer.weight.detach(), rtol=1e-3, atol=1e-6)
    assert trainer.callback_metrics["linear_probe/train_top1"].item() == pytest.approx(sum(hits[4:]) / 4, abs=1e-6)
    features = features_of(trainer, module, probe._opened["held"][0])
    truth = probe._opened["held"][1][features.index]
    expected = (F.linear(features.values, state["weight"][0], state["bias"][0]).argmax(1) == truth).float().mean()
    assert trainer.callback_metrics["held/top1"].item() == pytest.approx(expected.item())


def test_a_run_that_goes_on_has_the_same_layer(settings: dict[str, Any], tmp_path: Path) -> None:
    whole, rest, file = probe_on(settings, lr=3.0), probe_on(settings, lr=3.0), tmp_path / "x.ckpt"
    fitted(settings, whole, epochs=4, callbacks=[Saver(file)])
    fitted(settings, rest, epochs=4, ckpt_path=file, weights_only=True)
    saved = torch.load(file, weights_only=True)["callbacks"]["OnlineProbe"]
    assert whole.state_dict().keys() == saved.keys()
    for name, value in whole.state_dict().items():
        assert torch.equal(rest.state_dict()[name], value), name
        assert not torch.equal(saved[name], value)


def test_a_checkpoint_without_a_probe_is_gone_on_from(settings: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "x.ckpt"
    fitted(settings, None, epochs=3, callbacks=[Saver(file)])
    _, trainer = fitted(settings, probe_on(settings), epochs=3, ckpt_path=file, weights_only=True)
    assert "held/top1" in trainer.callback_metrics


def test_queries_of_unknown_classes_are_errors(
    settings: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    odd = write(tmp_path / "odd", 8, ["grey", "grey", "grey", "red"])
    _, trainer = fitted(settings, OnlineProbe({"odd": ProbeSet(odd)}))
    assert trainer.callback_metrics["odd/top5"] == 2 / 8
    assert "linear_probe.sets.odd: 6 of 8 queries are of a class that data.train lacks" in caplog.text


def test_labels_that_do_not_match_are_refused(settings: dict[str, Any], tmp_path: Path) -> None:
    odd = write(tmp_path / "odd", 2, ["grey"])
    with pytest.raises(UserError, match=r"linear_probe\.sets\.odd: no 'class' of the queries .* occurs in data\.train"):
        fitted(settings, OnlineProbe({"odd": ProbeSet(odd)}))


def test_pictures_are_cropped_as_asked(settings: dict[str, Any]) -> None:
    """The batches' own crop may suit the layer better than that of other evaluations."""
    sizes = []

    class Seen(OnlineProbe):
        def features(self, *arguments: Any) -> Any:
            sizes.append(arguments[3].size)
            return super().features(*arguments)

    probe = Seen({"held": ProbeSet(settings["val"])}, view=EvalView(16, 16))
    fitted(settings, probe, epochs=1)
    assert sizes == [16]
    assert probe.protocol()["crop"] == "EvalView(size=16, resize=16)"


@pytest.mark.parametrize("off", [{"every_n_epochs": 0}, {"sets": None}])
def test_it_can_be_off(settings: dict[str, Any], off: dict[str, Any]) -> None:
    probe = OnlineProbe(**{"sets": {"held": ProbeSet(settings["val"])}, **off})
    _, trainer = fitted(settings, probe)
    assert not [name for name in trainer.callback_metrics if name.startswith(("linear_probe", "held"))]
    assert probe.state_dict() == {}


def test_without_classes_it_is_off_and_says_so(settings: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("WARNING", "xclr_lightning")
    _, trainer = fitted({**settings, "label": None}, probe_on(settings))
    assert "held/top1" not in trainer.callback_metrics
    assert "linear_probe is off: samples have no class, set data.label" in caplog.text


def test_a_module_that_keeps_its_features_to_itself_is_named(settings: dict[str, Any]) -> None:
    class Secretive(SimCLR):
        def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
            return super().training_step(batch, batch_idx)["loss"]

    trainer = quiet_trainer(max_epochs=1, callbacks=[probe_on(settings)])
    with pytest.raises(UserError, match=r"Secretive\.training_step must return them too"):
        trainer.fit(Secretive(**BACKBONE), datamodule=GraphDataModule(**settings))


def run_rank(rank: int, settings: dict[str, Any]) -> dict[str, Any]:
    """One of two processes that train together."""
    probe = probe_on(settings, lr=3.0)
    _, trainer = fitted(settings, probe, model=STILL, devices=2, strategy="ddp")
    metrics = {name: value.item() for name, value in trainer.callback_metrics.items()}
    return {"state": dict(probe.state_dict()), "metrics": metrics}


def test_two_processes_have_one_layer_and_it_is_that_of_one(settings: dict[str, Any], tmp_path: Path) -> None:
    found = in_processes(2, tmp_path, run_rank, settings)
    probe = probe_on(settings, lr=3.0)
    _, trainer = fitted(settings, probe, model=STILL)
    for name, value in found[0]["state"].items():
        assert torch.equal(found[1]["state"][name], value)
        torch.testing.assert_close(value, probe.state_dict()[name], rtol=1e-3, atol=1e-6)
    for name in ("held/top1", "linear_probe/train_top1"):
        assert found[0]["metrics"][name] == pytest.approx(trainer.callback_metrics[name].item(), abs=1e-6)
