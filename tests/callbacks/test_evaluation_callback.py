"""What all evaluations share: names of their own, what is said once, what numbers were measured by, and divergence."""

from pathlib import Path
from typing import Any

import pytest
from coloured import data_settings, quiet_trainer, write
from layouts import SIDE, Colours, StandIn, measure, odd_pictures, spoil
from lightning import LightningModule, Trainer
from processes import in_processes
from torch import Tensor
from torch import distributed as dist

from xclr_lightning.callbacks import KNN, Evaluation, FeatureProbe, KNNSet
from xclr_lightning.callbacks.features import NotFinite, features_of
from xclr_lightning.data import GraphDataModule, ImageFolder
from xclr_lightning.errors import UserError
from xclr_lightning.objectives import SimCLR

DIVERGED = "not finite: training has diverged, or trainer.precision is too low; lower model.lr"


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    return data_settings(tmp_path)


class Constant(Evaluation):
    """Logs a number under some names."""

    def __init__(self, *names: str, **more: Any) -> None:
        super().__init__(**more)
        self.names = names

    def open(self) -> bool:
        return True

    def evaluate(self, trainer: Trainer, module: LightningModule) -> dict[str, float]:
        return dict.fromkeys(self.names, 1.0)


class Other(Constant):
    """Likewise."""


class Diverging(SimCLR):
    """From an epoch on, its features of the first picture of a batch are not finite."""

    def __init__(self, epoch: int, value: float = float("nan")) -> None:
        super().__init__(backbone="test_resnet", projector=(8,))
        self.epoch, self.value = epoch, value

    def forward(self, images: Tensor) -> Tensor:
        features = super().forward(images)
        if not self.training and self.trainer.current_epoch >= self.epoch:
            features[:1, 3] = self.value
        return features


def fitted(settings: dict[str, Any], module: LightningModule, *callbacks: Evaluation, **more: Any) -> Trainer:
    trainer = quiet_trainer(callbacks=list(callbacks), **more)
    trainer.fit(module, datamodule=GraphDataModule(**settings))
    return trainer


def sets(settings: dict[str, Any]) -> dict[str, KNNSet]:
    return {"held": KNNSet(settings["train"], settings["val"])}


def test_a_name_of_two_evaluations_is_refused(settings: dict[str, Any]) -> None:
    module = SimCLR(backbone="test_resnet", projector=(8,))
    with pytest.raises(UserError, match=r"^x/top1 is logged by Constant and by Other: give the sets"):
        fitted(settings, module, Constant("x/top1", "x/a"), Other("x/b", "x/top1"), max_epochs=1)
    with pytest.raises(UserError, match=r"^x is logged by Constant and by Constant"):
        fitted(settings, module, Constant("x"), Constant("x", every_n_epochs=2), max_epochs=2)


def test_an_evaluation_may_run_again_and_others_beside_it(settings: dict[str, Any]) -> None:
    module = SimCLR(backbone="test_resnet", projector=(8,))
    trainer = fitted(settings, module, Constant("x/top1"), Other("x/top5"), max_epochs=2)
    assert {"x/top1", "x/top5"} <= set(trainer.callback_metrics)


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_numbers_of_a_diverged_network_are_nan(
    settings: dict[str, Any], caplog: pytest.LogCaptureFixture, half: bool, value: float
) -> None:
    found: dict[int, dict[str, float]] = {}

    class Watching(Constant):
        def evaluate(self, trainer: Trainer, module: LightningModule) -> dict[str, float]:
            metrics = {name: value.item() for name, value in trainer.callback_metrics.items()}
            found[trainer.current_epoch] = {name: value for name, value in metrics.items() if name.startswith("held/")}
            return super().evaluate(trainer, module)

    evaluations = [KNN(sets(settings), k=1), FeatureProbe(sets(settings)), Watching("fine")]
    trainer = fitted(settings | {"half_features": half}, Diverging(1, value), *evaluations, max_epochs=3)
    assert set(found[0]) == {"held/top1@1", "held/ridge"}
    assert all(0 <= number <= 1 for number in found[0].values())
    assert all(trainer.callback_metrics[name].isnan() for name in found[0])
    assert trainer.callback_metrics["fine"] == 1
    # 25 pictures in batches of 6, one of each.
    assert caplog.text.count(DIVERGED) == 1
    assert f"features of 5 pictures in {settings['train']} are {DIVERGED}; numbers that follow" in caplog.text


def test_a_network_that_diverges_at_once_has_no_numbers(settings: dict[str, Any]) -> None:
    trainer = fitted(settings, Diverging(0), KNN(sets(settings), k=1), max_epochs=1)
    assert "held/top1@1" not in trainer.callback_metrics


def test_outside_of_training_it_is_an_error(settings: dict[str, Any]) -> None:
    trainer = quiet_trainer(callbacks=[KNN(sets(settings), k=1)])
    with pytest.raises(NotFinite, match=DIVERGED):
        trainer.validate(Diverging(0), datamodule=GraphDataModule(**settings), verbose=False)


class BadLastBatch(Colours):
    """Features of the last batch, which one process alone has, are not finite."""

    def forward(self, images: Tensor) -> Tensor:
        features = super().forward(images)
        return features / 0 if len(images) == 1 else features


def refusal(rank: int, folder: str) -> str:
    """What one of two processes says of 10 pictures in batches of 3."""
    dist.init_process_group("gloo")
    with pytest.raises(NotFinite) as caught:
        features_of(StandIn(batch_size=3), BadLastBatch(), ImageFolder(folder))
    return str(caught.value)


def test_all_processes_agree_that_it_diverged(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    odd_pictures(folder, 10)
    found = in_processes(2, tmp_path, refusal, str(folder))
    assert found == [f"features of 1 pictures in {folder} are {DIVERGED}"] * 2


def test_a_broken_picture_is_named_once_a_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bank, queries = write(tmp_path / "bank", 6, ["red", "blue"]), write(tmp_path / "queries", 4, ["red", "blue"])
    spoil(tmp_path / "bank" / "red" / "9.png")
    spoil(tmp_path / "queries" / "red" / "9.png")
    trainer, module = StandIn(), Colours()
    for evaluation in (KNN({"x": KNNSet(bank, queries)}, k=1), FeatureProbe({"x": KNNSet(bank, queries)})):
        evaluation.setup(trainer, module, "fit")
        for step in (0, 1):
            trainer.global_step = step
            evaluation.evaluate(trainer, module)
    for folder in (bank, queries):
        assert caplog.text.count(f"1 pictures could not be read and are not evaluated, first {folder}") == 1
    measure(KNN({"x": KNNSet(bank, queries)}, k=1), module)  # another run
    assert caplog.text.count("1 pictures could not be read") == 4


def test_the_protocol_says_what_was_looked_at(tmp_path: Path) -> None:
    bank, queries = write(tmp_path / "bank", 9, ["red", "blue"]), write(tmp_path / "queries", 4, ["red", "blue"])
    spoil(tmp_path / "queries" / "red" / "9.png")
    evaluation, trainer = KNN({"x": KNNSet(bank, queries)}, k=1, subset=6), StandIn()
    trainer.datamodule.half_features = True
    evaluation.setup(trainer, Colours(), "fit")
    evaluation.evaluate(trainer, Colours())
    protocol = evaluation.protocol()
    assert protocol["pictures"] == {bank: 6, queries: 4}
    assert protocol["half_features"] is True
    assert protocol["crop"] == f"EvalView(size={SIDE}, resize=20)"
