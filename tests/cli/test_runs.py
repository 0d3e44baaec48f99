"""What a run does and leaves behind, through the command line."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from xclr_lightning.callbacks.run_folder import append_row
from xclr_lightning.config_files import shipped_configs
from xclr_lightning.graphs.store import read_manifest
from xclr_lightning.reporting import find_runs


def fit(cli, config: Path, *arguments: object, run: str = "run") -> dict[str, float]:
    outcome = cli("fit", "--config", config, "--run_dir", run, *arguments)
    assert outcome.status == 0, outcome.err
    return json.loads(Path(f"{run}/metrics.json").read_text())


def test_a_run_folder_explains_itself(cli, config: Path) -> None:
    metrics = fit(cli, config, "--trainer.max_epochs", 2)
    assert np.isfinite(metrics["train/loss"])
    with open("run/metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert float(rows[-1]["train/loss"]) == pytest.approx(metrics["train/loss"])
    assert yaml.safe_load(Path("run/config.yaml").read_text())["model"]["init_args"]["temperature"] == 0.2
    assert read_manifest(Path("run/graph"))["count"] == 16
    assert Path("run/checkpoints/last.ckpt").is_file()
    assert list(Path("run").glob("events.out.tfevents.*"))


def test_a_run_that_goes_on_says_again_what_it_runs_on(cli, config: Path) -> None:
    fit(cli, config)
    fit(cli, config, "--trainer.max_epochs", 2)
    first, second = (json.loads(Path(f"run/environment{number}.json").read_text()) for number in ("", "-2"))
    assert first["command"] == f"python -m xclr_lightning fit --config {config} --run_dir run"
    assert second["command"].endswith("--trainer.max_epochs 2")
    assert first["began"] <= second["began"]
    assert yaml.safe_load(Path("run/config-2.yaml").read_text())["trainer"]["max_epochs"] == 2


def test_numbers_stand_beside_the_epoch_and_the_protocol_that_they_were_measured_by(
    cli, config: Path, pictures: Path
) -> None:
    settings = {"knn": {"k": [3], "sets": {"own": {"bank": str(pictures), "queries": str(pictures)}}}}
    Path("more.yaml").write_text(yaml.safe_dump(settings))
    arguments = ["--config", "more.yaml", "--knn.every_n_epochs", 2, "--trainer.max_epochs", 5, "--data.val", pictures]
    metrics = fit(cli, config, *arguments, "--trainer.check_val_every_n_epoch", 2)
    with open("run/metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [bool(row["own/top1@3"]) for row in rows] == [False, True, False, True, True]
    assert [bool(row["val/loss"]) for row in rows] == [False, True, False, True, False]
    protocol = json.loads(Path("run/protocol.json").read_text())["KNN"]
    assert protocol["logged"] == ["own/top1@3"]
    assert (protocol["k"], protocol["temperature"]) == ([3], 0.07)
    assert protocol["sets"]["own"] == {"bank": str(pictures), "queries": str(pictures), "label": "class"}
    assert protocol["crop"] == "EvalView(size=32, resize=36)"
    events = EventAccumulator("run").Reload()
    content = HParamsPluginData.FromString(events.PluginTagToContent("hparams")["_hparams_/session_start_info"])
    assert content.session_start_info.hparams["KNN/temperature"].number_value == 0.07
    assert events.Scalars("own/top1@3")[-1].value == pytest.approx(metrics["own/top1@3"])


def test_an_evaluation_in_the_folder_of_a_fit_adds_to_what_that_measured(cli, config: Path, pictures: Path) -> None:
    one = {"bank": str(pictures), "queries": str(pictures)}
    second = {"class_path": "KNN", "init_args": {"k": [2], "sets": {"second": one}}}
    settings = {"knn": {"k": [1, 3], "sets": {"own": one}}, "trainer": {"max_epochs": 2}}
    Path("more.yaml").write_text(yaml.safe_dump(settings))
    fitted = fit(cli, config, "--config", "more.yaml")
    settings = {"knn": {"k": [3, 7]}, "trainer": {"callbacks": [second]}, "data": {"init_args": {"val": str(pictures)}}}
    Path("test.yaml").write_text(yaml.safe_dump(settings))
    configs = ["--config", config, "--config", "more.yaml", "--config", "test.yaml"]
    for command in ("validate", "test"):
        outcome = cli(command, *configs, "--ckpt_path", "run/checkpoints/last.ckpt", "--run_dir", "run")
        assert outcome.status == 0, outcome.err
    measured = json.loads(Path("run/metrics.json").read_text())
    assert {name: measured[name] for name in fitted} == fitted  # of the same weights
    assert {"own/top1@7", "second/top1@2", "val/loss"} <= set(measured) - set(fitted)
    assert list(measured) == sorted(measured)
    protocols = json.loads(Path("run/protocol.json").read_text())
    assert {name: (one["logged"], one["k"]) for name, one in protocols.items() if name.startswith("KNN")} == {
        "KNN": (["own/top1@3", "own/top1@7"], [3, 7]),
        "KNN-2": (["second/top1@2"], [2]),
        "KNN-3": (["own/top1@1"], [1, 3]),
    }
    with open("run/metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["epoch"], row["step"]) for row in rows] == [("0", "2"), ("1", "4"), ("", "")]
    assert float(rows[-1]["second/top1@2"]) == measured["second/top1@2"]

    (run,) = find_runs(["run"])
    assert [(row["epoch"], row["step"]) for row in run.history] == [(0, 2), (1, 4)]
    append_row(Path("run/metrics.csv"), {"epoch": 0, "step": 0, "own/top1@3": 0.0})  # as versions before wrote it
    assert find_runs(["run"])[0].history == run.history
    assert cli("report", "run").status == 0
    links = "[config](../run/config.yaml), [config-2](../run/config-2.yaml), [config-3](../run/config-3.yaml)"
    assert f"[seed 0](../run) ({links})" in Path("report/report.md").read_text()


def test_a_run_that_begins_anew_has_no_earlier_numbers(cli, config: Path, pictures: Path) -> None:
    sets = {"own": {"bank": str(pictures), "queries": str(pictures)}}
    Path("more.yaml").write_text(yaml.safe_dump({"knn": {"k": [3], "sets": sets}}))
    assert "own/top1@3" in fit(cli, config, "--config", "more.yaml")
    assert "own/top1@3" in fit(cli, config, "--trainer.max_epochs", 2)  # which goes on
    assert "own/top1@3" not in fit(cli, config, "--ckpt_path", "null")


def test_evaluations_run_after_the_last_step(cli, config: Path, pictures: Path) -> None:
    settings = {"knn": {"k": [3], "sets": {"own": {"bank": str(pictures), "queries": str(pictures)}}}}
    Path("more.yaml").write_text(yaml.safe_dump(settings))
    arguments = ["--config", "more.yaml", "--knn.every_n_epochs", 7, "--trainer.max_epochs", -1]
    assert "own/top1@3" in fit(cli, config, *arguments, "--trainer.max_steps", 3)


def test_a_checkpoint_does_not_wait_for_validation(cli, config: Path, pictures: Path) -> None:
    fit(cli, config, "--data.val", pictures, "--trainer.check_val_every_n_epoch", 5)
    assert Path("run/checkpoints/last.ckpt").is_file()


def test_runs_count_up(cli, config: Path) -> None:
    for _ in range(2):
        assert cli("fit", "--config", config).status == 0
    assert sorted(path.name for path in Path("runs/tiny").iterdir()) == ["0", "1"]


def test_the_same_seed_gives_the_same_numbers(cli, config: Path) -> None:
    first, second = fit(cli, config), fit(cli, config, run="second")
    other = fit(cli, config, "--seed_everything", 1, run="other")
    assert first["train/loss"] == second["train/loss"] != other["train/loss"]


def test_evaluations_run_at_epoch_end_and_in_test(
    cli, config: Path, pictures: Path, benchmarks: Path, tmp_path: Path
) -> None:
    settings = {
        "data": {"init_args": {"val": str(pictures)}},
        "knn": {"sets": {"knn": {"bank": str(pictures), "queries": str(pictures), "label": "class"}}},
        "imagenet9": {
            "root": str(benchmarks / "bg_challenge"),
            "bank": str(pictures),
            "k": 1,
            "size": 32,
            "resize": 36,
        },
        "mit_states": {"root": str(benchmarks)},
    }
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(yaml.safe_dump(settings))
    outcome = cli("fit", "--config", config, "--config", overlay, "--knn.k", "1", "--run_dir", "run")
    assert outcome.status == 0, outcome.err
    metrics = json.loads(Path("run/metrics.json").read_text())
    assert 0 < metrics["knn/top1@1"] < 1  # no picture is its own neighbour
    assert "val/loss" in metrics
    assert metrics["imagenet9/original"] == 1.0
    assert metrics["imagenet9/bg_gap"] == 0.0
    assert 0 <= metrics["mit_states/attribute"] <= 1
    assert -1 <= metrics["graph/spearman"] <= 1
    assert "top1@1" in outcome.out
    assert "tensorboard --logdir" in outcome.out
    again = cli("test", "--config", "run/config.yaml", "--ckpt_path", "run/checkpoints/last.ckpt", "--run_dir", "again")
    assert again.status == 0, again.err
    assert again.out.count("spearman") == 1
    tested = json.loads(Path("again/metrics.json").read_text())
    of_training = ("train", "val", "data", "features", "target", "speed")
    evaluated = {name: value for name, value in metrics.items() if not name.startswith(of_training)}
    assert {name: tested[name] for name in evaluated} == evaluated


def test_a_class_of_ones_own_is_found_beside_the_config(cli, config: Path) -> None:
    Path("mine.py").write_text("from xclr_lightning.objectives import SimCLR\n\n\nclass Mine(SimCLR):\n    pass\n")
    script = Path(sys.executable).with_name("xclr-lightning")
    command = [str(script), "fit", "--config", str(config), "--model", "mine.Mine", "--run_dir", "run"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert yaml.safe_load(Path("run/config.yaml").read_text())["model"]["class_path"] == "mine.Mine"


def test_secrets_are_not_saved(cli, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("tracked.py").write_text(
        "from xclr_lightning.objectives import SimCLR\n\n\nclass Tracked(SimCLR):\n"
        "    def __init__(self, api_token: str = '', **kwargs):\n        super().__init__(**kwargs)\n"
    )
    monkeypatch.setenv("MY_TOKEN", "hunter2")
    Path("overlay.yaml").write_text(
        "model:\n  class_path: tracked.Tracked\n  init_args:\n    api_token: ${oc.env:MY_TOKEN,none}\n"
    )
    outcome = cli("fit", "--config", config, "--config", "overlay", "--run_dir", "run")
    assert outcome.status == 0, outcome.err
    written = [file for file in Path("run").rglob("*") if file.is_file()]
    assert not [file for file in written if b"hunter2" in file.read_bytes()]


@pytest.mark.parametrize("name", [name for name in shipped_configs() if "/" not in name])
def test_shipped_configs_parse(cli, name: str) -> None:
    with pytest.raises(SystemExit) as ended:
        cli("fit", "--config", name, "--config", "debug/one_batch", "--config", "objective/supcon", "--print_config")
    assert ended.value.code in (None, 0)


def test_two_processes_train_the_weights_of_one(config: Path, tmp_path: Path) -> None:
    """With batches of all pictures and views without chance, order and share do not matter.

    Rounding decides the sign of a gradient of next to none, which is AdamW's first step, and on which side of a ReLU's
    bend a value lies: SGD and a smooth activation.
    """
    command = [sys.executable, "-m", "xclr_lightning", "fit", "--config", str(config), "--trainer.max_epochs", "3"]
    command += ["--data.batch_size", "16", "--data.view", "EvalView", "--data.view.size", "32"]
    command += ["--data.augment", "null", "--model.optimizer", "sgd", "--model.lr", "0.1"]
    command += ["--model.backbone_kwargs", "{act_layer: silu}"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    weights, losses = [], []
    for run, devices in (("one", "1"), ("two", "2")):
        arguments = ["--run_dir", run, "--trainer.devices", devices]
        result = subprocess.run(
            command + arguments, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment
        )
        assert result.returncode == 0, result.stderr
        state = torch.load(tmp_path / run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        weights.append(torch.cat([value.double().flatten() for value in state.values()]))
        losses.append(json.loads((tmp_path / run / "metrics.json").read_text())["train/loss"])
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    assert (weights[1] - weights[0]).norm() < 1e-4 * weights[0].norm()
    assert sorted(path.name for path in (tmp_path / "two").glob("config*")) == ["config.yaml"]


def test_processes_drop_the_last_batch_too(config: Path, tmp_path: Path) -> None:
    """As one process does: no sample is repeated to fill it, in training or validation."""
    pictures = tmp_path / "pictures"
    (pictures / "vehicle" / "15.png").unlink()
    rows = (pictures / "metadata.csv").read_text().splitlines()[:-1]
    (pictures / "metadata.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "seen.py").write_text(
        "import torch\nfrom lightning import Callback\n\n\nclass Seen(Callback):\n"
        "    def on_train_batch_end(self, trainer, module, outputs, batch, index):\n"
        "        with open(f'seen-{trainer.global_rank}.txt', 'a') as file:\n"
        "            file.write(' '.join(map(str, batch['index'].tolist())) + '\\n')\n"
    )
    command = [sys.executable, "-m", "xclr_lightning", "fit", "--config", str(config)]
    command += ["--trainer.devices", "2", "--trainer.callbacks+", "seen.Seen", "--data.val", str(pictures)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert result.returncode == 0, result.stderr
    batches = [(tmp_path / f"seen-{rank}.txt").read_text().splitlines() for rank in (0, 1)]
    assert [len(lines) for lines in batches] == [1, 1]  # 15 pictures make one batch of 8
    seen = [number for lines in batches for line in lines for number in line.split()]
    assert len(set(seen)) == len(seen) == 8
    assert [folder.name for folder in (tmp_path / "runs" / "tiny").iterdir()] == ["0"]


def test_a_batch_that_processes_cannot_share_is_refused(config: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "xclr_lightning", "fit", "--config", str(config), "--run_dir", "run"]
    command += ["--trainer.devices", "2", "--data.batch_size", "7"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert result.returncode != 0
    assert "data.batch_size 7 is shared by all processes: 2 do not divide it" in result.stderr
