"""``graph inspect``: tables and a figure of a graph's folder, a run's, or a config's; bad input is one line."""

import errno
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xclr_lightning.cli import main
from xclr_lightning.graphs.class_table import save_table

from .test_bad_input import refused

NAMES = ["cat", "dog", "car", "lorry"]
TABLE = np.array([[1, 0.8, 0.1, 0], [0.8, 1, 0.2, 0.1], [0.1, 0.2, 1, 0.9], [0, 0.1, 0.9, 1]])


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A stored table of four classes."""
    save_table(tmp_path / "table", TABLE, NAMES, {"source": "test"})
    return tmp_path / "table"


def test_a_class_table(cli, table: Path) -> None:
    outcome = cli("graph", "inspect", table, "--batch_size", 8, "--target_temperature", 0.03)
    assert outcome.status == 0, outcome.err
    for words in (
        "different classes │ 4",
        "mean 0.350",
        "of 15",
        "in use",
        "suggested τ_s: ",
        "nearly one-hot",
        "0.90",
    ):
        assert words in outcome.out
    assert all(name in outcome.out for name in NAMES)
    assert outcome.out.splitlines()[-1] == f"figure: {table / 'inspect.png'}"
    with Image.open(table / "inspect.png") as picture:
        assert picture.size == (1600, 660)
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 100
    assert {path.name for path in table.iterdir()} == {"graph.json", "table.npy", "inspect.png"}
    assert cli("graph", "inspect", table).status == 0  # the figure makes no other graph of it


def test_captions_of_a_config_a_folder_or_a_run(cli, config: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path / "cache"))
    arguments = ["--config", config, "--model.target_temperature", 0.3]
    outcome = cli("graph", "inspect", *arguments)
    assert outcome.status == 0, outcome.err
    (folder,) = (tmp_path / "cache" / "graphs").iterdir()
    text, figure = outcome.out.rsplit("figure: ", 1)
    assert figure.strip() == str(folder / "inspect.png")
    for words in ("samples            │ 16", "different captions │ 4", "green pear", "batch of 8 samples", "0.3 │"):
        assert words in text
    assert next(line for line in text.splitlines() if "in use" in line).split("│")[1].strip() == "0.3"
    same = ["--batch_size", 8, "--target_temperature", 0.3]
    assert cli("graph", "inspect", folder, *same).out == outcome.out
    run = tmp_path / "run"
    run.mkdir()
    (run / "graph").symlink_to(folder)
    assert cli("graph", "inspect", run, *same).out.rsplit("figure: ", 1)[0] == text
    assert list(Path.cwd().iterdir()) == []


def test_a_graph_without_a_folder_of_values_needs_its_config(cli, config: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path / "cache"))
    arguments = ["--config", config, "--data.graph", "LabelGraph", "--model", "SoftCLIP"]
    outcome = cli("graph", "inspect", *arguments)
    assert outcome.status == 0, outcome.err
    assert "different samples │ 2" in outcome.out  # fruit and vehicle
    assert "pictures and texts" in outcome.out
    (folder,) = (tmp_path / "cache" / "graphs").iterdir()
    refused(cli("graph", "inspect", folder), "form 'formula'", "--config NAME")


def test_a_figure_that_cannot_be_beside_the_graph_goes_here(cli, table: Path) -> None:
    (table / "inspect.png").mkdir()
    outcome = cli("graph", "inspect", table)
    assert outcome.status == 0
    (line,) = outcome.err.splitlines()
    assert line.startswith(f"cannot write {table / 'inspect.png'}: ")
    assert outcome.out.splitlines()[-1] == f"figure: {Path.cwd() / 'inspect-table.png'}"
    with Image.open("inspect-table.png") as picture:
        picture.load()


def test_no_place_for_the_figure(cli, table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "somewhere")

    monkeypatch.setattr("xclr_lightning.inspect_command.atomic_file", refuse)
    outcome = cli("graph", "inspect", table)
    assert "suggested τ_s" in outcome.out  # all but the figure
    refused(outcome, "cannot write somewhere: Permission denied")


def test_damage(cli, table: Path) -> None:
    content = bytearray((table / "table.npy").read_bytes())
    content[-3] ^= 1
    (table / "table.npy").write_bytes(bytes(content))
    refused(cli("graph", "inspect", table), "table.npy is damaged: its SHA-256")
    (table / "table.npy").unlink()
    refused(cli("graph", "inspect", table), "table.npy is missing")
    (table / "graph.json").write_text(json.dumps({"form": "class_table"}))
    refused(cli("graph", "inspect", table), "does not list its files")
    (table / "graph.json").write_text("{")
    refused(cli("graph", "inspect", table), "graph.json is missing or damaged")
    shutil.rmtree(table)
    refused(cli("graph", "inspect", table), f"no graph in {table}")
    assert not list(Path.cwd().glob("*.png"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Give the graph's folder, a run's, or --config NAME"),
        (["PATH", "--batch_size", "1"], "--batch_size: '1' is no whole number of at least 2"),
        (["PATH", "--target_temperature", "nan"], "--target_temperature: 'nan' is no number above 0"),
        (["PATH", "--tau", "1"], "no option '--tau' without --config"),
        (["--config", "no_such"], "no config 'no_such'"),
    ],
)
def test_bad_arguments(cli, table: Path, arguments: list[str], words: str) -> None:
    refused(cli("graph", "inspect", *(str(table) if a == "PATH" else a for a in arguments)), words)


def test_a_config_without_a_graph(cli, config: Path) -> None:
    refused(cli("graph", "inspect", "--config", config, "--data.graph", "null"), "data.graph is not set")


def test_help_names_it(capsys) -> None:
    assert main(["graph", "inspect", "--help"]) == 0
    assert "graph inspect" in capsys.readouterr().out
