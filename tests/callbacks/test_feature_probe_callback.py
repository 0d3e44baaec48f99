"""Linear evaluation on stored features, over one process and over two with parts of unequal size."""

from pathlib import Path
from typing import Any

import pytest
import torch
from coloured import data_settings, quiet_trainer, write
from processes import in_processes

from xclr_lightning.callbacks.feature_probe import FeatureProbe
from xclr_lightning.callbacks.features import features_of
from xclr_lightning.callbacks.few_shot import FewShot
from xclr_lightning.callbacks.knn import KNN
from xclr_lightning.callbacks.labelled import KNNSet
from xclr_lightning.data import GraphDataModule
from xclr_lightning.errors import UserError
from xclr_lightning.evaluation import ridge_probe, sgd_probe
from xclr_lightning.objectives import SimCLR

NAMES = ["blue", "green", "red", "grey", "white"]


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    """A bank of 35 pictures and 13 queries in batches of 6; grey and white look alike."""
    bank, queries = write(tmp_path / "bank", 35, NAMES), write(tmp_path / "queries", 13, NAMES)
    return data_settings(tmp_path) | {"train": bank, "val": queries}


def probe(settings: dict[str, Any], **more: Any) -> FeatureProbe:
    sets = {"colours": KNNSet(settings["train"], settings["val"])}
    return FeatureProbe(sets, classifiers=["ridge", "sgd"], epochs=30, batch_size=8, **more)


def scored(settings: dict[str, Any], callbacks: list, **more: Any) -> tuple[dict[str, float], Any]:
    torch.manual_seed(0)
    trainer = quiet_trainer(callbacks=callbacks, **more)
    module = SimCLR(backbone="test_resnet", projector=(8,))
    trainer.validate(module, datamodule=GraphDataModule(**settings), verbose=False)
    return {name: value.item() for name, value in trainer.callback_metrics.items()}, (trainer, module)


def test_the_numbers_are_those_of_the_functions(settings: dict[str, Any]) -> None:
    evaluation = probe(settings)
    found, (trainer, module) = scored(settings, [evaluation])
    opened = evaluation._opened["colours"]
    bank, queries = (features_of(trainer, module, source) for source in (opened.bank, opened.queries))
    labels, truth = opened.bank_labels[bank.index], opened.query_labels[queries.index]
    ridge, _ = ridge_probe(bank.values, labels, 5)
    sgd, _ = sgd_probe(bank.values, labels, 5, epochs=30, batch_size=8)
    assert found["colours/ridge"] == ridge.accuracy(queries.values, truth)
    assert found["colours/sgd"] == sgd.accuracy(queries.values, truth)
    assert 0.4 < found["colours/ridge"] < 1


def test_pictures_of_a_class_that_the_bank_lacks_are_errors(
    settings: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    odd = write(tmp_path / "odd", 9, ["black", "black", "red"])
    found, _ = scored(settings, [FeatureProbe({"odd": KNNSet(settings["train"], odd)})])
    assert found["odd/ridge"] <= 0.34  # one in three is red
    assert "odd/sgd" not in found
    assert "feature_probe.sets.odd: 6 of 9 queries are of a class that the bank " in caplog.text
    assert "bank and queries are the same" not in caplog.text


@pytest.mark.parametrize("evaluation", [KNN, FeatureProbe, FewShot])
def test_labels_that_do_not_match_are_refused(settings: dict[str, Any], tmp_path: Path, evaluation: Any) -> None:
    odd = write(tmp_path / "odd", 3, ["black"])
    words = r"sets\.odd: no 'class' of the queries .*odd occurs in the bank .*bank, which has blue, green, grey"
    with pytest.raises(UserError, match=words) as caught:
        evaluation({"odd": KNNSet(settings["train"], odd)}).open()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("evaluation", [FeatureProbe, FewShot])
def test_what_was_fitted_to_is_no_measure(
    settings: dict[str, Any], caplog: pytest.LogCaptureFixture, evaluation: Any
) -> None:
    more = {"shots": [1]} if evaluation is FewShot else {}
    assert evaluation({"own": KNNSet(settings["val"], settings["val"] + "/../queries")}, **more).open()
    assert "sets.own: bank and queries are the same pictures" in caplog.text


def test_off_without_sets(settings: dict[str, Any]) -> None:
    assert set(scored(settings, [FeatureProbe()])[0]) == {"val/loss"}


def evaluations(settings: dict[str, Any]) -> list:
    shots = FewShot({"few": KNNSet(settings["train"], settings["val"])}, shots=[1, 3], repeats=4)
    return [probe(settings), shots]


def run_rank(rank: int, settings: dict[str, Any]) -> dict[int, dict[str, float]]:
    """One of two processes that evaluate together."""
    results: dict[int, dict[str, float]] = {}
    for evaluation in evaluations(settings):
        measure = evaluation.evaluate
        evaluation.evaluate = lambda *a, measure=measure: results.setdefault(len(results), measure(*a))
        scored(settings, [evaluation], devices=2, strategy="ddp")
    return results


def test_two_processes_give_the_numbers_of_one(settings: dict[str, Any], tmp_path: Path) -> None:
    together = in_processes(2, tmp_path, run_rank, settings)
    expected = {}
    for evaluation in evaluations(settings):
        numbers, _ = scored(settings, [evaluation])
        expected |= {name: value for name, value in numbers.items() if name != "val/loss"}
    for found in together:
        merged = {name: value for part in found.values() for name, value in part.items()}
        assert merged.keys() == expected.keys()
        for name, value in merged.items():
            assert torch.tensor(value) == torch.tensor(expected[name]), name
    assert len(set(expected.values())) > 3
