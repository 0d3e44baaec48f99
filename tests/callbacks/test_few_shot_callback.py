"""Few-shot accuracy as it is logged, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch
from coloured import data_settings, quiet_trainer, write

from xclr_lightning.callbacks.features import features_of
from xclr_lightning.callbacks.few_shot import FewShot
from xclr_lightning.callbacks.labelled import KNNSet
from xclr_lightning.data import GraphDataModule
from xclr_lightning.errors import UserError
from xclr_lightning.evaluation.few_shot import few_shot_accuracy
from xclr_lightning.objectives import SimCLR


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    """Of four classes, three look alike."""
    names = ["blue", "black", "grey", "white"]
    bank, queries = write(tmp_path / "bank", 26, names), write(tmp_path / "queries", 17, names)
    return data_settings(tmp_path) | {"train": bank, "val": queries}


@pytest.mark.parametrize("classifier", ["mean", "ridge"])
def test_mean_and_deviation_over_the_draws(settings: dict[str, Any], classifier: str) -> None:
    one = KNNSet(settings["train"], settings["val"])
    evaluation = FewShot({"few": one}, shots=[1, 4], repeats=5, seed=3, classifier=classifier)  # type: ignore[arg-type]
    module, trainer = SimCLR(backbone="test_resnet", projector=(8,)), quiet_trainer(callbacks=[evaluation])
    trainer.validate(module, datamodule=GraphDataModule(**settings), verbose=False)
    opened = evaluation._opened["few"]
    bank, queries = (features_of(trainer, module, source) for source in (opened.bank, opened.queries))
    known, truth = opened.bank_labels[bank.index], opened.query_labels[queries.index]
    for shots in (1, 4):
        values = [
            few_shot_accuracy(bank.values, known, queries.values, truth, 4, shots, 1, 3 + number, classifier).item()
            for number in range(5)
        ]
        found = trainer.callback_metrics
        assert found[f"few/top1@{shots}shot"].item() == pytest.approx(sum(values) / 5)
        assert found[f"few/std@{shots}shot"].item() == pytest.approx(torch.tensor(values).std(correction=0).item())
    assert found["few/std@1shot"] > 0


def test_more_examples_than_a_class_has_are_refused(tmp_path: Path) -> None:
    bank = write(tmp_path / "bank", 8, ["blue", "blue", "red", "green"])
    evaluation = FewShot({"few": KNNSet(bank, bank)}, shots=3)
    with pytest.raises(UserError, match=r"few draws 3 examples a class, and class 'green' of .*bank has 2: take 3 out"):
        evaluation.open()
    assert FewShot({"few": KNNSet(bank, bank)}, shots=2).open()


@pytest.mark.parametrize("wrong", [{"shots": []}, {"shots": [0, 1]}, {"repeats": 0}])
def test_shots_and_repeats_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="expected 1 or more of each"):
        FewShot(**wrong)


def test_off_without_sets() -> None:
    assert not FewShot().open()
