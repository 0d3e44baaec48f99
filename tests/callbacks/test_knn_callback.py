"""kNN in a run, where a bank is asked about itself."""

from pathlib import Path
from typing import Any

import pytest
import torch
from coloured import data_settings, quiet_trainer, write
from processes import in_processes

from xclr_lightning.callbacks import KNN, KNNSet
from xclr_lightning.callbacks.features import features_of
from xclr_lightning.data import GraphDataModule, open_source
from xclr_lightning.evaluation import knn_predict
from xclr_lightning.objectives import SimCLR

K = [1, 3]


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    """A bank of 17 pictures of two classes that look alike."""
    return data_settings(tmp_path) | {"val": write(tmp_path / "bank", 17, ["grey", "white"])}


def scored(settings: dict[str, Any], queries: str, **more: Any) -> tuple[dict[str, float], Any]:
    torch.manual_seed(0)
    trainer = quiet_trainer(callbacks=[KNN({"own": KNNSet(settings["val"], queries)}, k=K)], **more)
    module = SimCLR(backbone="test_resnet", projector=(8,))
    trainer.validate(module, datamodule=GraphDataModule(**settings), verbose=False)
    own = {name: value.item() for name, value in trainer.callback_metrics.items() if name.startswith("own/")}
    return own, (trainer, module)


@pytest.mark.parametrize("spelling", ["{}", "{}/../bank"])
def test_a_picture_is_classified_by_the_others(settings: dict[str, Any], spelling: str) -> None:
    found, (trainer, module) = scored(settings, spelling.format(settings["val"]))
    source = open_source(settings["val"])
    features = features_of(trainer, module, source).values
    labels = torch.tensor([name == "white" for name in source.fields("class")]).long()
    right = dict.fromkeys(K, 0)
    for i in range(17):
        others = torch.arange(17) != i
        for k, scores in knn_predict(features[others], labels[others], features[i : i + 1], 2, K).items():
            right[k] += int(scores.argmax() == labels[i])
    assert found == {f"own/top1@{k}": pytest.approx(hits / 17) for k, hits in right.items()}
    assert found["own/top1@1"] < 1


def run_rank(rank: int, settings: dict[str, Any]) -> dict[str, float]:
    """One of two processes."""
    return scored(settings, settings["val"], devices=2, strategy="ddp")[0]


def test_two_processes_leave_out_the_same(settings: dict[str, Any], tmp_path: Path) -> None:
    assert in_processes(2, tmp_path, run_rank, settings) == [scored(settings, settings["val"])[0]] * 2
