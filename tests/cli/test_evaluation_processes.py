"""Evaluations by two and three processes give the numbers of one, to the last digit, however data divide."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from .conftest import copy

GROUPS = ("knn", "feature_probe", "few_shot", "retrieval", "imagenet9", "mit_states", "agreement")


@pytest.fixture
def evaluated(config: Path, pictures: Path, benchmarks: Path) -> Path:
    """A config with every evaluation that these pictures allow: 15 in batches of 6, and a broken one."""
    files = sorted(pictures.rglob("*.png"))
    files[3].write_bytes(files[3].read_bytes()[:200])
    rows = [f"pictures/{path.relative_to(pictures)},a thing,{i % 5}" for i, path in enumerate(files)]
    (pictures.parent / "graded.csv").write_text("\n".join(["file_name,caption,grade", *rows]) + "\n")
    few = pictures.parent / "few"  # one batch, of which one process of two or three has nothing
    for file in files[4:6] + files[9:11]:
        copy(file, few / file.relative_to(pictures))
    settings = yaml.safe_load(config.read_text())
    settings["data"]["init_args"] |= {"batch_size": 6, "val": str(pictures), "max_skipped": 0.5}
    sets = {"bank": str(pictures), "queries": str(pictures), "label": "class"}
    small = {"bank": str(few), "queries": str(few), "label": "class"}
    settings |= {
        "knn": {"k": [1, 5, 20], "sets": {"knn": sets, "few": sets | {"queries": str(few)}, "small": small}},
        "feature_probe": {"sets": {"probe": sets, "small_probe": small}, "classifiers": ["ridge", "sgd"]},
        "few_shot": {"sets": {"shot": sets}, "shots": [1, 3]},
        "retrieval": {"sets": {"ranked": {"gallery": str(pictures), "label": "class"}}},
        "imagenet9": {"root": str(benchmarks / "bg_challenge"), "bank": str(pictures), "size": 32, "k": 3},
        "mit_states": {"root": str(benchmarks)},
        "agreement": {"pictures": str(pictures.parent / "graded.csv"), "columns": ["grade"]},
        "similarity_figure": {"every_n_epochs": 0},
    }
    config.write_text(yaml.safe_dump(settings))
    return config


@pytest.mark.parametrize(("several", "half"), [(2, "true"), (3, "false")])
def test_any_number_of_processes(cli, evaluated: Path, tmp_path: Path, several: int, half: str) -> None:
    off = [f"--{name}.every_n_epochs=0" for name in GROUPS]
    assert cli("fit", "--config", evaluated, *off, "--run_dir", "trained").status == 0
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    found = []
    for devices in (1, several):
        command = [sys.executable, "-m", "xclr_lightning", "validate", "--config", str(evaluated), "--run_dir"]
        command += [f"on-{devices}", f"--trainer.devices={devices}", f"--data.half_features={half}"]
        command += ["--ckpt_path", "trained/checkpoints/last.ckpt"]
        result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert result.returncode == 0, result.stderr
        metrics = json.loads(Path(f"on-{devices}/metrics.json").read_text())
        del metrics["val/loss"]  # of batches that are shared
        assert result.stderr.count("could not be read") == 2  # once a place, in however many processes
        assert "Warning" not in result.stderr
        found.append(metrics)
    groups = {name.split("/")[0] for name in found[0]}
    assert groups >= {"knn", "few", "small", "probe", "small_probe", "shot", "imagenet9", "mit_states", "agreement"}
    assert "ranked/ndcg@10" in found[0]
    assert found[0] == found[1]
