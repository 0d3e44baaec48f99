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
    assert process.returncode == 130
    assert err.splitlines()[-1].startswith("xclr_lightning: stopped; goes on with: python -m xclr_lightning fit ")
    assert err.count("stopped") == 1
    assert "Traceback" not in err
    trained = torch.load("run/checkpoints/last.ckpt", weights_only=True)["epoch"] + 1
    arguments = shlex.split(err.splitlines()[-1].partition("python -m xclr_lightning ")[2])
    on = cli(*arguments, "--trainer.max_epochs", trained + 3, "--trainer.devices", 1)
    assert on.status == 0, on.err
    assert f"epoch {trained + 3:>3}/{trained + 3}" in on.out
    assert f"epoch {trained - 1:>3}/" not in on.out


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
