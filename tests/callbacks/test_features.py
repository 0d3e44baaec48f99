"""Features of evaluation sets: each picture once, computed once a step, in the batches of one process."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from layouts import Colours, StandIn, litter, odd_pictures, spoil

from xclr_lightning.callbacks import KNN, FeatureProbe, ImageNetReal
from xclr_lightning.callbacks import features as module_under_test
from xclr_lightning.callbacks.evaluation import Evaluation
from xclr_lightning.callbacks.features import chosen, features_of, share_of
from xclr_lightning.data import EvalView, ImageFolder
from xclr_lightning.errors import UserError


class Counting(Colours):
    """Counts the pictures that it sees, and how many it saw at once."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.batches.append(len(images))
        return super().forward(images)


@pytest.fixture
def source(tmp_path: Path) -> ImageFolder:
    odd_pictures(tmp_path, 10)
    litter(tmp_path)
    spoil(tmp_path / "004b.png")
    return ImageFolder(tmp_path)


def test_each_picture_once_a_step(source: ImageFolder) -> None:
    trainer, module = StandIn(batch_size=4), Counting()
    first = features_of(trainer, module, source)
    assert len(source) == 11
    assert first.index.tolist() == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]
    assert [Path(message.split(":")[0]).name for message in first.bad] == ["004b.png"]
    assert module.batches == [4, 3, 3]
    again = features_of(trainer, module, ImageFolder(source.path), EvalView(16, 20))  # the same crop by another name
    assert again is first
    features_of(trainer, module, source, EvalView(16, None))
    assert len(module.batches) == 6
    trainer.global_step += 1
    assert features_of(trainer, module, source) is not first
    assert len(module.batches) == 9


def test_weights_that_were_loaded_have_features_of_their_own(source: ImageFolder) -> None:
    trainer, module, evaluation = StandIn("validate"), Counting(), KNN()
    first = features_of(trainer, module, source)
    for begin in (evaluation.on_train_epoch_start, evaluation.on_validation_start, evaluation.on_test_start):
        begin(trainer, module)
        again = features_of(trainer, module, source)
        assert again is not first
        first = again


def test_a_path_with_other_pictures_is_another_source(source: ImageFolder) -> None:
    table = source.path.parent / "captions.csv"
    rows = [f"{name.decode()},{'a thing' if i else ''}\n" for i, name in enumerate(list(source.keys()))]
    table.write_text("file_name,caption\n" + "".join(rows))
    trainer, told = StandIn(), ImageFolder(source.path, table)
    assert len(told) == len(source) - 1
    assert len(features_of(trainer, Colours(), source).index) == len(features_of(trainer, Colours(), told).index) + 1


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: KNN(k=0), "knn.k .0., knn.temperature 0.07: expected 1 or more"),
        (lambda: KNN(k=[]), r"knn.k \[\]"),
        (lambda: KNN(temperature=0), "above 0"),
        (lambda: ImageNetReal(k=0), "imagenet_real.k .0."),
        (lambda: FeatureProbe(classifiers=[]), r"feature_probe.classifiers \[\]"),
        (lambda: FeatureProbe(batch_size=0), "batch_size 0"),
        (lambda: KNN(subset=0), "KNN with every_n_epochs 1, subset 0"),
    ],
)
def test_settings_by_which_nothing_can_be_measured(make: Callable[[], Evaluation], words: str) -> None:
    with pytest.raises(UserError, match=words):
        make()


def test_half_precision_keeps_what_is_finite(source: ImageFolder) -> None:
    class Large(Colours):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return super().forward(images) * 1e6

    trainer = StandIn()
    full = features_of(trainer, Large(), source).values
    trainer.datamodule.half_features = True
    trainer.global_step += 1
    half = features_of(trainer, Large(), source).values
    assert (full.dtype, half.dtype) == (torch.float32, torch.float16)
    assert half.isfinite().all()
    torch.testing.assert_close(half.float(), full.clamp(-65504, 65504), rtol=1e-3, atol=0)


def test_a_subset_is_the_same_every_time(source: ImageFolder) -> None:
    some = features_of(StandIn(), Colours(), source, subset=5)
    assert some.index.tolist() == [number for number in chosen(11, 5).tolist() if number != 5]
    assert torch.equal(some.values, features_of(StandIn(), Colours(), source).values[
        torch.tensor([number - (number > 5) for number in some.index.tolist()])
    ])  # fmt: skip


def test_processes_share_batches_not_pictures(source: ImageFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = features_of(StandIn(batch_size=4), Colours(), source)
    monkeypatch.setattr(module_under_test, "world_size", lambda: 2)
    for rank, expected in ((0, [0, 1, 2, 3, 8, 9, 10]), (1, [4, 6, 7])):
        monkeypatch.setattr(module_under_test, "rank", lambda rank=rank: rank)
        module = Counting()
        share = share_of(StandIn(batch_size=4), module, source)
        assert share.index.tolist() == expected
        assert module.batches == ([4, 3] if rank == 0 else [3])
        place = torch.isin(whole.index, share.index)
        assert torch.equal(share.values, whole.values[place])


def test_nothing_can_be_read(tmp_path: Path) -> None:
    spoil(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"none of the 1 pictures can be read, first .*a\.png"):
        features_of(StandIn(), Colours(), ImageFolder(tmp_path))
