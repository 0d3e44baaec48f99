"""Help is quick because nothing heavy is imported for it."""

import subprocess
import sys
from pathlib import Path

import pytest

from xclr_lightning.cli import HELP
from xclr_lightning.config_files import shipped_configs
from xclr_lightning.lightning_cli import EVALUATIONS


@pytest.mark.parametrize("arguments", [["--help"], ["fit", "--help"], []])
def test_help_shows_commands_and_configs_without_importing_torch(arguments: list[str]) -> None:
    code = f"import sys; from xclr_lightning.cli import main; main({arguments}); sys.exit('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    for word in ("fit", "validate", "test", "predict", *shipped_configs()):
        assert word in result.stdout


def test_console_script_is_the_same_program() -> None:
    script = Path(sys.executable).with_name("xclr-lightning")
    outputs = [
        subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout
        for command in ([str(script)], [sys.executable, "-m", "xclr_lightning"])
    ]
    assert outputs[0] == outputs[1]


def test_help_all_lists_every_group(cli, capfd) -> None:
    with pytest.raises(SystemExit) as ended:
        cli("fit", "--help_all")
    assert ended.value.code == 0
    printed = capfd.readouterr().out
    for group in ("--trainer.max_epochs", "--knn.k", "--imagenet9.root", "--mit_states.root", "--run_dir"):
        assert group in printed


def test_help_names_every_group() -> None:
    assert [group for group in EVALUATIONS if f"--{group}" not in HELP] == []
