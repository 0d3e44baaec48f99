"""Wrong input ends in one clear line and status 2, never in a traceback."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xclr_lightning.data import GraphDataModule


def refused(outcome, *words: str) -> None:
    assert outcome.status == 2
    assert "Traceback" not in outcome.err
    lines = [line for line in outcome.err.splitlines() if line.startswith("xclr_lightning: error: ")]
    assert len(lines) == 1, outcome.err
    assert outcome.err.rstrip().splitlines()[-1] == lines[0]
    for word in words:
        assert word in lines[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fti"], ["'fti'", "did you mean fit?"]),
        (["fit", "--config", "nosuch"], ["'nosuch'", "demo", "objective/simclr"]),
        (["fit", "--config", "dmeo"], ["did you mean demo?"]),
        (["fit", "--config"], ["--config wants a name"]),
        (["fit", "--config", "demo", "--data.batch_sise", "3"], ["'batch_sise'", "did you mean batch_size?"]),
        (["fit", "--config", "demo", "--model.batch_size", "3"], ["'batch_size' there", "one of data"]),
        (["fit", "--config", "demo", "--knn.everyn_epochs", "3"], ["every_n_epochs"]),
        (["fit", "--config", "demo", "--model", "XCRL"], ["'XCRL'", "did you mean XCLR?"]),
        (["fit", "--config", "demo", "--model", "nomodule.Mine"], ["nomodule"]),
        (["fit", "--config", "demo", "--data.batch_size", "abc"], ["batch_size", "int", "abc"]),
        (["fit", "--config", "demo", "--model.optimizer", "adam"], ["optimizer", "adamw", "lars", "sgd"]),
        (["fit", "--config", "demo", "--ckpt_path", "no.ckpt"], ["no checkpoint no.ckpt"]),
        (["fit", "--config", "demo", "--data.train", "demo:nosuch"], ["demo", "nosuch", "unseen_test"]),
    ],
)
def test_command_line(cli, arguments: list[str], words: list[str]) -> None:
    refused(cli(*arguments), *words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("data: [\n", ["parsing config"]),
        ("dat:\n  x: 3\n", ["'dat.x'"]),
        ("data:\n  init_args:\n    train: ${oc.env:XCLR_NO_SUCH_NAME}\n", ["XCLR_NO_SUCH_NAME"]),
        ("knn:\n  sets:\n    knn: {bank: a, quries: b}\n", ["'quries'", "did you mean queries?"]),
    ],
)
def test_config_file(cli, tmp_path: Path, config: Path, text: str, words: list[str]) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(text)
    refused(cli("fit", "--config", config, "--config", wrong), *words)


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--data.train", "nowhere", ["nowhere"]),
        ("--data.val", "nowhere", ["nowhere"]),
        ("--data.batch_size", "64", ["16 pictures", "batch_size 64"]),
        ("--data.batch_size", "1", ["batch_size 1", "at least 2"]),
        ("--data.train_share", "0", ["train_share 0", "above 0"]),
        ("--data.train_share", "0.3", ["train_share 0.3 of data.train has 5 pictures", "batch_size 8"]),
        ("--data.epoch_samples", "5", ["epoch_samples 5 fill no batch of 8"]),
        ("--data.epoch_samples", "-5", ["epoch_samples -5 fill no batch of 8"]),
        ("--data.num_workers", "-1", ["num_workers -1", "0 or more"]),
        ("--data.shards_at_once", "0", ["shards_at_once 0", "at least 1"]),
        ("--data.max_skipped", "2", ["max_skipped 2", "from 0 to 1"]),
        ("--trainer.max_epochs", "-1", ["to an end", "max_epochs or trainer.max_steps"]),
        ("--model.backbone", "resnet5O", ["resnet5O", "did you mean"]),
        ("--imagenet9.root", ".", ["imagenet9.bank"]),
        ("--mit_states.root", ".", ["release_dataset"]),
        ("--data.graph.encoder", "package:no_such_encoder", ["no_such_encoder", "pip install"]),
        ("--data.graph.template", "a photo", ["template", "{}"]),
        ("--data.graph", "null", ["XCLR needs", "data.graph"]),
    ],
)
def test_data(cli, config: Path, option: str, value: str, words: list[str]) -> None:
    refused(cli("fit", "--config", config, option, value), *words)


@pytest.mark.parametrize(("command", "setting"), [("test", "data.val"), ("predict", "data.predict")])
def test_data_that_a_command_lacks(cli, config: Path, command: str, setting: str) -> None:
    refused(cli(command, "--config", config), f"{setting} is not set")


def test_fewer_captions_than_pictures(cli, config: Path, pictures: Path) -> None:
    table = pictures / "metadata.csv"
    table.write_text("\n".join(table.read_text().splitlines()[:8]) + "\n")
    refused(cli("fit", "--config", config), "metadata.csv", "7 rows for 16 pictures")


def test_cache_that_cannot_be_written(cli, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path / "file" / "cache"))
    refused(cli("fit", "--config", config), "cannot write to the cache", "XCLR_CACHE")


def test_run_folder_that_cannot_be_written(cli, config: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused(cli("fit", "--config", config, "--run_dir", tmp_path / "file" / "run"), "cannot write", "--run_dir")


def test_checkpoint_that_is_none(cli, config: Path, tmp_path: Path) -> None:
    (tmp_path / "x.ckpt").write_text("no checkpoint")
    refused(cli("fit", "--config", config, "--ckpt_path", tmp_path / "x.ckpt"), "x.ckpt", "cannot be read")


def test_a_bad_picture_is_skipped_counted_and_reported(cli, config: Path, pictures: Path) -> None:
    (pictures / "fruit" / "00.png").write_bytes(b"no picture")
    outcome = cli("fit", "--config", config, "--run_dir", "run")
    assert outcome.status == 0, outcome.err
    assert "epoch 1: skipped pictures that cannot be read: 1 UnidentifiedImageError; such as" in outcome.err
    assert "00.png" in outcome.err
    with open("run/metrics.csv", newline="") as file:
        assert [float(row["data/bad_pictures"]) for row in csv.DictReader(file)] == [1.0]


def test_many_bad_pictures_stop_the_run(cli, config: Path, pictures: Path) -> None:
    for name in ("fruit/00.png", "fruit/01.png"):
        (pictures / name).write_bytes(b"no picture")
    few = cli("fit", "--config", config, "--data.max_skipped", 0.2)
    assert few.status == 0, few.err
    many = cli("fit", "--config", config, "--data.max_skipped", 0.1)
    refused(many, "2 pictures cannot be read (2 UnidentifiedImageError), more than data.max_skipped 0.1")


def test_epochs_longer_than_the_data_allow_no_more_bad_pictures(cli, config: Path, pictures: Path) -> None:
    for name in ("fruit/00.png", "fruit/01.png"):
        (pictures / name).write_bytes(b"no picture")
    many = cli("fit", "--config", config, "--data.epoch_samples", 160)
    refused(
        many, "2 pictures cannot be read (2 UnidentifiedImageError), more than data.max_skipped 0.1 of an epoch's 16"
    )


def test_bad_pictures_are_counted_over_an_interruption(
    cli, config: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("fruit/00.png", "fruit/04.png", "fruit/08.png"):
        (pictures / name).write_bytes(b"no picture")
    command = ["fit", "--config", config, "--run_dir", "run", "--data.batch_size", 4, "--data.max_skipped", 0.5]
    with monkeypatch.context() as patch:
        whole = GraphDataModule.on_after_batch_transfer

        def interrupted(self: GraphDataModule, *arguments: Any) -> dict[str, Any]:
            if self.trainer.global_step == 3:
                raise KeyboardInterrupt
            return whole(self, *arguments)

        patch.setattr(GraphDataModule, "on_after_batch_transfer", interrupted)
        assert cli(*command, "--save_every_n_steps", 1).status == 130
    outcome = cli(*command)
    assert outcome.status == 0, outcome.err
    assert "epoch 1: skipped pictures that cannot be read: 3 UnidentifiedImageError; such as" in outcome.err


def test_many_samples_left_out_stop_the_run_before_it_starts(
    cli, config: Path, shards: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = shards()
    broken = root / "00003.tar"
    broken.write_bytes(broken.read_bytes()[:2000])  # within its second sample
    many = cli("fit", "--config", config, "--data.train", root, "--data.max_skipped", 0.3)
    assert many.status == 0, many.err
    assert "data.train: left out 1 truncated shard of" in many.err
    # What the shard held is not known: as much as the others in the mean.
    few = cli("fit", "--config", config, "--data.train", root)
    refused(few, "data.train: about 4 of 16 samples", "are left out (1 truncated shard)", "data.max_skipped 0.1")
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path / "cache"))
    assert cli("fit", "--config", config, "--data.train", root).status == 2
    assert not list((tmp_path / "cache").rglob("graph.json"))  # which may take hours


def test_nothing_but_bad_pictures_ends_the_run(cli, config: Path, pictures: Path) -> None:
    for picture in pictures.rglob("*.png"):
        picture.write_bytes(b"no picture")
    refused(cli("fit", "--config", config), "none of the 16 pictures can be read")


OWN = """
import torch
from xclr_lightning.data import Photometric, View


class Floats(View):
    def __call__(self, image):
        return torch.rand(3, 32, 32)


class Normalised(Photometric):
    def __call__(self, images):
        return images.float() / 64 - 2
"""


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (["--data.view", "own_views.Floats"], ["data.augment got views of torch.float32", "uint8"]),
        (["--data.augment", "own_views.Normalised"], ["data.augment gives numbers from -2 to 2", "normalises"]),
    ],
)
def test_views_of_ones_own_of_another_kind(cli, config: Path, option: list[str], words: list[str]) -> None:
    Path("own_views.py").write_text(OWN)
    refused(cli("fit", "--config", config, *option), *words)
