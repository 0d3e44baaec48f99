"""Evaluations by two and three processes give the numbers of one, to the last digit, however data divide."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml


@pytest.fixture
def evaluated(config: Path, pictures: Path, benchmarks: Path) -> Path:
    """A config with every evaluation that these pictures allow: 15 in batches of 6, and a broken one."""
    files = sorted(pictures.rglob("*.png"))
    files[3].write_bytes(files[3].read_bytes()[:200])
    rows = [f"pictures/{path.relative_to(pictures)},a thing,{i % 5}" for i, path in enumerate(files)]
    (pictures.parent / "graded.csv").write_text("\n".join(["file_name,caption,grade", *rows]) + "\n")
    settings = yaml.safe_load(config.read_text())
    settings["data"]["init_args"] |= {"batch_size": 6, "val": str(pictures), "max_skipped": 0.5}
    sets = {"bank": str(pictures), "queries": str(pictures), "label": "class"}
    settings |= {
        "knn": {"k": [1, 5, 20], "sets": {"knn": sets}},
        "imagenet9": {"root": str(benchmarks / "bg_challenge"), "bank": str(pictures), "size": 32, "k": 3},
        "mit_states": {"root": str(benchmarks)},
        "agreement": {"pictures": str(pictures.parent / "graded.csv"), "columns": ["grade"]},
        "similarity_figure": {"every_n_epochs": 0},
    }
    config.write_text(yaml.safe_dump(settings))
    return config


@pytest.mark.parametrize("half", ["false", "true"])
def test_any_number_of_processes(cli, evaluated: Path, tmp_path: Path, half: str) -> None:
    assert cli("fit", "--config", evaluated, "--knn.every_n_epochs", 0, "--mit_states.every_n_epochs", 0,
               "--imagenet9.every_n_epochs", 0, "--run_dir", "trained").status == 0  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    found = []
    for devices in (1, 2, 3):
        command = [sys.executable, "-m", "xclr_lightning", "validate", "--config", str(evaluated), "--run_dir"]
        command += [f"on-{devices}", f"--trainer.devices={devices}", f"--data.half_features={half}"]
        command += ["--ckpt_path", "trained/checkpoints/last.ckpt"]
        result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert result.returncode == 0, result.stderr
        metrics = json.loads(Path(f"on-{devices}/metrics.json").read_text())
        del metrics["val/loss"]  # of batches that are shared
        assert result.stderr.count("could not be read") == 3  # once an evaluation, whatever the number of processes
        assert "Warning" not in result.stderr
        found.append(metrics)
    groups = {name.split("/")[0] for name in found[0]}
    assert groups >= {"knn", "imagenet9", "mit_states", "agreement"}
    assert found[0] == found[1] == found[2]
