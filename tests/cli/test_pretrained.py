"""A model of timm's, evaluated through the command line by its name."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import timm
import yaml
from safetensors.torch import save_file


@pytest.fixture
def evaluated(tmp_path: Path, config: Path, pictures: Path) -> Path:
    """An overlay with an evaluation, without held-out pictures."""
    one = {"bank": str(pictures), "queries": str(pictures), "label": "class"}
    file = tmp_path / "evaluated.yaml"
    file.write_text(yaml.safe_dump({"knn": {"k": [1, 3], "sets": {"knn": one}}}))
    return file


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Of a timm model with its classifier."""
    file = tmp_path / "weights.safetensors"
    save_file(timm.create_model("test_resnet").state_dict(), file)
    return file


def metrics(run: str) -> dict[str, float]:
    return json.loads(Path(run, "metrics.json").read_text())


def test_the_short_form_and_the_long_one_evaluate_alike(
    cli, config: Path, evaluated: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path / "cache"))
    common = ["--config", config, "--config", evaluated]
    short = cli("test", "--ckpt_path", "test_resnet", *common, "--model.init_from", weights, "--run_dir", "short")
    assert short.status == 0, short.err
    assert 0 <= metrics("short")["knn/top1@1"] <= 1
    assert not [name for name in metrics("short") if "loss" in name]
    assert not list((tmp_path / "cache").rglob("graph.json"))  # which nothing here needs
    long = ["--model", "Pretrained", "--model.backbone", "test_resnet", "--model.init_from", weights]
    for command in ("test", "validate"):
        outcome = cli(command, *common, *long, "--run_dir", command)
        assert outcome.status == 0, outcome.err
        assert metrics(command) == metrics("short")
    saved = yaml.safe_load(Path("short/config.yaml").read_text())["model"]
    assert saved["class_path"].endswith("Pretrained")
    assert "projector" not in saved["init_args"]


def test_the_graph_of_held_out_pictures_is_compared_with_z(cli, config: Path, pictures: Path, weights: Path) -> None:
    arguments = ["--data.val", pictures, "--model.init_from", weights, "--run_dir", "run"]
    outcome = cli("test", "--config", config, "--ckpt_path", "test_resnet", *arguments)
    assert outcome.status == 0, outcome.err
    assert -1 <= metrics("run")["graph/spearman"] <= 1


def test_predict(cli, config: Path, pictures: Path, weights: Path) -> None:
    arguments = ["--data.predict", pictures, "--model.init_from", weights, "--run_dir", "run"]
    outcome = cli("predict", "--config", config, "--ckpt_path", "test_resnet", *arguments)
    assert outcome.status == 0, outcome.err
    table = pq.read_table("run/features.parquet")
    assert (len(table), table.schema.field("features").type.list_size) == (16, 96)


def test_fit_refuses_it_before_it_prepares_anything(
    cli, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path / "cache"))
    outcome = cli("fit", "--config", config, "--ckpt_path", "test_resnet", "--model.pretrained", "false")
    assert outcome.status == 2
    assert "Traceback" not in outcome.err
    assert "Pretrained is evaluated only" in outcome.err.splitlines()[-1]
    assert not list((tmp_path / "cache").rglob("graph.json"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("resnet5O", ["no checkpoint resnet5O", "timm", "did you mean resnet50?"]),
        ("resnet50.nope", ["backbone 'resnet50.nope' cannot be made", "nope"]),
        ("runs/none/last.ckpt", ["no checkpoint runs/none/last.ckpt"]),
    ],
)
def test_names_that_stand_for_nothing(cli, config: Path, name: str, words: list[str]) -> None:
    outcome = cli("test", "--config", config, "--ckpt_path", name)
    assert outcome.status == 2
    assert "Traceback" not in outcome.err
    for word in words:
        assert word in outcome.err.splitlines()[-1]


def test_two_processes_give_the_numbers_of_one(
    cli, config: Path, evaluated: Path, weights: Path, tmp_path: Path
) -> None:
    arguments = ["test", "--config", str(config), "--config", str(evaluated), "--ckpt_path", "test_resnet"]
    arguments += ["--model.init_from", str(weights)]
    assert cli(*arguments, "--run_dir", "one").status == 0
    command = [sys.executable, "-m", "xclr_lightning", *arguments, "--run_dir", "two", "--trainer.devices", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 0, result.stderr
    assert metrics("one") == metrics("two")
