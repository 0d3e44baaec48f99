"""What a run tells who sits before it."""

import json
import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from xclr_lightning.callbacks import console
from xclr_lightning.callbacks.next_steps import next_steps
from xclr_lightning.callbacks.throughput import Pace
from xclr_lightning.objectives import XCLR, LinearProbe, SimCLR
from xclr_lightning.reporting import find_runs


def test_speed_is_logged_and_told_but_is_no_result(cli, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "LONG_EPOCH", 0.0)
    monkeypatch.setattr(console, "LONG_WAIT", 0.0)
    outcome = cli("fit", "--config", config, "--run_dir", "run", "--trainer.max_epochs", 4)
    metrics = json.loads(Path("run/metrics.json").read_text())
    assert metrics["speed/images_per_second"] > 0
    assert 0 < metrics["speed/data_wait"] < 1
    assert len(EventAccumulator("run").Reload().Scalars("speed/memory_gb")) == 5  # of eight steps; three warm up
    lines = outcome.out.splitlines()
    assert re.search(r" images/s  data wait \d+ %  ", next(line for line in lines if line.startswith("epoch   4/4")))
    assert "│ speed" not in outcome.out
    assert outcome.err.count("training waits for pictures") == 1  # said once, of three epochs
    assert not [name for name in find_runs(["run"])[0].measured() if name.startswith("speed/")]


def test_advice_is_given_on_long_waits_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "cpus", lambda: 8)

    def advice(workers: int, seconds: float, waited: float) -> str | None:
        trainer = SimpleNamespace(datamodule=SimpleNamespace(num_workers=workers), num_devices=2)
        return console._advice(trainer, Pace(seconds, waited, 100))

    assert advice(2, 100.0, 50.0) == (
        "training waits for pictures 50 % of the time: raise --data.num_workers, 2 a process now, of 8 cores"
    )
    assert "smaller pictures on disk" in (advice(4, 100.0, 50.0) or "")
    assert advice(2, 100.0, 10.0) is None
    assert advice(2, 5.0, 4.0) is None


@pytest.mark.parametrize(
    ("module", "graph", "val", "offered"),
    [
        (XCLR, "a graph", "val", ["another objective", "a sharper target", "evaluate again", "its features"]),
        (SimCLR, "a graph", None, ["another objective", "its features"]),
        (SimCLR, None, None, ["its features"]),
        (LinearProbe, None, "val", ["evaluate again", "its features"]),
    ],
)
def test_what_is_offered_after_training_fits_the_objective(
    tmp_path: Path, module: type, graph: str | None, val: str | None, offered: list[str]
) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").touch()
    trainer = SimpleNamespace(datamodule=SimpleNamespace(graph=graph, val=val, train="train"), callbacks=[])
    lines = next_steps(trainer, module(backbone="test_resnet"), tmp_path).splitlines()
    assert [line.partition("   ")[0].strip() for line in lines[1:]] == offered
    assert "objective/simclr" not in lines[1] or module is not SimCLR


def test_what_is_offered_after_training_runs(cli, config: Path, pictures: Path) -> None:
    arguments = ["--run_dir", "my run", "--data.val", pictures, "--model.target_temperature", 0.2]
    outcome = cli("fit", "--config", config, *arguments)
    lines = outcome.out[outcome.out.index("what to try") :].splitlines()[1:]
    commands = [line.partition("python -m xclr_lightning ")[2] for line in lines]
    assert [command.split()[0] for command in commands] == ["fit", "fit", "test", "embed"]
    suggested = re.search(r"suggested τ_s ([\d.]+)", outcome.out)
    assert suggested
    assert f"--model.target_temperature {suggested[1]}" in commands[1]
    for command in commands:
        again = cli(*shlex.split(command))
        assert again.status == 0, again.err


def test_nothing_is_offered_where_nothing_was_kept(cli, config: Path) -> None:
    kept = ["--trainer.enable_checkpointing", "false", "--trainer.logger", "false", "--data.graph", "null"]
    outcome = cli("fit", "--config", config, "--model", "SimCLR", *kept)
    assert outcome.status == 0, outcome.err
    assert "what to try" not in outcome.out


def test_a_run_of_so_many_steps_counts_them(cli, config: Path) -> None:
    outcome = cli("fit", "--config", config, "--trainer.max_epochs", -1, "--trainer.max_steps", 4)
    assert outcome.status == 0, outcome.err
    lines = [line for line in outcome.out.splitlines() if line.startswith("epoch ")]
    assert [line.split()[1] for line in lines] == ["1", "2"]
    assert "left" in lines[0]
    assert "-" not in lines[0]
    assert lines[1].endswith("0:00 left")


def test_one_batch_of_everything_says_what_ran(cli, config: Path, pictures: Path) -> None:
    outcome = cli("fit", "--config", config, "--config", "debug/one_batch", "--data.val", pictures)
    assert outcome.status == 0, outcome.err
    assert outcome.out.splitlines()[-1].startswith(
        "ran: 1 training batch of 8, 1 validation batch of 8, SimilarityFigure"
    )
    assert outcome.out.splitlines()[-1].endswith("; nothing was written")
    assert not list(Path().iterdir())
    outcome = cli("predict", "--config", config, "--config", "debug/one_batch", "--data.predict", pictures)
    assert outcome.out == "ran: 1 prediction batch of 8; nothing was written\n", outcome.err
