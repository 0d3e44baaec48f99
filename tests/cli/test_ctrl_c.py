"""Ctrl-C ends every command with one line, which says how a run goes on."""

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from xclr_lightning.data import GraphDataModule
from xclr_lightning.interrupts import ctrl_c_is_heard


@pytest.mark.parametrize("devices", [1, 2])
def test_ctrl_c_says_how_to_go_on(cli, config: Path, devices: int) -> None:
    command = [sys.executable, "-m", "xclr_lightning", "fit", "--config", str(config), "--run_dir", "run"]
    command += ["--trainer.max_epochs", "100000", "--data.num_workers", "1", "--trainer.devices", str(devices)]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, start_new_session=True, **pipes)
    while not Path("run/checkpoints/last.ckpt").is_file():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process, and to the loaders' workers
    _, err = process.communicate()
    assert process.returncode == 130, err
    assert err.splitlines()[-1].startswith("xclr_lightning: stopped; goes on with: python -m xclr_lightning fit ")
    assert err.count("stopped") == 1
    assert "Traceback" not in err
    trained = torch.load("run/checkpoints/last.ckpt", weights_only=True)["epoch"] + 1
    arguments = shlex.split(err.splitlines()[-1].partition("python -m xclr_lightning ")[2])
    on = cli(*arguments, "--trainer.max_epochs", trained + 3, "--trainer.devices", 1)
    assert on.status == 0, on.err
    assert f"epoch {trained + 3:>3}/{trained + 3}" in on.out
    assert f"epoch {trained - 1:>3}/" not in on.out


@pytest.mark.parametrize("worker_first", [False, True])
def test_ctrl_c_that_a_worker_hears_as_well(
    cli, config: Path, monkeypatch: pytest.MonkeyPatch, worker_first: bool
) -> None:
    """The loader raises an error when a worker has ended, whatever the main process is doing then."""

    def lost(*arguments: object) -> None:
        raise RuntimeError("DataLoader worker (pid 1) exited unexpectedly with exit code 1.")

    during, after = (lost, _interrupt) if worker_first else (_interrupt, lost)
    monkeypatch.setattr(GraphDataModule, "on_after_batch_transfer", during)
    monkeypatch.setattr(GraphDataModule, "on_exception", after)
    outcome = cli("fit", "--config", config, "--run_dir", "run")
    assert outcome.status == 130
    assert outcome.err.splitlines()[-1].startswith("xclr_lightning: stopped before there was a checkpoint in run")


def test_ctrl_c_while_a_worker_is_forked() -> None:
    """Python says what is raised in a finaliser, as around a fork, and goes on."""

    class Dropped:
        def __del__(self) -> None:
            raise KeyboardInterrupt

    def forked() -> None:
        with ctrl_c_is_heard():
            Dropped()
            time.sleep(5)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a process of the tests' own may ignore it
    try:
        with pytest.raises(KeyboardInterrupt):
            forked()
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_error_in_training_is_none_of_ctrl_c(cli, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(GraphDataModule, "on_after_batch_transfer", broken)
    with pytest.raises(RuntimeError, match="out of memory"):
        cli("fit", "--config", config, "--run_dir", "run")


def test_ctrl_c_before_a_checkpoint(cli, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GraphDataModule, "prepare_data", _interrupt)
    outcome = cli("fit", "--config", config, "--run_dir", "run")
    assert outcome.status == 130
    assert outcome.err.splitlines()[-1] == (
        "xclr_lightning: stopped before there was a checkpoint in run: the same command begins anew"
    )
    outcome = cli("predict", "--config", config, "--data.predict", "../pictures")
    assert (outcome.status, outcome.err) == (130, "xclr_lightning: stopped\n")
    monkeypatch.setattr("xclr_lightning.cli.shipped_configs", _interrupt)
    outcome = cli("--help")
    assert (outcome.status, outcome.err) == (130, "xclr_lightning: stopped\n")


def _interrupt(*arguments: object) -> None:
    raise KeyboardInterrupt
