"""``graph build`` computes what ``fit`` then finds, alone or shared, without a model or a trainer."""

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

from xclr_lightning.graph_command import share
from xclr_lightning.graphs.manifest import read_manifest

from .test_bad_input import refused


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "graphs"


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_it_computes_what_fit_finds(cli, config: Path, pictures: Path, cache: Path) -> None:
    outcome = cli("graph", "build", "--config", config, "--data.val", pictures)
    assert outcome.status == 0, outcome.err
    train, val = outcome.out.splitlines()
    (folder,) = cache.iterdir()
    contents = f"{folder}, 16 samples, 4 distinct captions, 384 dimensions"
    assert train.startswith(f"train: {contents}; 4 encoded here in ")
    assert train.endswith(" a second")
    assert val == f"val: {contents}"
    assert list(Path.cwd().iterdir()) == []  # no run folder
    before = content(folder)
    fitted = cli("fit", "--config", config, "--run_dir", "run")
    assert fitted.status == 0, fitted.err
    assert "encoding captions" not in fitted.err
    assert content(folder) == before


def test_neither_a_model_nor_a_trainer_is_made(cli, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("xclr_lightning.lightning_cli.CLI.instantiate_trainer", "timm.create_model"):
        monkeypatch.setattr(name, lambda *args, **kwargs: pytest.fail("made"))
    outcome = cli("graph", "build", "--config", config)
    assert outcome.status == 0, outcome.err
    with pytest.raises(pytest.fail.Exception, match="made"):
        cli("fit", "--config", config)


def test_a_config_of_data_alone_will_do(cli, config: Path) -> None:
    settings = yaml.safe_load(config.read_text())
    Path("data.yaml").write_text(yaml.safe_dump({"data": settings["data"]}))
    outcome = cli("graph", "build", "--config", "data", "--data.graph.template", "a photo of a {}")
    assert outcome.status == 0, outcome.err
    folder = Path(outcome.out.split()[1].strip(","))
    assert read_manifest(folder)["template"] == "a photo of a {}"


def test_two_processes_share_shards(cli, config: Path, pictures: Path, cache: Path, png) -> None:
    settings = yaml.safe_load(config.read_text())
    settings["data"]["init_args"]["train"] = str(shards_of(pictures, png))
    config.write_text(yaml.safe_dump(settings))
    assert "6 samples, 3 distinct captions" in cli("graph", "build", "--config", config).out
    (folder,) = cache.iterdir()
    expected = content(folder)
    folder.rename(cache.parent / "alone")
    command = [sys.executable, "-m", "xclr_lightning", "graph", "build", "--config", str(config)]
    processes = [
        subprocess.Popen(
            command,
            env=os.environ | {"RANK": str(rank), "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert content(folder) == expected
    assert list(cache.iterdir()) == [folder]
    assert all(str(folder) in output or "of 2 has done its share" in output for output in outputs)
    assert str(folder) in "".join(outputs)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, (0, 1)),
        ({"RANK": "3", "WORLD_SIZE": "8"}, (3, 8)),
        ({"SLURM_PROCID": "1", "SLURM_NTASKS": "4"}, (1, 4)),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4", "SLURM_STEP_NUM_TASKS": "1"}, (0, 1)),
        ({"RANK": "0", "WORLD_SIZE": "2", "SLURM_PROCID": "1", "SLURM_NTASKS": "4"}, (0, 2)),
        ({"RANK": "0"}, (0, 1)),
    ],
)
def test_the_environment_says_which_share(monkeypatch, environment: dict[str, str], expected: tuple[int, int]) -> None:
    for name in ("RANK", "WORLD_SIZE", "SLURM_PROCID", "SLURM_NTASKS", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert share() == expected


def shards_of(pictures: Path, png) -> Path:
    """Three shards of two samples; keys recur in other shards, captions too."""
    root = pictures.parent / "shards"
    root.mkdir()
    for number, captions in enumerate([("a red apple", "a bus"), ("a bus", "a green pear"), ("a bus", "a red apple")]):
        with tarfile.open(root / f"{number:05}.tar", "w") as tar:
            for key, caption in enumerate(captions):
                for suffix, data in (("png", png()), ("txt", caption.encode())):
                    member = tarfile.TarInfo(f"{key:04}.{suffix}")
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))
    return root


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["graph"], ["no graph command", "expected build"]),
        (["graph", "biuld"], ["'biuld'", "did you mean build?"]),
        (["grahp", "build"], ["'grahp'", "did you mean graph?"]),
        (["graph", "build", "--config", "dmeo"], ["did you mean demo?"]),
        (["graph", "build", "--config", "CONFIG", "--data.graph", "null"], ["data.graph is not set"]),
        (["graph", "build", "--config", "CONFIG", "--data.graph.metric", "euclidean"], ["bandwidth None"]),
        (["graph", "build", "--config", "CONFIG", "--data.graph.encodr", "x"], ["'encodr'", "did you mean encoder?"]),
        (["graph", "build", "--config", "CONFIG", "--data.train", "nowhere"], ["nowhere"]),
    ],
)
def test_wrong_input(cli, config: Path, arguments: list[str], words: list[str]) -> None:
    refused(cli(*[str(config) if argument == "CONFIG" else argument for argument in arguments]), *words)


@pytest.mark.parametrize("numbers", [("2", "2"), ("x", "2"), ("-1", "2")])
def test_an_environment_that_makes_no_sense(cli, config: Path, monkeypatch, numbers: tuple[str, str]) -> None:
    monkeypatch.setenv("RANK", numbers[0])
    monkeypatch.setenv("WORLD_SIZE", numbers[1])
    refused(cli("graph", "build", "--config", config), f"RANK={numbers[0]} and WORLD_SIZE={numbers[1]}")
