"""Command line over config over checkpoint; later configs over earlier ones."""

from pathlib import Path

import pytest
import yaml


@pytest.fixture
def checkpoint(cli, config: Path) -> str:
    """Of a run with temperature 0.3 and projector [32, 16]."""
    outcome = cli("fit", "--config", config, "--model.temperature", "0.3", "--run_dir", "first")
    assert outcome.status == 0, outcome.err
    return "first/checkpoints/last.ckpt"


def saved(file: str) -> dict:
    return yaml.safe_load(Path(file).read_text())["model"]


def without(config: Path, *settings: str) -> Path:
    """The config less some of the model's settings."""
    content = yaml.safe_load(config.read_text())
    for setting in settings:
        del content["model"]["init_args"][setting]
    file = config.with_name("less.yaml")
    file.write_text(yaml.safe_dump(content))
    return file


def test_checkpoint_gives_what_nothing_else_says(cli, config: Path, checkpoint: str) -> None:
    less = without(config, "temperature", "projector")
    assert cli("fit", "--config", less, "--ckpt_path", checkpoint, "--run_dir", "second").status == 0
    assert saved("second/config.yaml")["init_args"]["temperature"] == 0.3
    assert saved("second/config.yaml")["init_args"]["projector"] == [32, 16]


def test_config_wins_over_checkpoint_and_the_difference_is_said(cli, config: Path, checkpoint: str) -> None:
    outcome = cli("fit", "--config", config, "--ckpt_path", checkpoint, "--run_dir", "second")
    assert outcome.status == 0, outcome.err
    assert saved("second/config.yaml")["init_args"]["temperature"] == 0.2
    assert "temperature 0.2 (checkpoint: 0.3)" in outcome.err


def test_command_line_wins_over_both(cli, config: Path, checkpoint: str) -> None:
    command = ["fit", "--config", config, "--ckpt_path", checkpoint, "--run_dir", "second"]
    outcome = cli(*command, "--model", "SimCLR", "--model.temperature", "0.7")
    assert outcome.status == 0, outcome.err
    assert saved("second/config.yaml")["class_path"].endswith("SimCLR")
    assert saved("second/config.yaml")["init_args"]["temperature"] == 0.7
    assert "temperature 0.7 (checkpoint: 0.3)" in outcome.err


def test_later_configs_win(cli, config: Path, tmp_path: Path) -> None:
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("model:\n  init_args:\n    temperature: 0.4\n")
    assert cli("fit", "--config", config, f"--config={overlay}", "--run_dir", "run").status == 0
    assert saved("run/config.yaml")["init_args"]["temperature"] == 0.4


def test_a_run_goes_on_in_its_folder(cli, config: Path, checkpoint: str) -> None:
    arguments = ["--ckpt_path", checkpoint, "--run_dir", "first", "--trainer.max_epochs", "2"]
    assert cli("fit", "--config", config, *arguments).status == 0
    assert saved("first/config.yaml")["init_args"]["temperature"] == 0.3
    assert saved("first/config-2.yaml")["init_args"]["temperature"] == 0.2
    rows = Path("first/metrics.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows[1:]] == ["0", "1"]
