"""How classes are told: by the head, by neighbours or by a linear layer, each as its function has it."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from layouts import RESIZE, SIDE, Colours, StandIn, central, class_folders, measure, odd_pictures
from lightning import LightningModule
from PIL import Image
from torch import Tensor

from xclr_lightning.callbacks import bank_probe
from xclr_lightning.callbacks.features import chosen
from xclr_lightning.callbacks.imagenet_shift import ImageNetShift
from xclr_lightning.errors import UserError
from xclr_lightning.evaluation import knn_predict
from xclr_lightning.evaluation.imagenet import imagenet_classes, variant_classes
from xclr_lightning.evaluation.ridge import ridge_probe

BANK, ASKED = 30, 11
A = variant_classes("a")
# Of ImageNet-A, in which three of these five are.
CLASSES = [A[0], A[7], imagenet_classes()[0], A[150], imagenet_classes()[1]]


class Headless(LightningModule):
    """Tells no classes."""

    forward = Colours.forward


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    files = odd_pictures(tmp_path / "known", BANK, seed=1)
    class_folders(tmp_path / "bank", {wnid: files[place::5] for place, wnid in enumerate(CLASSES)})
    return tmp_path / "bank"


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    files = odd_pictures(tmp_path / "files", ASKED, seed=2)
    class_folders(tmp_path / "a", {wnid: files[place::3] for place, wnid in enumerate((A[0], A[7], A[150]))})
    return tmp_path / "a"


def features_and_labels(root: Path) -> tuple[Tensor, Tensor]:
    """Of every picture below a folder, one by one; a label is a place in the sorted classes of the bank."""
    files = sorted(root.rglob("*.JPEG"))
    images = [central(Image.open(file).convert("RGB"), RESIZE) for file in files]
    pixels = [torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(SIDE, SIDE, 3) for image in images]
    labels = [sorted(CLASSES).index(file.parent.name) for file in files]
    return Headless()(torch.stack(pixels).permute(0, 3, 1, 2)), torch.tensor(labels)


def share_right(scores: Tensor, truth: Tensor) -> float:
    """Of scores of the bank's classes, only those of A compete; what has none of them is wrong."""
    right = 0
    for row, true in zip(scores.tolist(), truth.tolist(), strict=True):
        competing = {label: row[label] for label, wnid in enumerate(sorted(CLASSES)) if wnid in A}
        best = max(competing, key=lambda label: (competing[label], -label))
        right += best == true and competing[best] != 0
    return right / len(truth)


@pytest.mark.parametrize("k", [1, 4, 30])
def test_neighbours_vote_as_in_knn_predict(bank: Path, asked: Path, k: int) -> None:
    (known, labels), (queries, truth) = features_and_labels(bank), features_and_labels(asked)
    scores = knn_predict(known, labels, queries, 5, (k,), 0.1)[k]
    found = measure(ImageNetShift(a=str(asked), bank=str(bank), k=k, temperature=0.1), Headless())
    assert found == {"imagenet_shift/a": pytest.approx(share_right(scores, truth))}


def test_a_layer_is_fitted_as_in_ridge_probe(bank: Path, asked: Path) -> None:
    (known, labels), (queries, truth) = features_and_labels(bank), features_and_labels(asked)
    scores = ridge_probe(known, labels, 5)[0](queries)
    found = measure(ImageNetShift(a=str(asked), bank=str(bank), by="probe"), Headless())
    assert found == {"imagenet_shift/a": pytest.approx(share_right(scores, truth))}


@pytest.mark.parametrize("by", ["knn", "probe"])
def test_a_subset_is_of_what_is_asked_not_of_what_is_known(bank: Path, asked: Path, by: Any) -> None:
    (known, labels), (queries, truth) = features_and_labels(bank), features_and_labels(asked)
    some = torch.from_numpy(chosen(ASKED, 7))
    scores = (
        knn_predict(known, labels, queries, 5, (4,))[4] if by == "knn" else ridge_probe(known, labels, 5)[0](queries)
    )
    evaluation = ImageNetShift(a=str(asked), bank=str(bank), by=by, k=4, subset=7)
    assert measure(evaluation, Headless()) == {
        "imagenet_shift/a": pytest.approx(share_right(scores[some], truth[some]))
    }
    assert evaluation.protocol()["pictures"] == {str(asked): 7, str(bank): BANK}


def test_a_picture_without_a_vote_for_the_competing_classes_is_wrong(bank: Path, asked: Path) -> None:
    """Where none of the neighbours' classes is A's, the first of A's classes has not won."""
    for wnid in (A[0], A[7], A[150]):
        for file in sorted((bank / wnid).iterdir())[:-1]:
            file.unlink()
    features, truth = features_and_labels(asked)
    known, labels = features_and_labels(bank)
    scores = knn_predict(known, labels, features, 5, (1,))[1]
    assert (scores[:, [sorted(CLASSES).index(wnid) for wnid in CLASSES if wnid in A]].sum(1) == 0).any()
    found = measure(ImageNetShift(a=str(asked), bank=str(bank), k=1), Headless())
    assert found == {"imagenet_shift/a": pytest.approx(share_right(scores, truth))}


def test_the_layer_is_fitted_once_a_step(bank: Path, asked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fits = []
    monkeypatch.setattr(bank_probe, "Ridge", lambda *given: fits.append(given) or Ridge(*given))
    from xclr_lightning.evaluation.ridge import Ridge

    trainer, module = StandIn(), Headless()
    evaluations = [ImageNetShift(a=str(asked), r=None, bank=str(bank), by="probe") for _ in range(2)]
    for evaluation in evaluations:
        evaluation.setup(trainer, module, "fit")
        evaluation.on_fit_start(trainer, module)
    for step, expected in ((0, 1), (1, 2)):
        trainer.global_step = step
        for evaluation in evaluations:
            evaluation.evaluate(trainer, module)
        assert len(fits) == expected


def test_the_head_is_asked_where_there_is_one(bank: Path, asked: Path) -> None:
    module = Colours(CLASSES)
    by_default, by_head, by_bank = (
        measure(ImageNetShift(a=str(asked), bank=str(bank), by=by), module)["imagenet_shift/a"]
        for by in (None, "head", "knn")
    )
    assert by_default == by_head != by_bank


def test_a_head_whose_classes_come_late(asked: Path) -> None:
    """As with those that come with the data, or with a checkpoint."""
    evaluation, trainer, module = ImageNetShift(a=str(asked)), StandIn("test"), Colours(CLASSES)
    module.classes = None
    evaluation.setup(trainer, module, "test")
    module.classes = CLASSES
    evaluation.on_test_start(trainer, module)
    assert 0 <= evaluation.evaluate(trainer, module)["imagenet_shift/a"] <= 1


def test_some_classes_are_unknown(bank: Path, asked: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "xclr_lightning"):
        measure(ImageNetShift(a=str(asked), bank=str(bank)), Headless())
    assert "imagenet_shift: only 3 of its 200 classes are among those in 'class' of" in caplog.text


@pytest.mark.parametrize(
    ("settings", "module", "words"),
    [
        ({}, Headless(), "imagenet_shift.bank is not set"),
        ({"by": "knn"}, Colours(CLASSES), "imagenet_shift.bank is not set"),
        ({"by": "head", "bank": "BANK"}, Headless(), "imagenet_shift.by is head, and Headless has none"),
        ({}, Colours(["cat", "dog"]), "by wnid, such as n01498041, and .* of the module's head are others: cat, dog"),
        ({}, Colours(None), "imagenet_shift.bank is not set"),
        ({"bank": "ZOO"}, Headless(), "are others: cat"),
        ({"bank": "BANK", "label": "species"}, Headless(), "no field 'species'"),
    ],
)
def test_nothing_to_tell_classes_by(
    bank: Path, asked: Path, settings: dict[str, str], module: LightningModule, words: str
) -> None:
    class_folders(asked.parent / "zoo", {"cat": sorted((asked.parent / "files").iterdir())})
    places = {"BANK": str(bank), "ZOO": str(asked.parent / "zoo")}
    given = {name: places.get(value, value) for name, value in settings.items()}
    with pytest.raises(UserError, match=words) as caught:
        measure(ImageNetShift(a=str(asked), **given), module)
    assert "\n" not in str(caught.value)


def test_the_protocol_says_how_classes_were_told(bank: Path, asked: Path) -> None:
    evaluation = ImageNetShift(a=str(asked), bank=str(bank), k=5)
    measure(evaluation, Headless())
    protocol = evaluation.protocol()
    assert (protocol["a"], protocol["bank"], protocol["by"], protocol["k"]) == (str(asked), str(bank), "knn", 5)
