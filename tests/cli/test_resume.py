"""A run that is killed goes on as if it had not been: to the last bit of its weights."""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from ranks import start, train

from xclr_lightning.checkpoint_io import AtomicCheckpointIO, StepCheckpoint
from xclr_lightning.resume import going_on

EPOCHS, STEPS, KILLS = 3, 6, 2
LAST = Path("run/checkpoints/last.ckpt")


def state(file: Path) -> dict[str, torch.Tensor]:
    checkpoint = torch.load(file, weights_only=True)
    assert checkpoint["global_step"] == EPOCHS * STEPS
    return checkpoint["state_dict"]


@pytest.fixture
def arguments(config: Path) -> list[str]:
    """Dropout, jitter and three epochs of steps that are each saved: all that could differ."""
    command = ["fit", "--config", str(config), "--run_dir", "run", "--save_every_n_steps", "1"]
    command += ["--trainer.max_epochs", str(EPOCHS), "--data.epoch_samples", str(STEPS * 8)]
    return [*command, "--model.backbone_kwargs", "{drop_rate: 0.2, drop_path_rate: 0.2}", "--model.ema_decay", "0.9"]


@pytest.mark.parametrize(
    ("kind", "workers", "ranks"), [("folder", 0, 1), ("folder", 2, 2), ("shards", 2, 1), ("shards", 0, 2)]
)
def test_killed_at_random_it_ends_at_the_same_weights(
    kind: str, workers: int, ranks: int, arguments: list[str], shards: Callable[[], Path], tmp_path: Path
) -> None:
    arguments += ["--data.num_workers", str(workers), "--trainer.devices", str(ranks)]
    if kind == "shards":
        arguments += ["--data.train", str(shards()), "--data.shards_at_once", "2"]
    train(ranks, tmp_path / "whole", arguments)
    folder = tmp_path / "killed"
    last, rng = folder / LAST, random.Random(0)
    for _ in range(KILLS):
        before = last.stat().st_mtime_ns if last.exists() else 0
        processes = start(ranks, folder, arguments)
        # At any moment after it has got further than the one before.
        while processes[0].is_alive() and (not last.exists() or last.stat().st_mtime_ns == before):
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.05))
        for process in processes:
            os.kill(process.pid, signal.SIGKILL)
            process.join()
    assert 0 < step(last) < EPOCHS * STEPS
    train(ranks, folder, arguments)
    expected, found = state(tmp_path / "whole" / LAST), state(last)
    assert expected.keys() == found.keys()
    assert [name for name in expected if not torch.equal(expected[name], found[name])] == []


def step(file: Path = LAST) -> int:
    return torch.load(file, weights_only=True)["global_step"]


def test_fit_goes_on_in_its_folder_and_then_has_nothing_left_to_do(cli, config: Path) -> None:
    command = ["fit", "--config", config, "--run_dir", "run", "--trainer.max_epochs"]
    assert cli(*command, 1).status == 0
    metrics = Path("run/metrics.json").read_text()
    again = cli(*command, 1)
    assert again.status == 0, again.err
    assert "nothing left to train: the checkpoint is at epoch 1 of 1" in again.out
    assert Path("run/metrics.json").read_text() == metrics
    assert step() == 2
    assert cli(*command, 3).status == 0
    assert step() == 6
    rows = Path("run/metrics.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows[1:]] == ["0", "1", "2"]
    fewer = cli(*command, 1)
    assert fewer.status == 2
    assert "the checkpoint is past trainer.max_epochs 1: " in fewer.err.splitlines()[-1]


def test_the_folder_may_come_from_a_config(cli, config: Path) -> None:
    Path("place.yaml").write_text("run_dir: ${oc.env:SLURM_JOB_ID,run}\n")
    for epochs in (1, 2):
        assert cli("fit", "--config", config, "--config", "place.yaml", "--trainer.max_epochs", epochs).status == 0
    assert step() == 4


def test_another_model_does_not_go_on_in_the_folder(cli, config: Path) -> None:
    assert cli("fit", "--config", config, "--run_dir", "run").status == 0
    other = cli("fit", "--config", config, "--run_dir", "run", "--model", "SimCLR")
    assert other.status == 2
    assert "the run in this folder is of another model, class" in other.err
    wider = cli("fit", "--config", config, "--ckpt_path", LAST, "--model.projector", "[32, 8]")
    assert wider.status == 2
    assert "the checkpoint does not fit the model" in wider.err
    assert wider.err.strip().count("\n") <= 1
    anew = cli("fit", "--config", config, "--run_dir", "run", "--model", "SimCLR", "--ckpt_path", "null")
    assert anew.status == 0, anew.err
    assert step() == 2


def test_a_checkpoint_of_ones_own_does_not_replace_the_last_one(cli, config: Path) -> None:
    own = "[{class_path: lightning.pytorch.callbacks.ModelCheckpoint, init_args: {monitor: train/loss}}]"
    assert cli("fit", "--config", config, "--run_dir", "run", "--trainer.callbacks", own).status == 0
    assert LAST.is_file()
    assert len(list(Path("run").rglob("*.ckpt"))) == 2


@pytest.mark.parametrize("last", [False, True])
def test_an_epochs_last_step_is_left_to_its_end(last: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a run that is killed between the two would go on behind the epoch's evaluations."""
    saved = []
    monkeypatch.setattr(ModelCheckpoint, "on_train_batch_end", lambda self, *arguments: saved.append(arguments))
    StepCheckpoint(every_n_train_steps=1).on_train_batch_end(SimpleNamespace(is_last_batch=last), None, None, None, 0)
    assert len(saved) == (not last)


def test_a_given_checkpoint_and_other_commands_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/last.ckpt").touch()
    for given in (
        ["fit", "--run_dir", str(tmp_path), "--ckpt_path", "x"],
        ["test", "--run_dir", str(tmp_path)],
        ["fit"],
    ):
        assert going_on(given) == given


def test_a_checkpoint_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, io = tmp_path / "deep" / "last.ckpt", AtomicCheckpointIO()
    io.save_checkpoint({"step": 1}, place)

    def fail(checkpoint: object, file: BinaryIO) -> None:
        file.write(b"half of it")
        raise OSError("no space left")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(OSError, match="no space left"):
        io.save_checkpoint({"step": 2}, place)
    assert torch.load(place, weights_only=True) == {"step": 1}
