"""A job of SLURM's that is told that its time is up saves, is queued again, and goes on as if nothing had been."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from ranks import srun, start, train

from xclr_lightning.data import GraphDataModule

LAST = Path("run/checkpoints/last.ckpt")


@pytest.fixture
def arguments(config: Path) -> list[str]:
    """Three epochs of twelve steps."""
    return [
        "fit",
        "--config",
        str(config),
        "--run_dir",
        "run",
        "--trainer.max_epochs",
        "3",
        "--data.epoch_samples",
        "96",
    ]


@pytest.fixture
def queued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a stand-in for SLURM's ``scontrol`` was asked."""
    program, asked = tmp_path / "bin" / "scontrol", tmp_path / "asked"
    program.parent.mkdir()
    refuse = f"test ! -e {tmp_path}/refuse || {{ echo no such job >&2; exit 1; }}"
    program.write_text(f'#!/bin/sh\necho "$@" >> {asked}\n{refuse}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return asked


def told(ranks: int, folder: Path, arguments: list[str]) -> list[int]:
    """Exit statuses of processes to which SLURM sends its signal while they train."""
    processes = start(ranks, folder, arguments, srun)
    while not (folder / "run/environment.json").exists():
        assert all(process.is_alive() for process in processes)
        time.sleep(0.01)
    for process in processes:
        os.kill(process.pid, signal.SIGUSR1)
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_job_that_is_queued_again_ends_at_the_same_weights(
    ranks: int, arguments: list[str], queued: Path, tmp_path: Path
) -> None:
    arguments += ["--trainer.devices", str(ranks)]
    train(ranks, tmp_path / "whole", arguments, srun)
    assert not queued.exists()
    assert told(ranks, tmp_path / "told", arguments) == [0] * ranks
    assert queued.read_text() == "requeue 123\n"
    stopped = torch.load(tmp_path / "told" / LAST, weights_only=True)["global_step"]
    assert stopped in (1, 11, 13, 23, 25, 35)
    train(ranks, tmp_path / "told", arguments, srun)
    expected, found = (torch.load(tmp_path / name / LAST, weights_only=True) for name in ("whole", "told"))
    assert found["global_step"] == expected["global_step"] == 36
    assert [name for name, value in expected["state_dict"].items() if not value.equal(found["state_dict"][name])] == []


@pytest.fixture
def _handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_handlers")
def test_a_job_that_is_not_queued_again_says_so(
    cli, arguments: list[str], queued: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (srun(0, 1) | {"SLURM_ARRAY_JOB_ID": "120", "SLURM_ARRAY_TASK_ID": "3"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(GraphDataModule, "prepare_data", lambda *_: os.kill(os.getpid(), signal.SIGUSR1))
    (tmp_path / "refuse").touch()
    outcome = cli(*arguments)
    assert outcome.status == 2
    assert outcome.err.splitlines()[-1] == (
        "xclr_lightning: error: saved run/checkpoints/last.ckpt, but SLURM does not queue job 120_3 again "
        "(no such job): submit it anew, and it goes on from there"
    )
    assert torch.load(LAST, weights_only=True)["global_step"] == 1
    assert queued.read_text() == "requeue 120_3\n"
